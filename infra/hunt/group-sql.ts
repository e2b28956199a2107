/** What steps must agree in (group-by), and who is the same actor, as SQL. */
import type { ChainRule, GroupKey } from "../rules/rule-set.ts";
import { quoted } from "./text.ts";

const uriFields: ReadonlySet<string> = new Set(["resource", "reads", "writes", "ends"]);

/** Keys whose members are URIs, which meet by overlap. */
export function isUriKey(key: GroupKey): boolean {
  return key.kind === "lineage" || (key.kind === "field" && key.fields.some((field) => uriFields.has(field)));
}

/**
 * Array(String): what one step brings to a key.
 * @param field name under which this step has it; @param from alias of the step's row, with its dot
 */
export function groupTexts(
  rule: ChainRule,
  key: GroupKey,
  field: string | undefined,
  from: string,
  lineage: "lin" | "slin",
): string {
  const texts = textsOf(key, field, from, lineage);
  return rule.groupNull ? `if(empty(${texts}), ['\\0'], ${texts})` : texts;
}

function textsOf(key: GroupKey, field: string | undefined, from: string, lineage: "lin" | "slin"): string {
  if (key.kind === "field") return `${from}keys[${quoted(field ?? key.name)}]`;
  return key.kind === "lineage" ? `${from}${lineage}` : `${from}identity`;
}

/** True where two identities are one actor by what was known at a position. `same` is given by the statement. */
export function actorSql(one: string, other: string, at: string): string {
  return `(${one} = ${other} OR arrayExists(r -> r.1 = ${one} AND r.2 = ${other} AND r.3 <= ${at}, same))`;
}
