/**
 * All detections of a rule set as one question: which of them does this effect match? What depends on the effect and its
 * tags alone is answered once and remembered with the effect (a statement that comes again is one look-up, however many
 * rules there are); the rest is found by what a detection needs: only those whose necessary value is there are tried.
 *
 * The same answers as asking every detection one by one, in order of their indexes; what is remembered changes nothing.
 */
import type { Effect } from "../../schemas/command.ts";
import { accessor, type Seen } from "./field.ts";
import { passes } from "./gate.ts";
import type { Detection } from "./rule-set.ts";
import { no, yes } from "./tri.ts";

/** Indexes of detections, ascending: those that match or may match, and those that match for certain. */
export interface Matched {
  readonly hits: readonly number[];
  readonly sure: readonly number[];
}

/** One effect and its tags. */
export interface Part {
  readonly effect: Effect;
  readonly tags: readonly string[];
}

interface Known extends Matched {
  readonly tags: readonly string[];
  readonly opaque: boolean;
}

export const nothingMatched: Matched = { hits: [], sure: [] };

/** An answer over nothing but these is the same whoever does it, and whenever. */
const effectFields: ReadonlySet<string> = new Set([
  "operation",
  "reads",
  "writes",
  "ends",
  "destroys",
  "resource",
  "tags",
  "opaque",
]);
/** What detections are looked up by, the most telling first. */
const subjectKeys = ["session", "identity", "account", "task", "clientaddress", "kind", "target"] as const;
const effectKeys = ["resource", "writes", "reads", "ends", "tags", "operation", "destroys"] as const;

export class Matcher {
  readonly #byEffect: Index;
  readonly #others: Index;
  #known = new WeakMap<Effect, Known>();

  constructor(detections: readonly Detection[]) {
    const isOfEffect = ({ fields }: Detection) => [...fields].every((field) => effectFields.has(field));
    this.#byEffect = new Index(detections.filter(isOfEffect), effectKeys);
    this.#others = new Index(
      detections.filter((detection) => !isOfEffect(detection)),
      [...subjectKeys, ...effectKeys],
    );
  }

  /** @param see the effect as a rule sees it; asked only where that is not known already */
  match<T extends { readonly opaque: boolean }, P extends Part>(
    of: T,
    part: P,
    see: (of: T, part: P) => Seen,
  ): Matched {
    let known = this.#known.get(part.effect);
    let seen: Seen | null = null;
    if (known === undefined || known.opaque !== of.opaque || !isSame(known.tags, part.tags)) {
      seen = see(of, part);
      known = { ...this.#byEffect.match(seen), tags: part.tags, opaque: of.opaque };
      this.#known.set(part.effect, known);
    }
    if (this.#others.size === 0) return known;
    return merged(known, this.#others.match(seen ?? see(of, part)));
  }
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  if (one === other) return true;
  return one.length === other.length && one.every((tag, index) => tag === other[index]);
}

/** Both in order. */
export function merged(one: Matched, other: Matched): Matched {
  if (other.hits.length === 0) return one;
  if (one.hits.length === 0) return other;
  return { hits: union(one.hits, other.hits), sure: union(one.sure, other.sure) };
}

function union(one: readonly number[], other: readonly number[]): readonly number[] {
  if (other.length === 0) return one;
  return [...new Set([...one, ...other])].sort((a, b) => a - b);
}

/** Detections by one value that each of them needs. */
class Index {
  readonly size: number;
  readonly #byField: { readonly read: (seen: Seen) => unknown; readonly byText: Map<string, Detection[]> }[] = [];
  /** Those that need nothing that could be looked up. */
  readonly #always: Detection[] = [];
  readonly #all: readonly Detection[];

  constructor(detections: readonly Detection[], keys: readonly string[]) {
    this.#all = detections;
    this.size = detections.length;
    const byField = new Map<string, Map<string, Detection[]>>();
    for (const detection of detections) {
      const key = keys.find((field) => detection.needs.has(field));
      const texts = detection.needs.get(key ?? "");
      if (key === undefined || texts === undefined) this.#always.push(detection);
      else for (const text of texts) place(byField, key, text, detection);
    }
    for (const [field, byText] of byField) this.#byField.push({ read: accessor(field), byText });
  }

  match(seen: Seen): Matched {
    const found: { index: number; isSure: boolean }[] = [];
    for (const detection of this.#candidates(seen)) {
      if (!passes(detection, seen)) continue;
      const answer = detection.test(seen);
      if (answer !== no) found.push({ index: detection.index, isSure: answer === yes });
    }
    if (found.length === 0) return nothingMatched;
    found.sort((a, b) => a.index - b.index);
    const hits = found.map(({ index }) => index);
    return {
      hits,
      sure: found.every(({ isSure }) => isSure) ? hits : found.flatMap((one) => (one.isSure ? one.index : [])),
    };
  }

  /** Of an opaque command every value is possible. */
  #candidates(seen: Seen): Iterable<Detection> {
    if (seen.opaque) return this.#all;
    if (this.#byField.length === 0) return this.#always;
    const found = new Set(this.#always);
    for (const { read, byText } of this.#byField) {
      const value = read(seen);
      if (value === null) continue;
      const values: readonly unknown[] = Array.isArray(value) ? value : [value];
      for (const one of values)
        for (const detection of byText.get(String(one).toLowerCase()) ?? []) found.add(detection);
    }
    return found;
  }
}

function place(
  byField: Map<string, Map<string, Detection[]>>,
  field: string,
  text: string,
  detection: Detection,
): void {
  const byText = byField.get(field) ?? new Map<string, Detection[]>();
  byField.set(field, byText);
  const list = byText.get(text);
  if (list === undefined) byText.set(text, [detection]);
  else list.push(detection);
}
