/**
 * The JSON schema of rule files, for editors: the same TypeBox schemas that the loader checks with, and every field with
 * every modifier that fits beside it.
 */
import { type Field, fields } from "../../schemas/fields.ts";
import { correlationRuleSchema, detectionRuleSchema } from "../../schemas/rule.ts";

type Json = Readonly<Record<string, unknown>>;

const modifiers: Readonly<Record<Field["type"], readonly string[]>> = {
  text: ["contains", "startswith", "endswith", "re", "cased", "neq", "exists", "fieldref"],
  texts: ["contains", "contains|all", "startswith", "endswith", "re", "cased", "all", "neq", "exists", "fieldref"],
  number: ["lt", "lte", "gt", "gte", "neq", "exists"],
  boolean: ["neq"],
  time: ["minute", "hour", "day", "week", "month", "year", "hour|gte", "hour|lt"],
};
const addresses = new Set(["address", "clientaddress"]);

function item({ about, values, known }: Field, modifier: string): Json {
  const late = known === "late" ? " (known when it has finished)" : known === "plain" ? " (plain events)" : "";
  const description = `${about}${late}`;
  if (modifier === "exists") return { description, type: "boolean" };
  const examples = modifier === "" && values !== undefined ? { examples: values } : {};
  return { description, ...examples };
}

function selection(): Json {
  const properties: Record<string, Json> = {};
  for (const field of fields as readonly Field[]) {
    properties[field.name] = item(field, "");
    for (const modifier of [...modifiers[field.type], ...(addresses.has(field.name) ? ["cidr"] : [])])
      properties[`${field.name}|${modifier}`] = item(field, modifier);
  }
  return {
    description: "all of these; `field|modifier: value`, a list is any of its values",
    type: "object",
    minProperties: 1,
    properties,
  };
}

function detection(): Json {
  const one = { $ref: "#/$defs/selection" };
  const word = { type: ["string", "number", "boolean"], description: "a keyword, looked for in the whole event" };
  return {
    description: "named parts, and the condition over them",
    type: "object",
    required: ["condition"],
    properties: {
      condition: {
        description: "such as: selection and not 1 of filter_*",
        anyOf: [{ type: "string" }, { type: "array", items: { type: "string" }, minItems: 1 }],
      },
    },
    additionalProperties: { anyOf: [one, { type: "array", items: { anyOf: [one, word] }, minItems: 1 }, word] },
  };
}

export function ruleSchema(): string {
  const rule = { ...detectionRuleSchema, properties: { ...detectionRuleSchema.properties, detection: detection() } };
  const whole = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Throughline rules: Sigma 2.1 detections and correlations with x-chain",
    description: "Made from schemas/rule.ts and schemas/fields.ts by `make pages`.",
    if: { required: ["correlation"] },
    // biome-ignore lint/suspicious/noThenProperty: JSON Schema's own word
    then: correlationRuleSchema,
    else: rule,
    $defs: { selection: selection() },
  };
  return `${JSON.stringify(whole, null, 2)}\n`;
}
