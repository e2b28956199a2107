/**
 * What a rule in force would have held in the log that there is (DETECTION §2.13): a job that folds the log beside everything
 * else, one at a time, with bounds. Only for who may read everything; starting it and reading of it are audit.read events.
 * Nothing of it is written: it is forgotten when this process ends.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import {
  type ReplayInfo,
  type ReplayPage,
  replayAskSchema,
  replayInfoSchema,
  replayPageSchema,
  replaysSchema,
} from "../../schemas/rule-info.ts";
import { closed, Type } from "../../schemas/shape.ts";
import type { Desk, InForce } from "./desk.ts";
import { type Caller, type Route, route } from "./route.ts";

/** One command at which the rule would have done something. */
export interface Found {
  readonly atMs: number;
  readonly event: string;
  readonly command: string;
  readonly session: string;
  readonly identity: string;
  readonly account: string;
  readonly action: "hold" | "block" | "alert";
  readonly accounts: readonly string[];
  readonly sentence: string;
}

export interface ReplayJob {
  readonly rule: string;
  /** All files in force. */
  readonly texts: InForce["texts"];
  readonly sinceMs: number;
  readonly signal: AbortSignal;
  readonly found: (found: Found) => void;
  /** @param records of the log so far @param share of all, 0 to 1 */
  readonly progress: (records: number, atMs: number, share: number) => void;
}

/** Resolves when the log was folded up to where it was when this began. @throws ThroughlineError; anything when it was aborted */
export type Replayer = (job: ReplayJob) => Promise<void>;

interface Replay {
  readonly info: Omit<ReplayInfo, "by"> & { readonly by: string };
  readonly found: Found[];
  readonly stop: AbortController;
}

const dayMs = 86_400_000;
const pageDefault = 100;
const pageQuery = closed({
  from: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.replayFoundMax })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
});

/** The replays of one process, newest last. */
export class ReplayJobs {
  readonly #replayer: Replayer;
  readonly #kept = new Map<string, Replay>();
  #running: Promise<void> | null = null;

  constructor(replayer: Replayer) {
    this.#replayer = replayer;
  }

  get isBusy(): boolean {
    return this.#running !== null;
  }

  start(desk: Desk, caller: Caller, rule: string, days: number): Replay {
    const nowMs = desk.now();
    const info: Replay["info"] = {
      ...{ replay: desk.newId(), rule, by: caller.identity.key, startedAtMs: nowMs, sinceMs: nowMs - days * dayMs },
      ...{ state: "running" as const, records: 0, atMs: 0, share: 0, hold: 0, block: 0, alert: 0, why: "" },
    };
    const replay: Replay = { info, found: [], stop: new AbortController() };
    this.#kept.set(info.replay, replay);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > limits.replaysKeptMax && oldest !== undefined) this.#kept.delete(oldest);
    this.#running = this.#run(replay, desk.inForce().texts).finally(() => {
      this.#running = null;
    });
    return replay;
  }

  async #run({ info, found, stop }: Replay, texts: InForce["texts"]): Promise<void> {
    const { rule, sinceMs } = info;
    const timeout = setTimeout(
      () => stop.abort(`it took longer than ${limits.replayMsMax / 60_000} minutes`),
      limits.replayMsMax,
    );
    try {
      await this.#replayer({
        ...{ rule, texts, sinceMs, signal: stop.signal },
        found(one) {
          info[one.action] += 1;
          if (found.length < limits.replayFoundMax) found.push(one);
        },
        progress: (records, atMs, share) => void Object.assign(info, { records, atMs, share }),
      });
      info.state = "done";
    } catch (error) {
      const reason: unknown = stop.signal.reason;
      const isCancelled = stop.signal.aborted && reason === cancelled;
      info.state = isCancelled ? "cancelled" : "failed";
      info.why = isCancelled ? "" : typeof reason === "string" ? reason : wordsOf(error);
    } finally {
      clearTimeout(timeout);
    }
  }

  /** Newest first. */
  all(): readonly Replay[] {
    return [...this.#kept.values()].reverse();
  }

  /** @throws ThroughlineError `not.found` */
  get(id: string): Replay {
    const replay = this.#kept.get(id);
    if (replay === undefined) throw new ThroughlineError("not.found", `No replay has the id ${id}`);
    return replay;
  }

  async cancel(id: string): Promise<void> {
    this.get(id).stop.abort(cancelled);
    await this.#running;
  }

  async close(): Promise<void> {
    for (const { stop } of this.#kept.values()) stop.abort(cancelled);
    await this.#running;
  }
}

const cancelled = Symbol("cancelled");

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function replayRoutes(desk: Desk, jobs: ReplayJobs): Route[] {
  return [
    route(
      "GET /api/replays",
      "Replays of rules over the log, newest first",
      { answer: replaysSchema },
      async ({ caller }) => {
        desk.permits.expect(caller, "investigate");
        const replays = jobs.all().map((one) => infoOf(desk, one));
        await desk.reads.record(
          caller,
          "replays",
          {},
          replays.map(({ replay, state }) => `${replay} ${state}`),
        );
        return { replays };
      },
    ),
    route(
      "POST /api/replays",
      "Find out what a rule in force would have held, were it enforced; one at a time",
      { body: replayAskSchema, answer: replayInfoSchema, status: 202 },
      async ({ caller, body: { rule, days } }) => {
        desk.permits.expect(caller, "investigate");
        if (!desk.inForce().rules.rules.some(({ name }) => name === rule))
          throw new ThroughlineError("not.found", `No rule in force is called ${rule}`);
        // Recorded first, so that nothing is worked out that nobody asked for.
        await desk.reads.record(caller, "replay", { rule, days, started: desk.now() }, []);
        if (jobs.isBusy) throw new ThroughlineError("request.conflict", "Another replay is running; cancel it or wait");
        return infoOf(desk, jobs.start(desk, caller, rule, days));
      },
    ),
    route(
      "GET /api/replays/:id",
      "A replay: how far it is, and a page of what the rule would have held, in log order",
      { query: pageQuery, answer: replayPageSchema },
      async ({ caller, id, query: { from = 0, limit = pageDefault } }) => {
        desk.permits.expect(caller, "investigate");
        const page = pageOf(desk, jobs.get(id), from, limit);
        const given = [page.state, ...page.found.map(({ event }) => event)];
        await desk.reads.record(caller, "replay", { replay: id, from }, given);
        return page;
      },
    ),
    route(
      "DELETE /api/replays/:id",
      "Cancel a replay; what it has found stays",
      { answer: replayInfoSchema },
      async ({ caller, id }) => {
        desk.permits.expect(caller, "investigate");
        const replay = jobs.get(id);
        if (replay.info.by !== caller.identity.key) desk.permits.expect(caller, "administer", "respond");
        if (replay.info.state !== "running")
          throw new ThroughlineError("request.conflict", `This replay is ${replay.info.state} already`);
        await jobs.cancel(id);
        return infoOf(desk, replay);
      },
    ),
  ];
}

function infoOf({ state }: Desk, { info }: Replay): ReplayInfo {
  return { ...info, by: state.people.named(info.by) };
}

function pageOf(desk: Desk, replay: Replay, from: number, limit: number): ReplayPage {
  const { found, info } = replay;
  const page = found.slice(from, from + limit);
  const { people } = desk.state;
  const to = from + page.length;
  return {
    ...infoOf(desk, replay),
    found: page.map(({ identity, accounts, ...one }) => ({
      ...one,
      accounts: [...accounts],
      by: people.named(identity),
    })),
    next: to < found.length ? to : null,
    dropped: info.hold + info.block + info.alert - found.length,
  };
}
