/**
 * Answers that read the whole log (exports, lineage): a few at a time. Each follows the log, and the process that owns it
 * refuses a connection that follows too often, which would end this one.
 */
import { ThroughlineError } from "../../schemas/errors.ts";

/** With the projector, the api's own fold, a replay and a receiver's refill: within the eight of infra/log/socket-connection.ts. */
const atOnceMax = 4;

export class WholeLog {
  #running = 0;

  /**
   * @param gone aborted when the client went away: an answer that it never began to read is over then
   * @throws ThroughlineError `request.rate` when too many run, or whatever `begin` throws
   */
  async stream(gone: AbortSignal, begin: () => Promise<AsyncIterable<string>>): Promise<AsyncIterable<string>> {
    if (this.#running >= atOnceMax)
      throw new ThroughlineError(
        "request.rate",
        `${atOnceMax} answers that read the whole log are on their way already`,
      );
    const over = this.#place();
    try {
      return told(await begin(), gone, over);
    } catch (error) {
      over();
      throw error;
    }
  }

  /** @returns gives the place back, once */
  #place(): () => void {
    this.#running += 1;
    let isOver = false;
    return () => {
      if (!isOver) this.#running -= 1;
      isOver = true;
    };
  }
}

function told(text: AsyncIterable<string>, gone: AbortSignal, over: () => void): AsyncIterable<string> {
  let isBegun = false;
  const leave = () => isBegun || over();
  gone.addEventListener("abort", leave, { once: true });
  if (gone.aborted) leave();
  return (async function* () {
    isBegun = true;
    try {
      yield* text;
    } finally {
      over();
    }
  })();
}
