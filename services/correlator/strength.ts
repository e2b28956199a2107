/**
 * Whether what was found is strong evidence (DETECTION §2.6), links apart. Weak is an opaque step, a group by address or trace,
 * and all that stands only by what an opaque command moved: data that the steps share, a tag by which one of them matches,
 * a firing on such a step.
 */
import { type ChainRule, comparesTags, isWeakGroup, readsTags } from "../../infra/rules/rule-set.ts";
import { limits } from "../../schemas/limits.ts";
import { isAbsent } from "./absent.ts";
import { walkCost } from "./candidates.ts";
import { findCount, groupsNamed } from "./count.ts";
import type { Ground } from "./ground.ts";
import { type Agreement, bring, meet } from "./group.ts";
import { matchedBy, type Step } from "./step.ts";

/** @param found as people are shown it: of a count the latest that were counted, and all of them are asked */
export function isStrong(ground: Ground, rule: ChainRule, found: readonly Step[], last: Step): boolean {
  if (rule.count === null || found.length < limits.countedNamedMax) return isSure(ground, rule, found, last);
  // What is looked at for that is not taken from other rules.
  const own = { ...ground, budget: { ...ground.budget } };
  const groups = groupsNamed(own, rule, last, found, mostAsked(ground, rule));
  return groups.length > 0 && groups.every((group) => isSure(own, rule, group, last));
}

/** @returns of the groups that make a count fire the latest strong one, as findCount names it */
export function strongCount(
  ground: Ground,
  rule: ChainRule,
  last: Step,
  places: readonly number[],
): readonly Step[] | null {
  const isMeant = (group: readonly Step[]) => isSure(ground, rule, group, last);
  return findCount(ground, rule, last, places, isMeant, mostAsked(ground, rule));
}

/** How many of the steps that are counted decide how strong a count is: mostly those it names, and whether one is opaque. */
function mostAsked({ links }: Ground, rule: ChainRule): number {
  const isByData = rule.groupBy.some(({ kind }) => kind === "lineage") || comparesTags(rule);
  const isDark = links.hasDark && (isByData || rule.steps.some((step) => readsTags(step)));
  const isOfEach = isDark || rule.steps.some(({ firing }) => firing !== null);
  return isOfEach ? Number.POSITIVE_INFINITY : limits.countedNamedMax;
}

/** @param found of a chain its steps by place, of a count all that were counted. What cannot be looked at any more is not sure */
function isSure(ground: Ground, rule: ChainRule, found: readonly Step[], last: Step): boolean {
  if (isWeakGroup(rule) || found.some(({ opaque }) => opaque)) return false;
  // The latest first: what came of late is what most others lack.
  for (let place = found.length - 1; place >= 0; place -= 1) {
    const stands = rule.count === null ? standsSurely(ground, rule, place, found) : counts(ground, rule, found[place]);
    ground.budget.spent ||= ground.budget.left < 0;
    if (!stands || ground.budget.spent) return false;
  }
  return agreeSurely(ground, rule, found, last);
}

function standsSurely(ground: Ground, rule: ChainRule, place: number, chain: readonly Step[]): boolean {
  const [step, inner] = [chain[place], rule.steps[place]?.firing ?? null];
  if (step === undefined) return true;
  if (!matchesSurely(ground, rule, place, step) || !standsAlone(ground, rule, place, chain, true)) return false;
  return inner === null || ground.firings.fires(ground, inner, step, true);
}

/** It may match several of the rules: one strong reason to count it is enough. */
function counts(ground: Ground, rule: ChainRule, step: Step | undefined): boolean {
  return rule.steps.some(({ firing, index }, place) => {
    if (step?.hits.includes(index) !== true || !matchesSurely(ground, rule, place, step)) return false;
    return firing === null || ground.firings.fires(ground, firing, step, true);
  });
}

/** Whether a step that matches what stands at a place does so without the tags, too, that an opaque command moved. */
export function matchesSurely(ground: Ground, rule: ChainRule, place: number, step: Step): boolean {
  const detection = rule.steps[place];
  if (detection === undefined) return false;
  // Where tags are compared, all of a step's must be certain.
  const isCompared = comparesTags(rule);
  // Whether a firing is strong is asked of its own rule.
  if (!isCompared && (detection.firing !== null || !readsTags(detection))) return true;
  const tags = sureTags(ground, step);
  return tags === null || (!isCompared && matchedBy(step, detection, tags).length > 0);
}

/** A COMMIT is not a second step beside the very command that it makes lasting. */
export function standsAlone(
  ground: Ground,
  { steps }: ChainRule,
  place: number,
  chain: readonly Step[],
  strongOnly: boolean,
): boolean {
  const [commit, detection] = [chain[place], steps[place]];
  if (commit?.commit !== true || detection === undefined) return true;
  const others = new Set(chain.filter((step) => step !== commit).map(({ command }) => command));
  const isAsked = strongOnly && detection.firing === null && readsTags(detection);
  const tags = isAsked ? sureTags(ground, commit) : null;
  return matchedBy(commit, detection, tags).some(({ of }) => !others.has(of));
}

/** Whether all steps share data that no opaque command has moved: neighbours may share some, and all together none. */
function agreeSurely(ground: Ground, rule: ChainRule, found: readonly Step[], last: Step): boolean {
  const lineages = rule.groupBy.filter(({ kind }) => kind === "lineage");
  if (lineages.length === 0) return true;
  // A counted step stands at no place, and its lineage is the same at each.
  const by = rule.count === null ? rule : { ...rule, groupBy: lineages };
  let agreed: Agreement | null = null;
  for (const [place, step] of found.entries()) {
    const brought = bring(by, place, step, ground.clusters, ground.links.strongLineage);
    agreed = brought && agreed ? meet(by, agreed, brought) : brought;
    if (agreed === null) return false;
  }
  const common = agreed ?? [];
  return rule.absences.every((absence) => isAbsent(ground, { rule, absence, chain: found, agreed: common, last }));
}

/** Tags that no opaque command moved, by effect; null where those are all. */
function sureTags({ links, budget }: Ground, step: Step): ReturnType<Ground["links"]["strongTags"]> {
  const { walks } = links;
  const tags = links.strongTags(step);
  budget.left -= (links.walks - walks) * walkCost;
  return tags;
}
