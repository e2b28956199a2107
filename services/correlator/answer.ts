/**
 * What a step would complete, for all rules: chains that are enforced, chains that are only told, and who may not approve.
 * Pure: it changes nothing. Where a search was cut short, or a step that it needs was evicted, an enforced rule is
 * answered hold: not knowing is not permission.
 */
import { type ChainRule, canBeLast, gates } from "../../infra/rules/rule-set.ts";
import type { ChainEvidence } from "../../schemas/chain.ts";
import type { Clusters } from "./cluster.ts";
import { findCount } from "./count.ts";
import { hash, toChain } from "./evidence.ts";
import type { Budget, Ground } from "./ground.ts";
import { type Evidence, Links } from "./links.ts";
import { findChain } from "./match.ts";
import type { Endings, Shape } from "./shape.ts";
import { matchedBy, type Step } from "./step.ts";
import type { Steps } from "./steps.ts";

export interface Completion {
  readonly rule: ChainRule;
  readonly chain: ChainEvidence;
  /** The steps found, in rule order (for counts: in log order). */
  readonly found: readonly Step[];
}

export interface Answer {
  readonly enforced: readonly Completion[];
  readonly observed: readonly Completion[];
}

export interface Asking {
  readonly steps: Steps;
  readonly evidence: Evidence;
  readonly endings: Endings;
  /** Candidates looked at before the rest counts as not known. */
  readonly looksMax: number;
}

export function answerFor(asking: Asking, last: Step): Answer {
  const enforced: Completion[] = [];
  const observed: Completion[] = [];
  const ground = groundOf(asking, budgetOf(asking));
  for (const shape of shapesFor(asking, last)) {
    if (isHopeless(asking, ground, shape, last)) continue;
    for (const rule of shape.rules) {
      const places = placesOf(rule, last);
      const gated = places.filter((place) => gates(rule, place));
      const held = gated.length === 0 ? null : heldBy(asking, ground, rule, last, gated);
      if (held !== null) {
        enforced.push(held);
        continue;
      }
      // What was just asked and not found is not asked again.
      const found = gated.length === places.length ? null : find(ground, rule, last, places);
      if (found !== null && !wasApproved(asking, rule, last, found, places))
        observed.push({ rule, found, chain: toChain(rule, found, last, ground.links, false) });
    }
  }
  const byRule = (a: Completion, b: Completion) => a.rule.index - b.rule.index;
  return { enforced: enforced.sort(byRule), observed: observed.sort(byRule) };
}

/** @returns identities that may not approve, sorted: see excludedBy */
export function excludedFor(asking: Asking, last: Step, enforced: readonly Completion[]): readonly string[] {
  return [...new Set(enforced.flatMap((held) => [...excludedBy(asking, held, last)]))].sort();
}

function shapesFor({ endings }: Asking, last: Step): Iterable<Shape> {
  const [only, ...more] = last.hits;
  if (only === undefined) return [];
  return more.length === 0 ? (endings.get(only) ?? []) : new Set(last.hits.flatMap((hit) => endings.get(hit) ?? []));
}

/** Whether not even the loosest rule of this shape has a chain; asked once for all rules that are alike. */
function isHopeless(asking: Asking, ground: Ground, { loosest }: Shape, last: Step): boolean {
  if (loosest === null) return false;
  const chain = findChain(ground, { rule: loosest, last, places: placesOf(loosest, last) });
  const lost = loosest.steps.some((step) => asking.steps.lacks(step, last.atMs - loosest.timespanMs));
  return chain === null && !ground.budget.spent && !lost;
}

/** Where in the rule the completing step may stand. */
function placesOf(rule: ChainRule, last: Step): readonly number[] {
  return rule.steps.flatMap((step, place) => (canBeLast(rule, place) && last.hits.includes(step.index) ? [place] : []));
}

function budgetOf({ looksMax }: Asking): Budget {
  return { left: looksMax, spent: false };
}

function groundOf({ steps, evidence }: Asking, budget: Budget): Ground {
  return { steps, links: new Links(evidence), clusters: evidence.clusters, tasks: evidence.tasks, budget };
}

function find(ground: Ground, rule: ChainRule, last: Step, places: readonly number[]): readonly Step[] | null {
  if (places.length === 0) return null;
  return rule.count === null ? findChain(ground, { rule, last, places }) : findCount(ground, rule, last, places);
}

function heldBy(
  asking: Asking,
  ground: Ground,
  rule: ChainRule,
  last: Step,
  gated: readonly number[],
): Completion | null {
  const found = strongest(ground, rule, last, gated);
  if (found !== null && wasApproved(asking, rule, last, found, gated)) return null;
  if (found !== null) return { rule, found, chain: toChain(rule, found, last, ground.links, true) };
  const lost = rule.steps.some((step) => asking.steps.lacks(step, last.atMs - rule.timespanMs));
  if (!ground.budget.spent && !lost) return null;
  const why = lost ? "steps it needs were evicted under load" : "the search for it was cut short";
  const chain = toChain(rule, [last], last, ground.links, true);
  return {
    rule,
    found: [last],
    chain: {
      ...chain,
      id: hash([chain.id, why]),
      action: "hold",
      strength: "weak",
      links: [],
      sentence: `${rule.title}: this may complete it, but ${why}.`,
    },
  };
}

/** A block needs strong evidence: where there is a strong chain it is found first. Else the latest chain. */
function strongest(ground: Ground, rule: ChainRule, last: Step, places: readonly number[]): readonly Step[] | null {
  if (rule.gate?.action === "block" && rule.count === null) {
    const strong = findChain(ground, { rule, last, places, strongOnly: true });
    if (strong !== null) return strong;
  }
  return find(ground, rule, last, places);
}

/**
 * A COMMIT whose effects ran under approvals is not asked again, unless the chain found now differs in a step before the
 * last, or an effect that nobody approved completes it too. Steps of the very transaction that commits are not such a
 * difference (who approves a DELETE knows that its transaction goes on), as long as nobody else's step in that chain came
 * after what was approved, and without them the chain is the approved one.
 */
function wasApproved(
  asking: Asking,
  rule: ChainRule,
  last: Step,
  found: readonly Step[],
  places: readonly number[],
): boolean {
  if (!last.commit) return false;
  const completing = [
    ...new Set(places.flatMap((place) => (rule.steps[place] ? matchedBy(last, rule.steps[place]) : []))),
  ];
  const isCovered = (steps: readonly Step[]) => {
    const before = steps.filter((step) => step !== last).map(({ id }) => id);
    return completing.every(({ approved }) =>
      approved.some((chain) => chain.rule === rule.name && sameIds(chain.before, before)),
    );
  };
  if (isCovered(found)) return true;
  const apart = new Set(last.effects.map(({ of }) => of));
  const others = found.filter((step) => step !== last && !apart.has(step.command));
  if (others.length === found.length - 1) return false;
  const approvedAt = Math.min(...completing.map(({ of }) => placeOf(asking, rule, places, of)));
  if (others.some(({ at }) => at > approvedAt)) return false;
  const without = findChain(groundOf(asking, budgetOf(asking)), { rule, last, places, apart });
  return without !== null && isCovered(without);
}

/** Where a command that is committed now stood when it ran; before everything when that is not kept. */
function placeOf({ steps }: Asking, rule: ChainRule, places: readonly number[], command: string): number {
  const kept = places.flatMap((place) => (rule.steps[place] ? steps.of(rule.steps[place]) : []));
  return kept.find((step) => step.command === command)?.at ?? Number.NEGATIVE_INFINITY;
}

function sameIds(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((id, index) => id === other[index]);
}

/** Everybody in any admissible chain of the hold, with their clusters; steps that a rule lets approve are left out. */
function excludedBy(asking: Asking, held: Completion, last: Step): ReadonlySet<string> {
  const { rule, found } = held;
  const gated = placesOf(rule, last).filter((place) => gates(rule, place));
  const { clusters } = asking.evidence;
  const excluded = new Set(people([last], clusters));
  const exclude = (steps: readonly Step[]) => {
    for (const person of people(steps, clusters)) excluded.add(person);
  };
  const mayApprove = (place: number) => rule.count === null && rule.gate?.mayApprove.has(place) === true;
  exclude(found.filter((_, place) => !mayApprove(place)));
  if (rule.count !== null) return excluded;
  const ground = groundOf(asking, budgetOf(asking));
  for (const place of rule.steps.keys()) {
    if (mayApprove(place)) continue;
    for (const [identity, step] of candidatesAt(asking, rule, place, last)) {
      if (excluded.has(identity)) continue;
      const chain = findChain(ground, { rule, last, places: gated, pinned: { place, identity } });
      // Cut short: whoever could be in a chain is taken to be in one.
      if (chain === null && ground.budget.spent) exclude([step]);
      if (chain !== null) exclude(chain.filter((_, other) => !mayApprove(other)));
    }
  }
  return excluded;
}

/** Identities that have done what a step asks inside the window, each with one such step. */
function candidatesAt(asking: Asking, rule: ChainRule, place: number, last: Step): ReadonlyMap<string, Step> {
  const found = new Map<string, Step>();
  const detection = rule.steps[place];
  if (detection === undefined) return found;
  const sinceMs = last.atMs - rule.timespanMs;
  for (const step of asking.steps.of(detection)) {
    const possible = step.at < last.at && step.atMs >= sinceMs && step.hits.includes(detection.index);
    if (possible && step.subject.identity !== undefined) found.set(step.subject.identity, step);
  }
  return found;
}

function people(steps: readonly Step[], clusters: Clusters): readonly string[] {
  return steps.flatMap(({ subject }) =>
    [subject.identity, ...(subject.onbehalfof?.split(" ") ?? [])].flatMap((identity) =>
      identity === undefined || identity === "" ? [] : clusters.membersOf(identity),
    ),
  );
}
