/**
 * One run: a cluster is started, clients play chains while the machines suffer, everything is mended and ended, and what is
 * left is read. Nothing is judged here.
 */
import { copyFile, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dataOf, type GatewayName, members } from "../cluster/files.ts";
import { type Cluster, startCluster } from "../cluster/world.ts";
import { type Dice, seeded } from "../correlator/dice.ts";
import { granted, type Player, person, workload } from "../demo/cast.ts";
import { type Account, type Crew, playLots } from "./chains.ts";
import { archived, archivedAll, given, projected, spooled, timelineIds } from "./collect.ts";
import { type Disk, smallDisk } from "./disk.ts";
import type { Attempt, Evidence, Said } from "./evidence.ts";
import { letLoose } from "./faults.ts";
import { lastingMarks, makeLots } from "./lots.ts";
import { Seat } from "./wire.ts";

export interface NightOptions {
  readonly seconds: number;
  /** Ends when so many completing steps were asked. */
  readonly chains: number;
  readonly seed: number;
  readonly workers: number;
  /** Nothing is broken. */
  readonly calm: boolean;
  /** What is left is copied to a folder that stays. */
  readonly keep: boolean;
  /** Another copy of `services/main.ts`. */
  readonly main?: string;
  readonly say: (line: string) => void;
}

export interface Left {
  readonly evidence: Evidence;
  /** Processes that ended by themselves, or did not start or end as they should. */
  readonly failed: readonly string[];
}

const triesPerLot = 24;
const approvedOf100 = 15;
const approveMsMax = 3_000;
const accounts: readonly Account[] = ["extract", "transform", "load"];
const waitSeconds = 1;

export async function runNight(options: NightOptions): Promise<Left> {
  const { say, main } = options;
  let disk: Disk | null = null;
  const world = await startCluster({
    say,
    hold: { mode: "retry", seconds: 60 },
    holdAt: { "gw-b": { mode: "wait", seconds: waitSeconds } },
    ...(main ? { main } : {}),
    async prepare(folder) {
      disk = await smallDisk(join(dataOf(folder, "gw-a"), "spool"));
      if (disk === null) say("no disk is filled: mounting a small one needs root");
      return () => disk?.close();
    },
  });
  try {
    const left = await play(world, disk, options);
    if (options.keep) say(`what it is judged by is in ${await keep(world.folder, left.evidence)}`);
    return left;
  } finally {
    await world.stop();
  }
}

async function play(world: Cluster, disk: Disk | null, options: NightOptions): Promise<Left> {
  const { seconds, chains, seed, calm, say } = options;
  const lots = await makeLots(
    world.postgres,
    Math.min(2_000, Math.ceil(Math.min(seconds * 150, chains * 1.5) / triesPerLot) + 50),
  );
  say(`${lots.length} lots`);
  const attempts: Attempt[] = [];
  const seats: Seat[] = [];
  const olga = await approver(world);
  const over = { isOver: false };
  const left = lots.slice();
  const crews = await enlist(world, olga, { attempts, seats, over, options });
  const playing = crews.map((crew) => playLots(crew, () => left.shift() ?? null, triesPerLot));
  const chaos = calm ? null : letLoose(world, seeded(seed * 7 + 1), disk);
  const ended = Promise.all(playing);
  const told = { at: 0 };
  const progress = setInterval(() => {
    const what = chaos?.done.slice(told.at) ?? [];
    told.at = chaos?.done.length ?? 0;
    say(`${counts(attempts)}; ${what.join(", ") || "nothing broken"}`);
    if (completing(attempts) >= chains) over.isOver = true;
  }, 10_000);
  const timer = setTimeout(() => {
    over.isOver = true;
  }, seconds * 1000);
  await ended;
  clearTimeout(timer);
  clearInterval(progress);
  if (left.length === 0) say("all lots were played: the run ended before its time");
  say(`mending everything; ${counts(attempts)}`);
  const silent = completing(attempts) >= 500 && approvedAndRun(attempts) === 0;
  await chaos?.stop();
  await Promise.all(seats.map((seat) => seat.close()));
  // What is said while a process ends may reach the others only when it comes back.
  const spools = spooled(world.folder);
  const failed = [...(chaos?.failed ?? []), ...(await settle(world, spools, say))];
  const ivan = await person(world, "ivan");
  say("reading the timeline, the archive and the target");
  const isThere = await projected(ivan, ["gw-a", "gw-b", "corr-a", "corr-b"], 240_000);
  if (silent) failed.push("nothing that was approved ever ran: this night says little of approvals");
  if (!isThere) failed.push("the timeline does not have the last of what was said");
  const timeline = await timelineIds(ivan).catch((error: unknown) => {
    failed.push(`the timeline cannot be read: ${error instanceof Error ? error.message : error}`);
    return [];
  });
  const lasting = await lastingMarks(world.postgres, lots);
  await world.kill("store", "SIGTERM");
  const log = await archived(world.folder);
  say(`judging ${attempts.length} commands, ${log.length} records, ${timeline.length} rows of the timeline`);
  const evidence = { attempts, given: await given(world.postgres.log), lasting, log, spools, timeline };
  return { evidence, failed };
}

/** Gateways and correlators end as an operator ends them; the archive takes the rest. */
async function settle(world: Cluster, spools: readonly Said[], say: NightOptions["say"]): Promise<string[]> {
  const failed: string[] = [];
  for (const name of ["gw-a", "gw-b", "corr-a", "corr-b"] as const) {
    for (let tries = 0; ; tries += 1) {
      const code = await world.kill(name, "SIGTERM");
      if (code === 0) break;
      if (tries === 2) failed.push(`${name} did not end well: exit ${code}`);
      if (tries === 2) break;
      await world.start(name);
    }
  }
  const missing = await archivedAll(world, spools, 240_000);
  if (missing.length > 0) say(`the archive still lacks the last of ${missing.join(", ")}`);
  return failed;
}

interface Common {
  readonly attempts: Attempt[];
  readonly seats: Seat[];
  readonly over: { readonly isOver: boolean };
  readonly options: Pick<NightOptions, "seed" | "workers">;
}

/** Each worker has a Grant per account, and with it a seat at either gateway. */
async function enlist(world: Cluster, olga: Approver, { attempts, seats, over, options }: Common): Promise<Crew[]> {
  const { seed, workers } = options;
  const jobs = Object.fromEntries(
    await Promise.all(accounts.map(async (name) => [name, await workload(world, name)] as const)),
  ) as Record<Account, Player>;
  const crews: Crew[] = [];
  for (let worker = 0; worker < workers; worker += 1) {
    const dice: Dice = seeded(seed * 1_000 + worker + 1);
    const own = {} as Record<Account, Record<GatewayName, Seat>>;
    for (const account of accounts) {
      const grant = await granted(jobs[account], account, `chaos ${worker}`);
      const { host, user, secret: password, database } = grant;
      const at = (port: number) => new Seat({ host, port, user, password, database });
      own[account] = { "gw-a": at(world.gateways["gw-a"]), "gw-b": at(world.gateways["gw-b"]) };
      seats.push(...Object.values(own[account]));
    }
    let count = 0;
    crews.push({
      seats: own,
      dice,
      newMark: () => `m${worker}x${++count}`,
      keep: (attempt) => void attempts.push(attempt),
      approve: (approval) => approve(olga, approval),
      approvedOf100,
      isOver: () => over.isOver,
    });
  }
  return crews;
}

/** The api hears of an approval a little after its client, and may be away: then nobody has said yes. */
/** Logs in again where the api has forgotten her: console logins end with its process. */
interface Approver {
  readonly now: Player;
  logIn(): Promise<unknown>;
}

async function approver(world: Cluster): Promise<Approver> {
  let now = await person(world, "olga");
  let again: Promise<unknown> | null = null;
  const anew = async () => {
    now = await person(world, "olga").catch(() => now); // it may be away again: the next answer tries once more
    again = null;
  };
  return {
    get now() {
      return now;
    },
    logIn: () => (again ??= anew()),
  };
}

async function approve(olga: Approver, approval: string): Promise<boolean> {
  const body = { answer: "approve", reason: "chaos" };
  for (const until = Date.now() + approveMsMax; Date.now() < until; ) {
    const answered = olga.now.api("POST", `/api/approvals/${approval}/answer`, body);
    const { status } = await answered.catch(() => ({ status: 0 }));
    if (status === 200) return true;
    if (status === 401) await olga.logIn();
    await new Promise((done) => setTimeout(done, 100));
  }
  return false;
}

const completing = (attempts: readonly Attempt[]) => attempts.filter((one) => one.completing).length;
const approvedAndRun = (attempts: readonly Attempt[]) =>
  attempts.filter((one) => one.completing && one.outcome === "ok").length;

function counts(attempts: readonly Attempt[]): string {
  const of = (outcome: Attempt["outcome"]) => attempts.filter((one) => one.outcome === outcome).length;
  return `${attempts.length} commands, ${completing(attempts)} completing (${approvedAndRun(attempts)} approved and run), ok ${of("ok")}, error ${of("error")}, refused ${of("refused")}, full ${of("full")}, lost ${of("lost")}`;
}

async function keep(folder: string, evidence: Evidence): Promise<string> {
  const kept = await mkdtemp(join(tmpdir(), "throughline-chaos-"));
  for (const name of members) await copyFile(join(folder, `${name}.log`), join(kept, `${name}.log`));
  for (const [name, of] of Object.entries(evidence) as [string, readonly unknown[]][])
    await writeFile(join(kept, `${name}.ndjson`), of.map((one) => `${JSON.stringify(one)}\n`).join(""));
  return kept;
}
