/**
 * Readings that were made before, by what names mean and then by text: a repeated command costs two look-ups and
 * compares a few short strings. Bounded by number and by length of texts: when one generation is full it becomes the
 * old one, and what was not asked for again since then goes with the one before.
 */
import type { Reading } from "../../../schemas/command.ts";
import type { NameContext } from "./reader.ts";

interface Bucket {
  readonly names: NameContext;
  readonly byText: Map<string, Reading>;
}

export interface Readings {
  get(text: string, names: NameContext): Reading | undefined;
  set(text: string, names: NameContext, reading: Reading): void;
  clear(): void;
}

/** @param countMax readings kept at most @param lettersMax length of all texts kept at most */
export function createReadings(countMax: number, lettersMax: number): Readings {
  let young: Bucket[] = [];
  let old: Bucket[] = [];
  let count = 0;
  let letters = 0;
  const put = (text: string, names: NameContext, reading: Reading): void => {
    if (text.length > lettersMax / 2) return;
    if (count >= countMax / 2 || young.length >= bucketsMax || letters + text.length > lettersMax / 2) {
      old = young;
      young = [];
      count = 0;
      letters = 0;
    }
    let bucket = find(young, names);
    if (bucket === undefined) {
      bucket = { names: copyOf(names), byText: new Map() };
      young.push(bucket);
    }
    bucket.byText.set(text, reading);
    count += 1;
    letters += text.length + lettersPerReading;
  };
  return {
    get(text, names) {
      const found = find(young, names)?.byText.get(text);
      if (found !== undefined) return found;
      const older = find(old, names)?.byText.get(text);
      if (older !== undefined) put(text, names, older);
      return older;
    },
    set: put,
    clear() {
      young = [];
      old = [];
      count = 0;
      letters = 0;
    },
  };
}

/** Different meanings of names kept at once; each costs every look-up a comparison. */
const bucketsMax = 64;

/** A Reading's own size, roughly, so that many short texts count too. */
const lettersPerReading = 1_000;

function find(buckets: readonly Bucket[], names: NameContext): Bucket | undefined {
  for (const bucket of buckets) if (isSame(bucket.names, names)) return bucket;
  return undefined;
}

function isSame(a: NameContext, b: NameContext): boolean {
  return (
    a.role === b.role &&
    a.definesPending === b.definesPending &&
    isSameList(a.searchPath, b.searchPath) &&
    isSameList(a.pending, b.pending) &&
    isSameList(a.made, b.made)
  );
}

function isSameList(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false;
  return true;
}

function copyOf(names: NameContext): NameContext {
  return {
    ...names,
    searchPath: [...names.searchPath],
    ...(names.pending ? { pending: [...names.pending] } : {}),
    ...(names.made ? { made: [...names.made] } : {}),
  };
}
