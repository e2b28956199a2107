/** What one effect of a command moves, and from where (DETECTION §6, Flow). */
import { overlaps } from "../../infra/catalog.ts";
import { touches } from "../../infra/rules/field.ts";
import type { Lane, Move } from "./edges.ts";
import type { Step, StepEffect } from "./step.ts";

/** Into which place an effect moves what. Of an opaque command only what is known of it: not that it may touch anything. */
export function movesOf({ opaque, commit }: Step, { effect }: StepEffect): readonly Move[] {
  if (commit || (opaque && touches(effect).some(isTarget))) return [];
  const moves: Move[] = [];
  for (const [old, to] of effect.renames ?? []) moves.push({ to, from: [old], renamed: true });
  const carries = effect.operation === "write" || effect.operation === "transform";
  if (!carries || effect.reads.length === 0 || effect.writes.length === 0) return moves;
  if (effect.flows === undefined) {
    for (const to of effect.writes) moves.push({ to, from: effect.reads, renamed: false });
    return moves;
  }
  const into = new Map<string, string[]>();
  for (const [from, to] of effect.flows) into.set(to, [...(into.get(to) ?? []), from]);
  for (const [to, from] of into) moves.push({ to, from, renamed: false });
  return moves;
}

function isTarget(name: string): boolean {
  return !name.includes("/");
}

/** Comparing more than this costs more than taking care of the order. */
const comparedMax = 4_096;

/** Whether what one effect brings comes to where it, or an earlier one of its command, looks: then their order matters. */
export function isIntertwined(step: Step): boolean {
  const before: string[] = [];
  let compared = 0;
  for (const effect of step.effects) {
    const moves = movesOf(step, effect);
    compared += moves.length * before.length + moves.length ** 2;
    if (compared > comparedMax) return true;
    for (const { to } of moves) {
      if (before.some((name) => overlaps(name, to))) return true;
      if (moves.some((other) => other.to !== to && other.from.some((name) => overlaps(name, to)))) return true;
    }
    if (step.effects.length > 1) before.push(...touches(effect.effect));
  }
  return false;
}

export function laneKey({ from, renamed, opaque, ordered }: Omit<Lane, "flows" | "until">): string {
  return `${opaque ? "opaque " : ""}${ordered ? "in order " : ""}${renamed ? "renamed" : "moved"} ${from.join(" ")}`;
}
