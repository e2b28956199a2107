/** What is said of completed chains: that they are, and the standing block that a rule may place. */
import type { BlockScope } from "../../schemas/event-data.ts";
import type { Ruling } from "../../schemas/verdict.ts";
import type { Answer, Completion } from "./answer.ts";
import { hash } from "./evidence.ts";
import type { Output } from "./outputs.ts";
import type { Step } from "./step.ts";
import type { Eviction } from "./steps.ts";

/** @returns in rule order; blocks last */
export function saidOf(step: Step, { enforced, observed }: Answer, ruling: Ruling): readonly Output[] {
  const completions = [...enforced, ...observed].sort((a, b) => a.rule.index - b.rule.index);
  const completed = completions.map(({ rule, chain }): Output => {
    const id = hash(["completed", chain.id, ruling]);
    return { type: "chain.completed", subject: step.subject, data: { rule: rule.name, chain, ruling }, id };
  });
  return [...completed, ...enforced.flatMap((completion) => blockBy(step, completion) ?? [])];
}

/** Whoever keeps most loses its own oldest steps, which is told. @param at where */
export function evictionOf(eviction: Eviction, at: number): Output {
  const id = hash(["evicted", at, eviction.identity]);
  return { type: "state.evicted", subject: { identity: eviction.identity }, data: { ...eviction }, id };
}

/** A rule may place a standing block on whoever completed it, on strong evidence only. */
function blockBy(step: Step, { rule, chain }: Completion): Output | null {
  const terms = rule.gate?.block ?? null;
  if (terms === null || chain.strength === "weak") return null;
  const parts = terms.scope.map((field) => [field, step.subject[field]] as const);
  // A field that the event lacks would make the block wider than the rule says.
  if (parts.some(([, value]) => value === undefined)) return null;
  const block = hash(["block", chain.id]);
  const data = {
    block,
    scope: Object.fromEntries(parts) as BlockScope,
    by: `rule ${rule.name}`,
    reason: chain.sentence,
    expiresAtMs: step.atMs + terms.forMs,
    approvers: [...(rule.gate?.approvers ?? [])],
  };
  return { type: "block.placed", subject: step.subject, data, id: block };
}
