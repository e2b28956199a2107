/** Where a search looks: the lists that hold every step which can be tied to what is chosen already. */
import type { Absence, ChainRule, GroupKey } from "../../infra/rules/rule-set.ts";
import type { LinkKind } from "../../schemas/chain.ts";
import type { Alikes } from "./alike.ts";
import type { Ground } from "./ground.ts";
import { type Agreement, isUri } from "./group.ts";
import type { Listing } from "./listing.ts";
import { lastUnder } from "./order.ts";
import { everywhere, groupKind, kindNamed, type PostingKind, type Postings, tableOf } from "./postings.ts";
import { type Alike, fieldTexts, resources, type Step } from "./step.ts";

type Lists = readonly Listing[];

/** Where a list this long has no fewer classes, steps are looked at one by one. */
const classesMin = 256;
/** Merging more lists than this costs more than looking at everything. */
const listsMax = 64;

export function size(lists: Lists): number {
  return lists.reduce((sum, list) => sum + list.size, 0);
}

/** Steps under these lists before a position, latest first, each once. Asked at every search: it makes no garbage. */
class Descent {
  readonly #rows: (readonly Step[])[] = [];
  readonly #heads: number[] = [];

  constructor(lists: Lists, bound: number) {
    for (const { steps } of lists) {
      const head = lastUnder(steps, bound);
      if (head < 0) continue;
      this.#rows.push(steps);
      this.#heads.push(head);
    }
  }

  next(): Step | undefined {
    const [rows, heads] = [this.#rows, this.#heads];
    let best: Step | undefined;
    for (let index = 0; index < rows.length; index += 1) {
      const head = heads[index] as number;
      const step = head < 0 ? undefined : rows[index]?.[head];
      if (step !== undefined && (best === undefined || step.at > best.at)) best = step;
    }
    if (best !== undefined)
      for (let index = 0; index < rows.length; index += 1) {
        const head = heads[index] as number;
        if (head >= 0 && rows[index]?.[head] === best) heads[index] = head - 1;
      }
    return best;
  }
}

export function* latestFirst(lists: Lists, bound: number): Generator<Step> {
  const descent = new Descent(lists, bound);
  for (let step = descent.next(); step !== undefined; step = descent.next()) yield step;
}

/** So few are looked at one by one before classes are asked: a search that finds something mostly finds it at once. */
const singlyMax = 4;

/** The same, but of steps that are alike only the latest, where that is shorter. */
export function* latestOfEach(lists: Lists, bound: number, detection: number, alikes: Alikes): Generator<Step> {
  const seen: Alike[] = [];
  const descent = new Descent(lists, bound);
  let looked = 0;
  for (let step = descent.next(); step !== undefined; step = descent.next()) {
    looked += 1;
    if (looked > singlyMax) {
      for (const other of classesUnder(lists, step.at + 1, detection, alikes))
        if (other.alike === null || !seen.includes(alikes.classOf(other))) yield other;
      return;
    }
    if (step.alike === null || !step.hits.includes(detection)) continue;
    const alike = alikes.classOf(step);
    if (seen.includes(alike)) continue;
    seen.push(alike);
    yield step;
  }
}

function classesUnder(lists: Lists, bound: number, detection: number, alikes: Alikes): Iterable<Step> {
  const found = new Set<Step>();
  for (const list of lists) {
    const latest = list.latestOfEach(bound, detection, alikes);
    if (latest === null && list.size >= classesMin) return latestFirst(lists, bound);
    for (const step of latest ?? list.steps) if (step.at < bound) found.add(step);
  }
  return found.size < 2 ? found : [...found].sort((a, b) => b.at - a.at);
}

/** By what all steps must share, where it is known already; null when it cannot be looked up. */
export function narrowed(ground: Ground, rule: ChainRule, place: number, agreed: Agreement | null): Lists | null {
  const detection = rule.steps[place];
  const postings = detection && ground.steps.postings(detection);
  if (postings === undefined || agreed === null || rule.groupNull) return null;
  let best: Lists | null = null;
  for (const [index, key] of rule.groupBy.entries()) {
    const lists = byKey(ground, postings, groupKind(key, place), key, agreed[index] ?? []);
    if (lists !== null && (best === null || size(lists) < size(best))) best = lists;
  }
  return best;
}

/** Where events of an absence are, by what a chain agrees in. */
export function offenders(ground: Ground, rule: ChainRule, { detection, fields }: Absence, agreed: Agreement): Lists {
  const postings = ground.steps.postings(detection);
  let best: Lists = [ground.steps.listing(detection)];
  if (postings === undefined || rule.groupNull) return best;
  for (const [index, key] of rule.groupBy.entries()) {
    const lists = byKey(ground, postings, kindNamed(key, fields[index] ?? ""), key, agreed[index] ?? []);
    if (lists !== null && size(lists) < size(best)) best = lists;
  }
  return best;
}

function byKey(
  { clusters }: Ground,
  postings: Postings,
  kind: PostingKind | null,
  key: GroupKey,
  members: readonly string[],
): Lists | null {
  if (kind === null || members.length > listsMax) return null;
  if (isUri(key)) return byPlace(postings, kind, members);
  const names = key.kind === "actor" ? members.flatMap((root) => clusters.membersOf(root)) : members;
  return names.length > listsMax ? null : names.map((name) => postings.of(kind, name));
}

/** By the links to one chosen step; null when a kind cannot be looked up. */
export function byTies(
  postings: Postings,
  by: readonly LinkKind[],
  other: Step,
  ground: Ground,
  ordered: boolean,
): Lists | null {
  const lists: Listing[] = [];
  for (const kind of new Set(by)) {
    const found = byTie(postings, kind, other, ground, ordered);
    if (found === null) return null;
    lists.push(...found);
  }
  const filled = [...new Set(lists)].filter((list) => list.size > 0);
  return filled.length > listsMax ? null : filled;
}

function byTie(postings: Postings, kind: LinkKind, other: Step, ground: Ground, ordered: boolean): Lists | null {
  const { identity, account, task } = other.subject;
  switch (kind) {
    case "identity":
      return identity === undefined ? [] : [postings.of("field identity", identity)];
    case "account":
      return account === undefined ? [] : [postings.of("field account", account)];
    case "task":
      return task === undefined ? [] : ground.tasks.relatives(task).map((name) => postings.of("field task", name));
    case "actor": {
      if (identity === undefined) return [];
      const { clusters } = ground;
      const others = [...clusters.membersOf(identity), ...clusters.tiedTo(identity)];
      return others.map((name) => postings.of("field identity", name));
    }
    case "lineage":
      return byPlace(postings, "lineage", other.lineage);
    case "resource":
      return byPlace(postings, "touches", resources(other, "touches"));
    case "flow": {
      // Only what is chosen later can be walked back from; in an unordered chain the other way round is possible too.
      if (!ordered) return null;
      const { links, budget } = ground;
      const walks = links.walks;
      const reached = links.reachedBy(other).map(({ resource }) => resource);
      budget.left -= (links.walks - walks) * walkCost;
      return byPlace(postings, "writes", reached);
    }
    case "trace":
    case "content":
      return fieldTexts(other, kind).map((text) => postings.of(`field ${kind}`, text));
    case "address":
      return null;
  }
}

/** A walk along flows costs about this many looks at a candidate. */
export const walkCost = 20;

function byPlace(postings: Postings, kind: PostingKind, names: readonly string[]): Lists | null {
  if (names.length === 0) return [];
  const tables = new Set(names.map(tableOf));
  if (tables.has(everywhere)) return null;
  return [everywhere, ...tables].map((table) => postings.of(kind, table));
}
