/** People, jobs and their sessions over the processes of a cluster, for tests of what its users see when parts die. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ApprovalInfo, Approvals, TimelinePage } from "../../schemas/api.ts";
import type { GatewayName } from "../cluster/files.ts";
import { type Cluster, startCluster } from "../cluster/world.ts";
import {
  type Actor,
  connect,
  eventually,
  type Grant,
  granted,
  type Player,
  person,
  refusalOf,
  workload,
} from "../demo/cast.ts";
import { makeSchema } from "../demo/database.ts";
import { makeSabotage, type Sabotage } from "./sabotage.ts";

export type Job = "extract" | "transform" | "load";

export interface Crowd {
  readonly world: Cluster;
  readonly schema: string;
  /** Of gateway gw-a. */
  readonly sabotage: Sabotage;
  readonly jobs: Record<Job, Player>;
  olga: Player;
  ivan: Player;
  startA(): Promise<void>;
  /** Console logins end with the api's process. */
  logIn(): Promise<void>;
  grant(as: Job): Promise<Grant>;
  through(gateway: GatewayName, grant: Grant): Promise<Actor>;
  session(gateway: GatewayName, as: Job): Promise<Actor>;
  held(actor: Actor, sql: string): Promise<{ approval: string; running: Promise<unknown> }>;
  answer(approval: string, what: "approve" | "refuse"): Promise<number>;
  timeline(query: string): Promise<TimelinePage["rows"]>;
  /** How often PostgreSQL itself was given this text. */
  seenByTarget(text: string): Promise<number>;
  end(): Promise<void>;
}

export async function gather(schema: string): Promise<Crowd> {
  // Stopped from outside, it leaves no process behind.
  process.once("SIGTERM", () => process.exit(1));
  const world = await startCluster({ without: ["gw-a"], hold: { mode: "wait", seconds: 600 } });
  const sabotage = makeSabotage(world.folder, join(world.folder, "gw-a", "data", "spool"));
  const actors: Actor[] = [];
  const startA = () => world.start("gw-a", { env: sabotage.env });
  try {
    await startA();
    await makeSchema(world.postgres, schema);
    const jobs = {
      extract: await workload(world, "extract"),
      transform: await workload(world, "transform"),
      load: await workload(world, "load"),
    };
    const [olga, ivan] = [await person(world, "olga"), await person(world, "ivan")];
    const crowd: Crowd = { world, schema, sabotage, jobs, olga, ivan, startA, ...acts(() => crowd, actors) };
    return crowd;
  } catch (error) {
    await world.stop();
    throw error;
  }
}

type Acts = Omit<Crowd, "world" | "schema" | "sabotage" | "jobs" | "olga" | "ivan" | "startA">;

function acts(here: () => Crowd, actors: Actor[]): Acts {
  return {
    async logIn() {
      here().olga = await person(here().world, "olga");
      here().ivan = await person(here().world, "ivan");
    },
    grant: (as) => granted(here().jobs[as], as, `a test of failures, ${as}`),
    async through(gateway, grant) {
      const actor = await connect({ ...grant, port: here().world.gateways[gateway] }, here().schema);
      actors.push(actor);
      return actor;
    },
    session: async (gateway, as) => here().through(gateway, await here().grant(as)),
    async held(actor, sql) {
      const seen = actor.notices.length;
      const running: Promise<unknown> = actor.client.query(sql);
      const ended = running.then(
        () => assert.fail(`it was not held but ran: ${sql}`),
        (error: Error) => assert.fail(`it was not held but refused: ${error.message}`),
      );
      const notice = await Promise.race([eventually("a NOTICE", async () => actor.notices[seen]), ended]);
      ended.catch(() => {});
      return { approval: (await asked(here().olga, notice.hint)).approval, running };
    },
    async answer(approval, what) {
      const body = { answer: what, reason: "a test" };
      return (await here().olga.api("POST", `/api/approvals/${approval}/answer`, body)).status;
    },
    async timeline(query) {
      const { status, body } = await here().ivan.api("GET", `/api/timeline?${query}`);
      assert.equal(status, 200, JSON.stringify(body));
      return (body as unknown as TimelinePage).rows;
    },
    seenByTarget: (text) => timesGiven(here().world.postgres.log, text),
    async end() {
      for (const actor of actors) actor.client.end().catch(() => {});
      await here().world.stop();
    },
  };
}

/** How often a text stands among the statements of PostgreSQL's own log. */
export async function timesGiven(log: string, text: string): Promise<number> {
  const lines = (await readFile(log, "utf8")).split("\n");
  return lines.filter((line) => /LOG: {2}(statement|execute)/.test(line) && line.includes(text)).length;
}

export function asked(olga: Player, hint: string): Promise<ApprovalInfo> {
  return eventually("the approval", async () => {
    const { approvals } = (await olga.api("GET", "/api/approvals?state=open")).body as unknown as Approvals;
    return approvals.find(({ approval }) => hint.includes(approval));
  });
}

/** It must be refused as policy refuses, with these words. */
export async function refusedWith(actor: Actor, sql: string, words: RegExp): Promise<void> {
  const { code, message, detail } = await refusalOf(actor.client.query(sql));
  assert.equal(code, "42501");
  assert.match(`${message} ${detail}`, words);
}

/** Whether it has ended yet, looked at after everything that is under way. */
export function watched<T>(running: Promise<T>): { readonly ended: () => boolean; readonly running: Promise<T> } {
  let over = false;
  const end = () => {
    over = true;
  };
  running.then(end, end);
  return { ended: () => over, running };
}
