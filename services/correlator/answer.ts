/**
 * What a step would complete, for all rules: chains that are enforced, and chains that are only told.
 * Pure: it changes nothing. Where a search was cut short, or a step that it needs was evicted, an enforced rule is
 * answered hold: not knowing is not permission.
 */
import { type ChainRule, gates } from "../../infra/rules/rule-set.ts";
import type { ChainEvidence } from "../../schemas/chain.ts";
import { wasApproved } from "./approved.ts";
import { type Asking, budgetOf, groundOf, placesOf } from "./asking.ts";
import { findCount } from "./count.ts";
import { hash, toChain } from "./evidence.ts";
import type { Ground } from "./ground.ts";
import { isLater } from "./later.ts";
import { findChain } from "./match.ts";
import { mayNeedLost } from "./may-need.ts";
import type { Shape } from "./shape.ts";
import type { Step } from "./step.ts";
import { strongCount } from "./strength.ts";

export interface Completion {
  /** Of a rule with a condition over rules, the chain that fulfils it. */
  readonly rule: ChainRule;
  readonly chain: ChainEvidence;
  /** The steps found, in rule order (for counts: in log order). */
  readonly found: readonly Step[];
  /** Other chains that fulfil the same rule. */
  readonly others?: readonly Completion[];
}

export interface Answer {
  readonly enforced: readonly Completion[];
  readonly observed: readonly Completion[];
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
        observed.push({ rule, found, chain: chainOf(ground, rule, found, last, false) });
    }
  }
  const held = new Set(enforced.map(({ rule }) => rule.index));
  return { enforced: onePerRule(enforced), observed: onePerRule(observed.filter(({ rule }) => !held.has(rule.index))) };
}

/** A rule may be fulfilled by several chains: it is told once, with the latest. */
export function onePerRule(completions: readonly Completion[]): readonly Completion[] {
  const best = new Map<number, Completion>();
  for (const completion of completions) {
    const other = best.get(completion.rule.index);
    if (other === undefined || isRather(completion, other)) best.set(completion.rule.index, completion);
  }
  return [...best.values()]
    .map((found) => ({ ...found, others: completions.filter((other) => other !== found && isSame(other, found)) }))
    .sort((a, b) => a.rule.index - b.rule.index);
}

/** What blocks before what is held; of two alike the latest. */
function isRather(one: Completion, other: Completion): boolean {
  const [blocks, otherBlocks] = [one, other].map(({ chain }) => chain.action === "block");
  return blocks === otherBlocks ? isLater(one.found, other.found) : blocks === true;
}

function isSame({ rule: one }: Completion, { rule: other }: Completion): boolean {
  return one.index === other.index;
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

/** Finds out whether the correlations inside others fire at a step while it is the latest: what is linked later changes nothing of it. */
export function settleFirings(asking: Asking, last: Step, inner: readonly ChainRule[]): void {
  const ground = groundOf(asking, budgetOf(asking));
  for (const rule of inner)
    if (ground.firings.fires(ground, rule, last, false)) ground.firings.fires(ground, rule, last, true);
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
  const held = strongest(asking, ground, rule, last, gated);
  if (held !== null) return wasApproved(asking, rule, last, held.found, gated) ? null : held;
  const lost = mayNeedLost(ground, rule, last, gated);
  if (!ground.budget.spent && !lost) return null;
  const why = lost ? "steps it needs were evicted under load" : "the search for it was cut short";
  return mayBe(ground, rule, last, why, true);
}

/** Nobody can tell whether it fires here. */
export function mayBe(ground: Ground, rule: ChainRule, last: Step, why: string, held: boolean): Completion {
  const chain = toChain(rule, [last], last, ground, held);
  return {
    rule,
    found: [last],
    chain: {
      ...chain,
      id: hash([chain.id, why]),
      action: held ? "hold" : "alert",
      strength: "weak",
      links: [],
      sentence: `${rule.title}: this may complete it, but ${why}.`,
    },
  };
}

/** What a rule only tells at a step; null when it has no chain there. */
export function observedOf(ground: Ground, rule: ChainRule, last: Step): Completion | null {
  const found = find(ground, rule, last, placesOf(rule, last));
  return found && { rule, found, chain: chainOf(ground, rule, found, last, false) };
}

/** As people are shown it, with the reason why no declared pipeline exempts it. */
function chainOf(ground: Ground, rule: ChainRule, found: readonly Step[], last: Step, held: boolean): ChainEvidence {
  const chain = toChain(rule, found, last, ground, held);
  const deviations = ground.exempt.why(rule, found, last);
  if (deviations.length === 0) return chain;
  const told = deviations.map(({ pipeline, why }) => ` Not exempt as ${pipeline}: ${why}.`).join("");
  return { ...chain, sentence: `${chain.sentence}${told}`, deviations };
}

/** The latest chain; of one that blocks the latest strong one, if there is any: it is looked for with a budget of its own. */
function strongest(
  asking: Asking,
  ground: Ground,
  rule: ChainRule,
  last: Step,
  places: readonly number[],
): Completion | null {
  const found = find(ground, rule, last, places);
  if (found === null) return null;
  const chain = chainOf(ground, rule, found, last, true);
  if (rule.gate?.action !== "block" || chain.strength === "strong") return { rule, found, chain };
  const own = { ...ground, budget: budgetOf(asking) };
  const strong =
    rule.count === null
      ? findChain(own, { rule, last, places, strongOnly: true })
      : strongCount(own, rule, last, places);
  return { rule, found: strong ?? found, chain: strong === null ? chain : chainOf(own, rule, strong, last, true) };
}
