import { createHash } from "node:crypto";
import type { Entry } from "./entry.ts";

/**
 * What makes two outputs of correlators the same. Their ids can be known before they are said: by the id alone, whoever
 * holds one correlator's key would say something else under it first, and what the others say would be dropped.
 */
export function outputKey({ id, type, data }: Entry): string {
  return `${id} ${createHash("sha256")
    .update(JSON.stringify([type, data]))
    .digest("base64url")
    .slice(0, 22)}`;
}

/**
 * The latest ids, to know what came before: between one and two times as many as asked for. Replicas of the correlator say
 * the same output under the same id; who folds it twice would place a block again that somebody has lifted meanwhile.
 */
export class Ids {
  readonly #max: number;
  #now = new Set<string>();
  #before = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  /** The latest ones, for a snapshot. */
  kept(): readonly string[] {
    return [...this.#before, ...this.#now].slice(-this.#max);
  }

  /** @returns whether it came before; from now on it did */
  has(id: string): boolean {
    if (this.#now.has(id) || this.#before.has(id)) return true;
    if (this.#now.size >= this.#max) {
      this.#before = this.#now;
      this.#now = new Set();
    }
    this.#now.add(id);
    return false;
  }
}
