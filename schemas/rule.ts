/**
 * The shape of rule files: Sigma detection rules, Sigma correlation rules, and our one namespaced key `x-chain` with
 * inline `tests`. Sigma's own top level is open (other tools add keys there); everything of ours refuses unknown keys.
 * What a key means stands in DETECTION §1, §2 and §6; what of it this version evaluates, infra/rules/load.ts checks.
 */
import { linkKinds } from "./chain.ts";
import { pipelinesSchema } from "./pipeline.ts";
import { falsePositives, logsourceSchema, ruleHead } from "./rule-head.ts";
import { closed, type Static, Type } from "./shape.ts";

const oneOf = <T extends string>(words: readonly T[]) =>
  Type.Unsafe<T>(Type.Union(words.map((word) => Type.Literal(word))));
const name = Type.String({ minLength: 1, maxLength: 200 });
const names = Type.Array(name, { minItems: 1 });
/** `30s 15m 24h 7d 4w 2M 1y` */
const duration = Type.String({ pattern: "^[0-9]{1,6}[smhdwMy]$" });

export const correlationTypes = [
  "temporal_ordered",
  "temporal",
  "event_count",
  "value_count",
  "value_sum",
  "value_avg",
  "value_percentile",
] as const;
export const chainActions = ["hold", "block", "alert"] as const;
export const expectations = ["hold", "block", "alert", "allow"] as const;

/** What a standing block that a rule places is limited to: of the identity that completed the chain. */
export const blockScopes = ["identity", "account", "session", "task"] as const;

const gateSchema = closed({
  action: Type.Union([Type.Literal("hold"), Type.Literal("block")]),
  approvers: Type.Optional(names),
  escalate: Type.Optional(names),
  wait: Type.Optional(duration),
  unavailable: Type.Optional(Type.Union([Type.Literal("hold"), Type.Literal("block"), Type.Literal("allow")])),
  step: Type.Optional(Type.Union([name, names])),
  "may-approve": Type.Optional(names),
  block: Type.Optional(closed({ scope: Type.Array(oneOf(blockScopes), { minItems: 1 }), for: duration })),
});

const absentSchema = closed({ rule: name, between: Type.Tuple([name, name]) });

export const chainKeySchema = closed({
  mode: Type.Optional(Type.Union([Type.Literal("observe"), Type.Literal("enforce")])),
  links: Type.Optional(
    Type.Array(
      closed({
        from: name,
        to: name,
        by: Type.Array(oneOf(linkKinds), { minItems: 1 }),
      }),
    ),
  ),
  distinct: Type.Optional(closed({ field: name, min: Type.Integer({ minimum: 2, maximum: 100 }) })),
  absent: Type.Optional(Type.Union([absentSchema, Type.Array(absentSchema)])),
  until: Type.Optional(name),
  unless: Type.Optional(closed({ pipeline: Type.Union([name, names]) })),
  runs: Type.Optional(Type.Array(closed({ rule: name, min: Type.Integer({ minimum: 2, maximum: 100_000 }) }))),
  "group-by-null": Type.Optional(Type.Boolean()),
  gate: Type.Optional(gateSchema),
});
export type ChainKey = Static<typeof chainKeySchema>;

const catalogLines = Type.Array(closed({ resource: name, tags: names }));

export const inlineTestsSchema = Type.Array(
  closed({
    name: Type.Optional(name),
    catalog: Type.Optional(catalogLines),
    /** As in pipelines.yaml. */
    pipelines: Type.Optional(pipelinesSchema),
    given: Type.Optional(Type.String()),
    when: name,
    expect: oneOf(expectations),
  }),
);
export type InlineTest = Static<typeof inlineTestsSchema>[number];

const head = {
  ...ruleHead,
  generate: Type.Optional(Type.Boolean()),
  tests: Type.Optional(inlineTestsSchema),
  "x-chain": Type.Optional(chainKeySchema),
};

export const detectionRuleSchema = Type.Object({
  ...head,
  logsource: logsourceSchema,
  detection: Type.Record(Type.String(), Type.Unknown()),
});
export type DetectionFile = Static<typeof detectionRuleSchema>;

const countCondition = closed({
  field: Type.Optional(Type.Union([name, names])),
  percentile: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
  gt: Type.Optional(Type.Number()),
  gte: Type.Optional(Type.Number()),
  lt: Type.Optional(Type.Number()),
  lte: Type.Optional(Type.Number()),
  eq: Type.Optional(Type.Number()),
  neq: Type.Optional(Type.Number()),
});
export type CountCondition = Static<typeof countCondition>;

export const correlationRuleSchema = Type.Object({
  ...head,
  /** As the published schema has it, here and not in detection rules. */
  falsepositives: Type.Optional(Type.Union([Type.String({ minLength: 2 }), falsePositives])),
  correlation: closed({
    type: oneOf(correlationTypes),
    /** May be left out where `condition` is an expression over rules. */
    rules: Type.Optional(names),
    timespan: duration,
    "group-by": Type.Optional(names),
    aliases: Type.Optional(Type.Record(Type.String(), Type.Record(Type.String(), Type.String()))),
    condition: Type.Optional(Type.Union([countCondition, Type.String({ minLength: 1, maxLength: 10_000 })])),
  }),
});
export type CorrelationFile = Static<typeof correlationRuleSchema>;

/** A firing, as `throughline rules run` prints it: keys in this order, `chain` in step order. */
export interface Firing {
  readonly rule: string;
  readonly event: string;
  readonly action: (typeof chainActions)[number];
  readonly chain: readonly string[];
}
