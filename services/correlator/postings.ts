/**
 * Steps of one detection by what links can ask for, so that a search looks at what may be tied and not at everything.
 * Only a way to find candidates: a posting may hold too much (the tie itself is checked again), never too little.
 */
import { containersOf } from "../../infra/catalog.ts";
import { NoEffect } from "../../infra/rules/field.ts";
import type { GroupKey, RuleSet } from "../../infra/rules/rule-set.ts";
import type { LinkKind } from "../../schemas/chain.ts";
import { fieldNamed } from "../../schemas/fields.ts";
import { ByHash } from "./by-hash.ts";
import { Listing } from "./listing.ts";
import { type Alike, fieldTexts, resources, type Step } from "./step.ts";

/** What postings are kept by. A place is a table; what is wider than a table is under every place. */
export type PostingKind = "lineage" | "writes" | "touches" | `field ${string}`;

const kindOf: Readonly<Partial<Record<LinkKind, PostingKind>>> = {
  actor: "field identity",
  identity: "field identity",
  account: "field account",
  task: "field task",
  lineage: "lineage",
  flow: "writes",
  resource: "touches",
  trace: "field trace",
  content: "field content",
};

/** Under this key stands what overlaps every place. */
export const everywhere = "*";

/** @returns by detection index: the kinds that some rule's links or groups ask for */
export function kindsAsked({ forms, detections }: RuleSet): readonly ReadonlySet<PostingKind>[] {
  const asked = detections.map(() => new Set<PostingKind>());
  for (const { steps, links, groupBy, absences } of forms) {
    for (const { detection, fields, between } of absences) {
      for (const [index, key] of groupBy.entries()) {
        const posting = kindNamed(key, fields[index] ?? "");
        if (posting) asked[detection.index]?.add(posting);
      }
      // Behind somebody's announcement only his own events can begin a chain, or be part of what comes before.
      for (const { index } of steps.slice(0, Math.max(1, Math.min(...(between ?? [0])))))
        asked[index]?.add("field identity");
    }
    for (const { from, to, by } of links)
      for (const place of [from, to])
        for (const kind of by) {
          const posting = kindOf[kind];
          if (posting) asked[steps[place]?.index ?? -1]?.add(posting);
        }
    for (const key of groupBy)
      for (const [place, step] of steps.entries()) {
        const posting = groupKind(key, place);
        if (posting) asked[step.index]?.add(posting);
      }
  }
  return asked;
}

/** Fields of ours that never change after the step is kept; postings by others would lose it. */
const steadyFields: ReadonlySet<string> = new Set(
  "identity account task session target command clientaddress address grantid onbehalfof".split(" "),
);

/** @returns what to look a group up by, or null. A name that is not ours is a field of a plain event, which is complete. */
export function groupKind(key: GroupKey, place: number): PostingKind | null {
  return kindNamed(key, key.kind === "field" ? (key.fields[place] ?? key.name) : "");
}

/** The same under the name that an event of its own has for the key. */
export function kindNamed(key: GroupKey, field: string): PostingKind | null {
  if (key.kind !== "field") return key.kind === "lineage" ? "lineage" : "field identity";
  if (field === "resource") return "touches";
  if (field === "writes") return "writes";
  return steadyFields.has(field) || fieldNamed(field) === undefined ? `field ${field}` : null;
}

/** The table of a place, or `everywhere` for a schema or a target. */
export function tableOf(name: string): string {
  const column = name.indexOf("#");
  const whole = column === -1 ? name : name.slice(0, column);
  // A name in a schema has two containers, anything wider fewer; what has no such form is compared by its first part.
  return containersOf(whole).length === 2 ? whole : everywhere;
}

const empty = new Listing();

/** Most keys stand for one step only: that is kept without a list. Keys of one hash share theirs. */
type Posted = Step | Listing;

export class Postings {
  readonly #kinds: readonly (readonly [PostingKind, (step: Step) => readonly string[]])[];
  readonly #lists: ReadonlyMap<PostingKind, ByHash<Posted>>;
  #posted = 0;

  constructor(kinds: ReadonlySet<PostingKind>) {
    this.#kinds = [...kinds].map((kind) => [kind, keysBy(kind)]);
    this.#lists = new Map([...kinds].map((kind) => [kind, new ByHash<Posted>()]));
  }

  add(step: Step): void {
    for (const [kind, keysOf] of this.#kinds) {
      const lists = this.#lists.get(kind);
      for (const key of keysOf(step)) if (lists !== undefined) this.#post(lists, key, step);
    }
  }

  #post(lists: ByHash<Posted>, key: string, step: Step): void {
    const posted = lists.get(key);
    this.#posted += 1;
    if (posted === undefined) lists.set(key, step);
    else if (posted instanceof Listing) posted.add(step);
    else if (posted !== step) lists.set(key, Listing.of(posted, step));
  }

  keeps(kind: PostingKind): boolean {
    return this.#lists.has(kind);
  }

  of(kind: PostingKind, key: string): Listing {
    const posted = this.#lists.get(kind)?.get(key);
    if (posted === undefined) return empty;
    return posted instanceof Listing ? posted : Listing.of(posted);
  }

  /** @param alike the class in which it was */
  forget(step: Step, alike: Alike | null): void {
    for (const [kind, keysOf] of this.#kinds) {
      const lists = this.#lists.get(kind);
      for (const key of keysOf(step)) {
        const posted = lists?.get(key);
        if (posted === undefined) continue;
        this.#posted -= 1;
        if (posted instanceof Listing) posted.forget(step, alike);
        if (posted === step || (posted instanceof Listing && posted.isEmpty)) lists?.delete(key);
      }
    }
  }

  /** Builds all anew once too much stands where steps were before they changed. */
  trim(kept: Listing): void {
    if (this.#posted < 1_000 + 8 * this.#kinds.length * kept.size) return;
    for (const lists of this.#lists.values()) lists.clear();
    this.#posted = 0;
    for (const step of kept.live()) this.add(step);
  }
}

function keysBy(kind: PostingKind): (step: Step) => readonly string[] {
  switch (kind) {
    case "lineage":
      return (step) => once(step.lineage.map(tableOf));
    case "writes":
    case "touches":
      // An event of another product may have a field of such a name, of any form.
      return (step) =>
        step.effects[0]?.effect instanceof NoEffect ? [everywhere] : once(resources(step, kind).map(tableOf));
    default: {
      const field = kind.slice("field ".length);
      return (step) => fieldTexts(step, field);
    }
  }
}

function once(names: readonly string[]): readonly string[] {
  return names.length < 2 ? names : [...new Set(names)];
}
