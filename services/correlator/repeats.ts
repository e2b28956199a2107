/** What has been folded before: replicas say each output once each, and a source may send a record again. */
import type { Entry } from "../../infra/log/entry.ts";
import { Ids, outputKey } from "../../infra/log/ids.ts";
import { isOutput } from "./outputs.ts";

/** Ids remembered to drop duplicates; of outputs more, because a slow replica says them late. */
const idsKept = 100_000;
const outputIdsKept = 500_000;

export class Repeats {
  readonly #ids = new Ids(idsKept);
  readonly #outputs = new Ids(outputIdsKept);

  /** @returns whether it came before; from now on it did */
  has(entry: Entry): boolean {
    return isOutput(entry) ? this.#outputs.has(outputKey(entry)) : this.#ids.has(entry.id);
  }

  kept(): readonly [readonly string[], readonly string[]] {
    return [this.#ids.kept(), this.#outputs.kept()];
  }

  restore([ids, outputs]: ReturnType<Repeats["kept"]>): void {
    for (const id of ids) this.#ids.has(id);
    for (const id of outputs) this.#outputs.has(id);
  }
}
