import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Lane } from "../../infra/log/lane.ts";
import { makePack, readPack } from "../../infra/log/pack.ts";
import { openArchivedLog, openSharedLog, type SharedLogOptions } from "../../infra/log/shared-log.ts";
import { keysUpTo, parseSources, sourcesOf } from "../../infra/log/sources.ts";
import { StepEncoder } from "../../infra/log/step.ts";
import { verifyFolder } from "../../infra/log/verify-folder.ts";
import type { Config } from "../../schemas/config.ts";
import { type Desk, openDesk } from "../cli/terminal.ts";
import { isCode } from "../log/contract.ts";
import { MemoryBrokers } from "../log/memory-bus.ts";
import { all, intended, masked } from "../log/world.ts";

let desk: Desk;
let keys: string;
let brokers: MemoryBrokers;
let faults: unknown[];
beforeEach(async () => {
  desk = await openDesk();
  keys = join(desk.folder, "keys");
  brokers = new MemoryBrokers(Date.now);
  faults = [];
  await ran("sources", "init", keys, "--tenant", "demo", "--gateway", "gw1", "--projector", "p1", "--api", "p1");
});
afterEach(() => desk.close());

async function ran(...words: string[]): Promise<string> {
  const run = await desk.run(...words);
  assert.equal(run.code, 0, run.err);
  return run.out;
}

const dataOf = (name: string) => join(desk.folder, "data", name);
const registry = (file = join(keys, "sources.json")) => parseSources(readFileSync(file, "utf8")).known;
function options(name: string): SharedLogOptions {
  const config = { tenant: "demo", name, data: dataOf(name), sources: join(keys, "sources.json") };
  mkdirSync(dataOf(name), { recursive: true });
  return {
    folder: dataOf(name),
    name,
    tenant: "demo",
    sources: sourcesOf({ ...config, privateKeys: join(keys, name) } as Config),
    bus: brokers.connect(),
    prefix: "tl",
    eventPartitions: 2,
    durability: { replicas: 1, minInSync: 1, retentionMs: -1 },
    now: Date.now,
    fatal: (error) => faults.push(error),
    fault: (error) => faults.push(error),
  };
}

/** The gateway says something, and all of it is shipped. */
async function speak(...commands: string[]): Promise<void> {
  const shared = await openSharedLog(options("gw1"));
  const gateway = await shared.appender("gateway", "gw1");
  for (const command of commands) {
    gateway.append(intended(command));
    gateway.append(masked(command));
  }
  await shared.close();
}

async function standing(): Promise<string> {
  const file = join(desk.folder, "standing.json");
  writeFileSync(file, await ran("--json", "sources", "standing", dataOf("gw1")));
  return file;
}

/** What the archive of a new machine has of the gateway's steps, after it read everything there is. */
async function archived(count: number): Promise<number[]> {
  const log = await openArchivedLog(options("p1"));
  try {
    let steps: number[] = [];
    while (steps.length < count && faults.length === 0) {
      await new Promise((turn) => setTimeout(turn, 10));
      const records = await all(log);
      steps = records.filter(({ type }) => type === "command.intended").map(({ sequence }) => sequence);
    }
    return steps;
  } finally {
    await log.close();
  }
}

describe("new keys for a process", () => {
  it("sign what comes, the old ones prove what was, and nothing else: readers and auditors see one unbroken log", async () => {
    await speak("a", "b");
    cpSync(join(keys, "sources.json"), join(desk.folder, "before.json"));
    const old = registry().get("gateway/gw1")!;
    await ran("sources", "rotate", keys, "gw1", "--standing", await standing());
    const now = registry().get("gateway/gw1")!;
    assert.notEqual(now.publicKey, old.publicKey);
    assert.deepEqual(
      now.earlier?.map(({ publicKey }) => publicKey),
      [old.publicKey],
    );
    await speak("c");
    await ran("sources", "rotate", keys, "gw1", "--standing", await standing());
    await speak("d");
    assert.deepEqual(await archived(4), [1, 2, 3, 4]);
    assert.deepEqual(faults, []);
    const report = verifyFolder(dataOf("p1"), registry());
    assert.equal(report.problem, null);
    const spool = join(desk.folder, "as-log");
    cpSync(join(dataOf("gw1"), "spool"), join(spool, "log"), { recursive: true });
    assert.equal(verifyFolder(spool, registry()).problem, null);
    const early = verifyFolder(spool, registry(join(desk.folder, "before.json")));
    assert.match(early.problem?.what ?? "", /which is not the one given/);
  });

  it("make the old one useless to a thief: it signs nothing behind where it ended", async () => {
    await speak("a");
    const thief = sourcesOf({
      tenant: "demo",
      name: "gw1",
      data: dataOf("gw1"),
      sources: join(keys, "sources.json"),
      privateKeys: join(keys, "gw1"),
    } as Config).privateKey("gateway/gw1");
    const before = registry();
    await ran("sources", "rotate", keys, "gw1", "--standing", await standing());
    const ended = registry().get("gateway/gw1")!.earlier?.[0]?.until;
    assert.ok(ended && ended.steps >= 1 && ended.events >= 1);
    const pack = (first: number) => {
      const about = { tenant: "demo", source: "gateway/gw1", stream: "steps", first } as const;
      return makePack(thief, about, [[partAt(first)]]);
    };
    const read = (first: number, known = registry()) => readPack(pack(first), "steps", { tenant: "demo", known });
    assert.equal(read(ended.steps + 1, before).first, ended.steps + 1, "before, it would have been taken");
    assert.throws(() => read(ended.steps + 1), /signature of gateway\/gw1 over a pack is wrong/);
    assert.equal(read(ended.steps).last, ended.steps);
    const source = registry().get("gateway/gw1")!;
    assert.equal(keysUpTo(source, "steps", ended.steps).length, 2);
    assert.equal(keysUpTo(source, "steps", ended.steps + 1).length, 1);
    assert.equal(keysUpTo(source, "steps", Number.NaN).length, 1);
  });

  it("need the place where that very process stopped", async () => {
    const shared = await openSharedLog(options("gw1"));
    assert.match((await desk.run("sources", "standing", dataOf("gw1"))).err, /log\.locked/);
    await shared.close();
    const file = await standing();
    const first = JSON.parse(readFileSync(file, "utf8")) as { standing: Record<string, object> };
    assert.match((await desk.run("sources", "rotate", keys, "p1", "--standing", file)).err, /not where p1 stands/);
    assert.match((await desk.run("sources", "rotate", keys, "gw9", "--standing", file)).err, /not\.found/);
    writeFileSync(file, JSON.stringify({ standing: { ...first.standing, "log/gw1": { steps: -1 } } }));
    assert.match((await desk.run("sources", "rotate", keys, "gw1", "--standing", file)).err, /config\.invalid/);
    writeFileSync(file, JSON.stringify(first));
    await ran("sources", "rotate", keys, "gw1", "--standing", file);
    await speak("a");
    await ran("sources", "rotate", keys, "gw1", "--standing", await standing());
    writeFileSync(file, JSON.stringify(first));
    assert.match((await desk.run("sources", "rotate", keys, "gw1", "--standing", file)).err, /stood further/);
  });

  it("that were made when the registry could not be written are taken, and the old key is gone", async () => {
    await speak("a");
    const file = await standing();
    const was = readFileSync(join(keys, "sources.json"));
    const pem = join(keys, "gw1", "gateway-gw1.pem");
    const old = readFileSync(pem, "utf8");
    await ran("sources", "rotate", keys, "gw1", "--standing", file);
    const made = readFileSync(pem, "utf8");
    assert.notEqual(made, old);
    writeFileSync(join(keys, "sources.json"), was);
    assert.throws(() => options("gw1").sources.privateKey("gateway/gw1"), isCode("log.refused"));
    await ran("sources", "rotate", keys, "gw1", "--standing", file);
    assert.equal(readFileSync(pem, "utf8"), made);
    await speak("b");
    assert.deepEqual(await archived(2), [1, 2]);
  });
});

describe("a process that has ended", () => {
  it("does not start, its key signs nothing more, and what it said stays proven", async () => {
    await speak("a", "b");
    const file = await standing();
    await ran("sources", "retire", keys, "gw1", "--standing", file);
    assert.throws(() => options("gw1").sources.privateKey("gateway/gw1"), isCode("log.refused"));
    await assert.rejects(openSharedLog(options("gw1")), isCode("log.refused"));
    const source = registry().get("gateway/gw1")!;
    assert.equal(keysUpTo(source, "steps", source.until?.steps ?? 0).length, 1);
    assert.equal(keysUpTo(source, "steps", (source.until?.steps ?? 0) + 1).length, 0);
    assert.deepEqual(await archived(2), [1, 2]);
    assert.deepEqual(faults, []);
    assert.equal(verifyFolder(dataOf("p1"), registry()).problem, null);
    assert.match((await desk.run("sources", "retire", keys, "gw1", "--standing", file)).err, /request\.conflict/);
  });
});

/** The bytes of a step of the gateway with this sequence, made as the gateway makes them. */
function partAt(sequence: number): Uint8Array {
  const lane = new Lane("demo", "gateway/gw1", "steps", undefined);
  const encoder = new StepEncoder();
  const draft = intended("x");
  for (;;) {
    const rest = `,"type":"${draft.type}"}`;
    const start = lane.say(
      { type: draft.type, subject: draft.subject, folded: draft.data, id: undefined, rest },
      encoder,
      0,
    );
    if (lane.sequence === sequence) return Uint8Array.from(lane.pending.taken().subarray(start));
  }
}
