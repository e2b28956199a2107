/**
 * A question of the gateway to the target on the client's own connection: what do this session's names mean now?
 * Asked by statements and portals of reserved names, never by Query, because a Query ends the client's unnamed
 * statement; by SHOW where it can be, because SHOW takes no snapshot. The answer never leaves for the client.
 */
import { bind, close, execute, parse } from "./messages.ts";

/** What comes back: rows of texts per question; null when the target answered with an error. */
export class Asked {
  readonly done: Promise<(string | null)[][][] | null>;
  readonly #results: (string | null)[][][] = [];
  #resolve: (results: (string | null)[][][] | null) => void = () => undefined;

  constructor() {
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  begin(): void {
    this.#results.push([]);
  }

  /** @param row a whole DataRow, header included */
  row(row: Buffer): void {
    const cells: (string | null)[] = [];
    let at = 7;
    for (let left = row.readInt16BE(5); left > 0; left--) {
      const length = row.readInt32BE(at);
      cells.push(length === -1 ? null : row.toString("utf8", at + 4, at + 4 + length));
      at += 4 + Math.max(length, 0);
    }
    this.#results.at(-1)?.push(cells);
  }

  finish(): void {
    this.#resolve(this.#results);
  }

  fail(): void {
    this.#resolve(null);
  }
}

export const askedName = "throughline:ask";

/** What question() is answered with, in order. */
export const questionReplies = ["parse", "bind", "execute", "close", "close"] as const;

/** Both are closed: inside a transaction a portal lives on, and the next question needs its name. */
export function question(text: string): Buffer {
  return Buffer.concat([
    parse(askedName, text),
    bind({ portal: askedName, statement: askedName }),
    execute(askedName),
    close("P", askedName),
    close("S", askedName),
  ]);
}
