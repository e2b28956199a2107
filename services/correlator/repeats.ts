/** What has been folded before: replicas say each output once each, and a source may send a record again. */
import type { Entry } from "../../infra/log/entry.ts";
import { Ids, outputKey } from "../../infra/log/ids.ts";
import { isOutput } from "./outputs.ts";
import { Runs } from "./runs.ts";

/** Ids remembered to drop duplicates; of outputs more, because a slow replica says them late. */
const idsKept = 100_000;
const outputIdsKept = 500_000;
const digits = 16;

export interface KeptRepeats {
  readonly ids: readonly string[];
  readonly outputs: readonly string[];
  /** By source: from, to, from, to… of the sequences of its steps. */
  readonly runs: readonly (readonly [source: string, runs: readonly number[]])[];
}

export class Repeats {
  /** Of what a source has numbered itself, which is nearly everything. */
  readonly #runs = new Map<string, Runs>();
  readonly #ids = new Ids(idsKept);
  readonly #outputs = new Ids(outputIdsKept);

  /** @returns whether it came before; from now on it did */
  has(entry: Entry): boolean {
    if (isOutput(entry)) return this.#outputs.has(outputKey(entry));
    const sequence = sequenceOf(entry);
    if (sequence === null) return this.#ids.has(entry.id);
    let runs = this.#runs.get(entry.source);
    if (runs === undefined) {
      runs = new Runs();
      this.#runs.set(entry.source, runs);
    }
    return runs.has(sequence);
  }

  kept(): KeptRepeats {
    const runs = [...this.#runs].map(([source, ofSource]) => [source, ofSource.kept()] as const);
    return { ids: this.#ids.kept(), outputs: this.#outputs.kept(), runs };
  }

  /** Into an empty one. */
  restore({ ids, outputs, runs }: KeptRepeats): void {
    for (const id of ids) this.#ids.has(id);
    for (const id of outputs) this.#outputs.has(id);
    for (const [source, ofSource] of runs) this.#runs.set(source, Runs.of(ofSource));
  }
}

/** @returns of an id `<source>/s/<16 digits>`: the number; null for any other */
export function sequenceOf({ id, source }: Entry): number | null {
  const from = source.length + 3;
  if (id.length !== from + digits) return null;
  let sequence = 0;
  for (let at = from; at < id.length; at += 1) {
    const digit = id.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return null;
    sequence = sequence * 10 + digit;
  }
  return id.startsWith(source) && id.startsWith("/s/", source.length) && sequence <= Number.MAX_SAFE_INTEGER
    ? sequence
    : null;
}
