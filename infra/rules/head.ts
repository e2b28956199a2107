/**
 * What a rule document says around its detection. Sigma lets everybody add keys of their own, so an unknown key is left
 * alone, unless it is a known one, mistyped or one level too high: that would switch something off and nobody would see it.
 */
import type { Logs } from "./detection.ts";
import { keysWithin, topKeys } from "./places.ts";
import type { Source } from "./source.ts";
import { nearest } from "./spelling.ts";

/** `reference` is how the specification itself spells it once. */
const alsoKnown = ["reference", "action"];
const knownKeys = [...topKeys, "filter"];
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
  const homes = ["x-chain", "detection" in said ? "detection" : "correlation"] as const;
  for (const key of Object.keys(said)) {
    if (knownKeys.includes(key) || alsoKnown.includes(key)) continue;
    const usual = key.toLowerCase().replaceAll("_", "-");
    const home = homes.find((one) => keysWithin[one].includes(usual));
    if (home !== undefined) throw document.wrong([key], `belongs under ${home}; here nothing reads it`);
    refuseMistyped(document, key, usual);
  }
}

function refuseMistyped(document: Source, key: string, usual: string): void {
  const same = knownKeys.find((known) => known === usual);
  const meant =
    same ??
    nearest(
      key,
      knownKeys.filter((known) => known.length >= comparedLengthMin),
    );
  if (meant !== null) throw document.wrong([key], `is no key of a rule; do you mean ${meant}?`);
}
