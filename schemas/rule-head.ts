/** What Sigma 2.1 lets every rule say about itself, beside what it detects: for people, and checked as its JSON schema has it. */
import { Type } from "./shape.ts";

const oneOf = <T extends string>(words: readonly T[]) =>
  Type.Unsafe<T>(Type.Union(words.map((word) => Type.Literal(word))));
const uuid = Type.String({
  pattern: "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
  description: "a UUID, best of version 4; other rules can refer to it",
});
const date = Type.String({ pattern: "^[0-9]{4}-(0[1-9]|1[012])-(0[1-9]|[12][0-9]|3[01])$" });
const uniqueTexts = Type.Array(Type.String(), { uniqueItems: true });

export const falsePositives = Type.Array(Type.String({ minLength: 2 }), { uniqueItems: true });

const levels = ["informational", "low", "medium", "high", "critical"] as const;
const statuses = ["stable", "test", "experimental", "deprecated", "unsupported"] as const;
const relations = ["derived", "obsolete", "merged", "renamed", "similar"] as const;

export const ruleHead = {
  title: Type.String({ minLength: 1, maxLength: 256, description: "what it detects, in a few words" }),
  id: Type.Optional(uuid),
  name: Type.Optional(
    Type.String({ minLength: 1, maxLength: 256, description: "what correlations and people call it; unique" }),
  ),
  related: Type.Optional(Type.Array(Type.Object({ id: uuid, type: oneOf(relations) }))),
  taxonomy: Type.Optional(Type.String({ maxLength: 256, description: "sigma unless said otherwise" })),
  status: Type.Optional(oneOf(statuses)),
  description: Type.Optional(Type.String({ maxLength: 65_535 })),
  license: Type.Optional(Type.String({ description: "an SPDX id" })),
  author: Type.Optional(Type.String()),
  references: Type.Optional(uniqueTexts),
  date: Type.Optional(date),
  modified: Type.Optional(date),
  fields: Type.Optional(uniqueTexts),
  falsepositives: Type.Optional(falsePositives),
  level: Type.Optional(oneOf(levels)),
  tags: Type.Optional(
    Type.Array(Type.String({ pattern: "^[a-z0-9_-]+\\.[a-z0-9._-]+$" }), {
      uniqueItems: true,
      description: "namespace.name, such as attack.t1485; these tag the rule, not data",
    }),
  ),
  scope: Type.Optional(Type.Array(Type.String({ minLength: 2 }))),
};

const source = Type.Optional(Type.String({ minLength: 1, maxLength: 256 }));
/** Further keys are allowed, and are for people. */
export const logsourceSchema = Type.Object({
  product: source,
  category: source,
  service: source,
  definition: Type.Optional(Type.String()),
});
