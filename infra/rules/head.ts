/**
 * What a rule document says around its detection. Sigma lets everybody add keys of their own, so an unknown key is left
 * alone, unless it is a known one mistyped: that would switch something off and nobody would see it.
 */
import { correlationRuleSchema, detectionRuleSchema } from "../../schemas/rule.ts";
import type { Logs } from "./detection.ts";
import type { Source } from "./source.ts";
import { nearest } from "./spelling.ts";

/** `reference` is how the specification itself spells it once. */
const alsoKnown = ["reference", "action"];
const knownKeys = [
  ...new Set([
    ...Object.keys(detectionRuleSchema.properties),
    ...Object.keys(correlationRuleSchema.properties),
    "filter",
  ]),
];
/** Shorter words are near too many others. */
const comparedLengthMin = 5;

/** @throws ThroughlineError `rule.invalid` or `rule.unsupported` */
export function refuseForeign(document: Source, value: object, logs: Logs): void {
  const said = value as Readonly<Record<string, unknown>>;
  if (typeof said.action === "string" && /^(global|reset|repeat)$/.test(said.action))
    throw document.wrong(
      ["action"],
      "rule collections are no longer part of Sigma: write each rule whole, with --- between them",
      "rule.unsupported",
    );
  if ("filter" in said)
    throw document.wrong(
      ["filter"],
      "an exemption stands in the rule it weakens, where its readers see it: add the selection there, and `and not` it in the condition",
      "rule.unsupported",
    );
  if (typeof said.taxonomy === "string" && !/^(sigma|throughline)$/.test(said.taxonomy) && logs === "commands")
    throw document.wrong(
      ["taxonomy"],
      "field names are those of schemas/FIELDS.md: map them and leave taxonomy out",
      "rule.unsupported",
    );
  for (const key of Object.keys(said)) refuseMistyped(document, key);
}

function refuseMistyped(document: Source, key: string): void {
  if (knownKeys.includes(key) || alsoKnown.includes(key)) return;
  const same = knownKeys.find((known) => known === key.toLowerCase().replaceAll("_", "-"));
  const meant =
    same ??
    nearest(
      key,
      knownKeys.filter((known) => known.length >= comparedLengthMin),
    );
  if (meant !== null) throw document.wrong([key], `is no key of a rule; do you mean ${meant}?`);
}
