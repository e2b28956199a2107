/** What must ask while correlators may still answer by rules that are not the latest: whatever any of them asks. */
import type { ChainRules } from "./chain.ts";

export interface RulesBefore {
  readonly rules: ChainRules;
  /** Tags that their catalog gives. */
  readonly tagsOf: (resource: string) => readonly string[];
}

const strictness: readonly ChainRules["unavailable"][] = ["allow", "hold", "block"];

/** @returns `now` itself where there are none before it */
export function withBefore(now: ChainRules, before: readonly RulesBefore[]): ChainRules {
  if (before.length === 0) return now;
  const any =
    (which: "mustAsk" | "mayStep"): ChainRules["mustAsk"] =>
    (facts, subject, tagsOf, commits) =>
      now[which](facts, subject, tagsOf, commits) ||
      before.some((one) => {
        const both = (resource: string) => [...new Set([...tagsOf(resource), ...one.tagsOf(resource)])];
        return one.rules[which](facts, subject, both, commits);
      });
  const all = [now, ...before.map(({ rules }) => rules)];
  return {
    version: all.map(({ version }) => version).join(" "),
    mustAsk: any("mustAsk"),
    mayStep: any("mayStep"),
    gateOf: (rule) => all.map(({ gateOf }) => gateOf(rule)).find((gate) => gate !== null) ?? null,
    unavailable: strictness[Math.max(...all.map(({ unavailable }) => strictness.indexOf(unavailable)))] ?? "hold",
    asksContent: all.some(({ asksContent }) => asksContent === true),
  };
}
