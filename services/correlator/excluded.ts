/**
 * Who may not approve a hold (DETECTION §3): everybody in any admissible chain of it, and all linked to them by strong
 * evidence, or a decoy's later read would free the real reader. Steps that a rule lets approve are left out.
 */
import { type ChainRule, type Detection, formsOf, gates } from "../../infra/rules/rule-set.ts";
import type { Completion } from "./answer.ts";
import { type Asking, budgetOf, groundOf, placesOf } from "./asking.ts";
import type { Clusters } from "./cluster.ts";
import { firingGroups } from "./count.ts";
import { firing } from "./firings.ts";
import type { Ground } from "./ground.ts";
import { findChain } from "./match.ts";
import type { Step } from "./step.ts";

/** @returns their identities, sorted */
export function excludedFor(asking: Asking, last: Step, enforced: readonly Completion[]): readonly string[] {
  const excluded = new Excluded(asking, last);
  for (const held of enforced.flatMap((one) => [one, ...(one.others ?? [])])) excluded.chainsOf(held, last);
  return excluded.sorted();
}

class Excluded {
  readonly #asking: Asking;
  readonly #people = new Set<string>();

  constructor(asking: Asking, last: Step) {
    this.#asking = asking;
    this.#add([last]);
  }

  sorted(): readonly string[] {
    return [...this.#people].sort();
  }

  chainsOf({ rule, found }: Completion, last: Step): void {
    const gated = placesOf(rule, last).filter((place) => gates(rule, place));
    this.#add(found.filter((_, place) => rule.count !== null || !mayApprove(rule, place)));
    this.#all(rule, last, gated);
  }

  #all(rule: ChainRule, last: Step, places: readonly number[]): void {
    const ground = groundOf(this.#asking, budgetOf(this.#asking));
    if (rule.count === null) this.#chains(ground, rule, last, places);
    else for (const counted of firingGroups(ground, rule, last, places, Number.POSITIVE_INFINITY)) this.#add(counted);
    for (const [place, { firing: inner }] of rule.steps.entries())
      if (inner !== null && !mayApprove(rule, place)) this.#within(ground, rule, place, inner, last);
  }

  #chains(ground: Ground, rule: ChainRule, last: Step, places: readonly number[]): void {
    for (const place of rule.steps.keys()) {
      if (mayApprove(rule, place)) continue;
      for (const [identity, step] of this.#candidates(rule, place, last)) {
        if (this.#people.has(identity)) continue;
        const chain = findChain(ground, { rule, last, places, pinned: { place, identity } });
        // Cut short: whoever could be in a chain is taken to be in one.
        if (chain === null && ground.budget.spent) this.#add([step]);
        if (chain !== null) this.#add(chain.filter((_, other) => !mayApprove(rule, other)));
      }
    }
  }

  /** A step that is a correlation: everybody in its chains too, of every firing that could stand there. */
  #within(ground: Ground, rule: ChainRule, place: number, inner: ChainRule, last: Step): void {
    for (const step of [last, ...this.#stepsAt(rule.steps[place], rule, last)])
      for (const form of formsOf(inner)) {
        const found = firing(ground, form, step, false);
        if (found === null && ground.budget.spent) this.#add([step]);
        if (found === null) continue;
        this.#add(found);
        this.#all(form, step, placesOf(form, step));
      }
  }

  /** Identities that have done what a step asks inside the window, each with one such step. */
  #candidates(rule: ChainRule, place: number, last: Step): ReadonlyMap<string, Step> {
    const found = new Map<string, Step>();
    for (const step of this.#stepsAt(rule.steps[place], rule, last))
      if (step.subject.identity !== undefined) found.set(step.subject.identity, step);
    return found;
  }

  #stepsAt(detection: Detection | undefined, { timespanMs }: ChainRule, last: Step): readonly Step[] {
    if (detection === undefined) return [];
    const sinceMs = last.atMs - timespanMs;
    const isPossible = ({ at, atMs, hits }: Step) => at < last.at && atMs >= sinceMs && hits.includes(detection.index);
    return this.#asking.steps.of(detection).filter(isPossible);
  }

  #add(steps: readonly Step[]): void {
    for (const person of people(steps, this.#asking.evidence.clusters)) this.#people.add(person);
  }
}

function mayApprove(rule: ChainRule, place: number): boolean {
  return rule.count === null && rule.gate?.mayApprove.has(place) === true;
}

function people(steps: readonly Step[], clusters: Clusters): readonly string[] {
  return steps.flatMap(({ subject }) =>
    [subject.identity, ...(subject.onbehalfof?.split(" ") ?? [])].flatMap((identity) =>
      identity === undefined || identity === "" ? [] : clusters.membersOf(identity),
    ),
  );
}
