/** Which keys of a rule file stand where: one that is written elsewhere would be ignored, or is told where it belongs. */
import { chainKeySchema, correlationRuleSchema, detectionRuleSchema } from "../../schemas/rule.ts";

/** Of both kinds of rule. */
export const topKeys: readonly string[] = [
  ...new Set([...Object.keys(detectionRuleSchema.properties), ...Object.keys(correlationRuleSchema.properties)]),
];

/** `timeframe` is refused there too, with what to write instead. */
export const keysWithin: Readonly<Record<"x-chain" | "correlation" | "detection", readonly string[]>> = {
  "x-chain": Object.keys(chainKeySchema.properties),
  correlation: Object.keys(correlationRuleSchema.properties.correlation.properties),
  detection: ["condition", "timeframe"],
};

/** @returns `at the top` and the like, for a key that is known in one place; null for any other */
export function placeOf(key: string | number | undefined): string | null {
  if (typeof key !== "string") return null;
  if (topKeys.includes(key)) return "at the top, beside correlation or detection";
  const home = (["x-chain", "correlation"] as const).find((one) => keysWithin[one].includes(key));
  return home === undefined ? null : `under ${home}`;
}
