/**
 * What ties two chosen steps (DETECTION §6, Links), with the evidence that an investigator can reject. Weak is whatever
 * goes through an opaque command (chosen, or on the way of the data), an address, a trace id, or identities that only weak evidence ties.
 */
import { containersOf, overlaps } from "../../infra/catalog.ts";
import { touches } from "../../infra/rules/field.ts";
import type { LinkKind } from "../../schemas/chain.ts";
import type { Clusters, Tasks } from "./cluster.ts";
import type { Lineage } from "./lineage.ts";
import { meets, movesOf, Places } from "./moves.ts";
import { fieldTexts, resources, type Step, seenBy } from "./step.ts";
import { merge, type Tagged } from "./tagged.ts";
import { floorOf, type Reached } from "./walk.ts";

export interface Tie {
  readonly by: LinkKind;
  readonly strength: "strong" | "weak";
  readonly evidence: readonly string[];
}

type TagsByEffect = readonly (readonly string[])[];

export interface Evidence {
  readonly lineage: Lineage;
  readonly clusters: Clusters;
  readonly tasks: Tasks;
}

/** Enough for an investigator to start from; an event must stay small. */
const evidenceMax = 3;

/** A walk that looks at more places than this counts as several. */
const looksPerWalk = 256;

/** Ties within one question; remembers the walks it made. */
export class Links {
  readonly #of: Evidence;
  readonly #reached = new Map<Step, readonly Reached[]>();
  readonly #strongReached = new Map<Step, readonly Reached[]>();
  readonly #strongLineage = new Map<Step, readonly string[]>();
  readonly #strongTags = new Map<Step, TagsByEffect | null>();
  /** Walks so far: they are what costs. */
  walks = 0;

  constructor(of: Evidence) {
    this.#of = of;
  }

  /** @returns the first of these kinds that ties the two, strong before weak, or null */
  tie(one: Step, other: Step, kinds: readonly LinkKind[], strongOnly: boolean): Tie | null {
    const [a, b] = one.at < other.at ? [one, other] : [other, one];
    let weak: Tie | null = null;
    for (const kind of kinds) {
      const tie = this.#by(kind, a, b);
      if (tie?.strength === "strong") return tie;
      weak ??= tie;
    }
    return strongOnly ? null : weak;
  }

  #by(kind: LinkKind, a: Step, b: Step): Tie | null {
    const evidence = this.#evidence(kind, a, b);
    if (evidence.length > 0) {
      const isWeakKind = kind === "address" || kind === "trace" || kind === "content";
      const weak = a.opaque || b.opaque || isWeakKind || this.#isDark(kind, a, b);
      return { by: kind, strength: weak ? "weak" : "strong", evidence: evidence.slice(0, evidenceMax) };
    }
    const [one, other] = [a.subject.identity, b.subject.identity];
    if (kind !== "actor" || one === undefined || other === undefined || !this.#of.clusters.tied(one, other))
      return null;
    return { by: kind, strength: "weak", evidence: this.#of.clusters.evidence(one, other).slice(0, evidenceMax) };
  }

  /** Something was moved by an opaque command: what is strong may be less than what is known. */
  get hasDark(): boolean {
    return this.#of.lineage.isDark;
  }

  /** Data ties them only by way of an opaque command. */
  #isDark(kind: LinkKind, a: Step, b: Step): boolean {
    if (kind === "flow" && this.reachedBy(b)[0]?.coarse) return true;
    if (!this.#of.lineage.isDark) return false;
    if (kind === "lineage") return shared(this.strongLineage(a), this.strongLineage(b)).length === 0;
    return kind === "flow" && this.#flow(a, b, this.#strongReachedBy(b)).length === 0;
  }

  /** L(e) without what opaque commands moved. */
  readonly strongLineage = (step: Step): readonly string[] => {
    const { lineage } = this.#of;
    if (!lineage.isDark || step.lineage.length === 0) return step.lineage;
    let members = this.#strongLineage.get(step);
    if (members === undefined) {
      members = this.#walk(() => lineage.taggedAt(resources(step, "touches"), seenBy(step), true).members);
      this.#strongLineage.set(step, members);
    }
    return members;
  };

  /** Tags by effect without what opaque commands moved; null where that makes no difference. */
  strongTags(step: Step): TagsByEffect | null {
    const { lineage } = this.#of;
    if (!lineage.isDark || step.effects.every(({ tags }) => tags.length === 0)) return null;
    let strong = this.#strongTags.get(step);
    if (strong === undefined) {
      const tags = this.#walk(() => strongTagsOf(lineage, step));
      const isSame = step.effects.every((effect, index) => effect.tags.every((tag) => tags[index]?.includes(tag)));
      strong = isSame ? null : tags;
      this.#strongTags.set(step, strong);
    }
    return strong;
  }

  #strongReachedBy(step: Step): readonly Reached[] {
    let reached = this.#strongReached.get(step);
    if (reached === undefined) {
      reached = this.#walk(() => this.#of.lineage.reach(resources(step, "touches"), seenBy(step), true));
      this.#strongReached.set(step, reached);
    }
    return reached;
  }

  #walk<T>(walk: () => T): T {
    const { work } = this.#of.lineage;
    const { looks } = work;
    const found = walk();
    this.walks += 1 + Math.floor((work.looks - looks) / looksPerWalk);
    return found;
  }

  #evidence(kind: LinkKind, a: Step, b: Step): readonly string[] {
    switch (kind) {
      case "flow":
        return this.#flow(a, b, null);
      case "lineage":
        return shared(a.lineage, b.lineage);
      case "resource":
        return shared(resources(a, "touches"), resources(b, "touches"));
      case "actor":
        return this.#actor(a, b);
      case "task":
        return this.#task(a, b);
      case "account":
        return same(a.subject.account, b.subject.account);
      case "identity":
        return same(a.subject.identity, b.subject.identity);
      case "address":
        return this.#texts(kind, a, b).filter((host) => !this.#isCommon(host));
      case "trace":
      case "content":
        return this.#texts(kind, a, b);
    }
  }

  #isCommon(host: string): boolean {
    const { clusters } = this.#of;
    return clusters.addresses.isCommon(host, (identity) => clusters.rootOf(identity));
  }

  #texts(kind: LinkKind, a: Step, b: Step): readonly string[] {
    const known = new Set(fieldTexts(b, kind));
    return fieldTexts(a, kind).filter((text) => known.has(text));
  }

  #actor({ subject: a }: Step, { subject: b }: Step): readonly string[] {
    if (a.identity === undefined || b.identity === undefined) return [];
    const { clusters } = this.#of;
    if (a.identity === b.identity) return [a.identity];
    if (clusters.rootOf(a.identity) !== clusters.rootOf(b.identity)) return [];
    return clusters.evidence(a.identity, b.identity);
  }

  #task({ subject: a }: Step, { subject: b }: Step): readonly string[] {
    if (a.task === undefined || b.task === undefined || !this.#of.tasks.related(a.task, b.task)) return [];
    return [...new Set([a.task, b.task])];
  }

  /** From where data can have come to what a step touches. */
  reachedBy(step: Step): readonly Reached[] {
    let reached = this.#reached.get(step);
    if (reached === undefined) {
      reached = this.#walk(() => this.#of.lineage.reach(resources(step, "touches"), seenBy(step)));
      this.#reached.set(step, reached);
    }
    return reached;
  }

  /** touches(b) ∩ F(a): what a wrote is, or has come to, where b is. */
  #flow(a: Step, b: Step, by: readonly Reached[] | null): readonly string[] {
    const writes = resources(a, "writes");
    if (writes.length === 0) return [];
    const reached = by ?? this.reachedBy(b);
    const found = new Set<string>();
    const places = writes.length > fewWrites ? new Places(writes) : null;
    for (const { resource, at, coarse } of reached) {
      if (a.at >= at) continue;
      for (const written of places?.about(resource) ?? writes) {
        if (!overlaps(written, resource)) continue;
        if (coarse || a.finishedAt >= floorOf(this.#of.lineage, written, at)) found.add(written);
      }
    }
    return [...found];
  }
}

/**
 * As a step that counts sees them, from where it began until it was finished; one that does not count yet, or was over at once,
 * has moved nothing that a walk would find: what its earlier effects bring is added.
 */
function strongTagsOf(lineage: Lineage, step: Step): TagsByEffect {
  const own: { readonly to: readonly string[]; readonly tagged: Tagged }[] = [];
  const several = step.effects.length > 1;
  return step.effects.map((effect, index, { length }) => {
    const look = (names: readonly string[]): Tagged => {
      const there = lineage.taggedAt(names, seenBy(step), true, several ? step.at + index / length : undefined);
      return merge([there, ...own.filter(({ to }) => meets(names, to)).map(({ tagged }) => tagged)]);
    };
    const { tags } = look(touches(effect.effect));
    // Nothing comes after the last one.
    const moves = effect.withdrawn || index === length - 1 ? [] : movesOf(step, effect);
    own.push(...moves.map(({ to, from }) => ({ to, tagged: look(from) })));
    return tags;
  });
}

/** More are not compared one by one. */
const fewWrites = 16;

function same(one: string | undefined, other: string | undefined): readonly string[] {
  return one !== undefined && one === other ? [one] : [];
}

/** One ∩ other, by overlap: the narrower of each pair. */
export function shared(one: readonly string[], other: readonly string[]): readonly string[] {
  const found = new Set<string>();
  if (one.length * other.length > pairsMax) {
    narrower(one, new Set(other), found);
    narrower(other, new Set(one), found);
    return [...found];
  }
  for (const left of one)
    for (const right of other) if (overlaps(left, right)) found.add(left.length >= right.length ? left : right);
  return [...found];
}

/** Comparing so many pairs is cheaper than making sets. */
const pairsMax = 64;

/** Names that are in the set, or inside something that is. */
function narrower(names: readonly string[], known: ReadonlySet<string>, found: Set<string>): void {
  for (const name of names)
    if (known.has(name) || containersOf(name).some((outer) => known.has(outer))) found.add(name);
}
