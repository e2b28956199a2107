/**
 * A replay of one rule that somebody started in the api: this thread reads the log and hands batches on, another folds them
 * (main-replay-worker.ts), so that nobody who asks the api meanwhile waits for it.
 */
import { Worker } from "node:worker_threads";
import type { Entry } from "../infra/log/entry.ts";
import type { Log } from "../infra/log/log.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import { limits } from "../schemas/limits.ts";
import type { Found, Replayer } from "./api/replays.ts";
import { entryFrom } from "./main-replay.ts";

/** What the thread is started with. */
export interface ReplayTask {
  readonly texts: Readonly<Record<string, string>>;
  readonly rule: string;
  readonly sinceMs: number;
}
/** To the thread: entries in log order. */
export type ReplayBatch = readonly Entry[];
/** From it, one for each batch: what was found in it, or why it cannot go on. */
export type ReplayAnswer = { readonly found: readonly Found[] } | { readonly wrong: string };

/** @param log of this process: it may be read by nobody else */
export function replayerOf(log: Pick<Log, "follow">, now: () => number): Replayer {
  return async ({ rule, texts, sinceMs, signal, found, progress }) => {
    const thread = startThread({ texts, rule, sinceMs });
    const untilMs = now();
    let [records, firstMs] = [0, 0];
    let over = false;
    const following = log.follow({ after: null, streams: ["steps"] }, async (batch) => {
      // A look at the end of the log may bring nothing, and what comes after it is not part of this.
      if (signal.aborted || over || batch.length === 0) return;
      const entries = batch.flatMap((record) => entryFrom(record) ?? []);
      for (const one of await thread.fold(entries)) found(one);
      const atMs = batch.at(-1)?.atMs ?? 0;
      if (records === 0) firstMs = batch[0]?.atMs ?? atMs;
      records += batch.length;
      if (over) return;
      progress(records, atMs, Math.min(1, (atMs - firstMs) / Math.max(1, untilMs - firstMs)));
    });
    const stopped = new Promise<never>((_, reject) => {
      const stop = () => reject(new ThroughlineError("request.conflict", "the replay was stopped"));
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    });
    try {
      await Promise.race([following.caughtUp, following.ended, thread.failed, stopped]);
      over = true;
      progress(records, untilMs, 1);
    } finally {
      following.ended.catch(() => {});
      await thread.end();
      await following.close();
    }
  };
}

interface Thread {
  /** One batch at a time. */
  fold(entries: ReplayBatch): Promise<readonly Found[]>;
  readonly failed: Promise<never>;
  end(): Promise<void>;
}

function startThread(task: ReplayTask): Thread {
  const worker = new Worker(new URL("./main-replay-worker.ts", import.meta.url), {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: limits.replayMemoryMib },
  });
  const failing = Promise.withResolvers<never>();
  failing.promise.catch(() => {});
  let waiting: PromiseWithResolvers<readonly Found[]> | null = null;
  const fail = (error: unknown) => {
    failing.reject(error);
    waiting?.reject(error);
  };
  worker.on("message", (answer: ReplayAnswer) => {
    if ("wrong" in answer) fail(new ThroughlineError("rule.invalid", answer.wrong));
    else waiting?.resolve(answer.found);
  });
  worker.on("error", fail);
  worker.on("exit", () => fail(new ThroughlineError("internal.bug", "the thread of the replay has ended")));
  return {
    failed: failing.promise,
    fold(entries) {
      waiting = Promise.withResolvers();
      worker.postMessage(entries);
      return Promise.race([waiting.promise, failing.promise]);
    },
    async end() {
      await worker.terminate();
    },
  };
}
