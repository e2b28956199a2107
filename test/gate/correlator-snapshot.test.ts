/** A correlator that stops and starts goes on from what it has kept; what it cannot read it folds again. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { it, type TestContext } from "node:test";
import { MemoryBrokers } from "../log/memory-bus.ts";
import { type Gateway, many } from "./many.ts";
import { effect, reading, workload } from "./world.ts";

const [customers, staging] = ["orders/public.customers", "orders/public.staging"];
const reads = reading([effect("read", [customers])]);
const copies = reading([effect("transform", [customers], [staging])]);
const empties = reading([effect("delete", [], [staging], true)]);

async function stage(t: TestContext) {
  const brokers = new MemoryBrokers(Date.now);
  const here = await many(["a", "c1"], brokers.connect());
  t.after(() => here.end());
  const correlator = await here.correlator("c1", brokers.connect());
  const a = await here.gateway("a", brokers.connect());
  const run = async (account: string, text: string, what: typeof reads) => {
    const session = await a.session(here.grant(workload(account), account));
    const judgement = await a.judge(session, text, what);
    if (judgement.verdict.ruling === "allow" || judgement.verdict.ruling === "mask") await done(a, session, judgement);
    return judgement.verdict.ruling;
  };
  await run("extract", "SELECT", reads);
  await run("transform", "INSERT", copies);
  await correlator.stop();
  const file = join(correlator.folder, "correlator");
  return { here, brokers, run, file };
}

async function done(a: Gateway, ...[session, judgement]: Parameters<Gateway["reached"]>): Promise<void> {
  await a.reached(session, judgement);
  a.finish(session, judgement);
}

it("holds the last step by what it had kept of the first ones", async (t) => {
  const { here, brokers, run, file } = await stage(t);
  const head = JSON.parse(readFileSync(file, "utf8").split("\n")[0] ?? "") as { steps: { offset: number } };
  assert.ok(head.steps.offset > 0);
  const bus = brokers.connect();
  const begun: number[] = [];
  const tail = bus.tail.bind(bus);
  bus.tail = (topic, partition, from, deliver) => {
    if (topic.endsWith(".steps")) begun.push(from);
    return tail(topic, partition, from, deliver);
  };
  await here.correlator("c1", bus);
  assert.ok(begun.includes(head.steps.offset + 1), `it began at ${begun}`);
  assert.equal(await run("load", "DELETE", empties), "hold");
  assert.deepEqual(here.world.fatal, []);
  assert.deepEqual(here.world.faults, []);
});

it("folds everything again when what it had kept is damaged, and says so", async (t) => {
  const { here, brokers, run, file } = await stage(t);
  writeFileSync(file, readFileSync(file, "utf8").replace("extract", "another"));
  await here.correlator("c1", brokers.connect());
  assert.equal(await run("load", "DELETE", empties), "hold");
  assert.deepEqual(here.world.fatal, []);
  assert.deepEqual(
    here.world.faults.map((fault) => (fault as { code?: string }).code),
    ["log.damaged"],
  );
});

it("ends in order on a disk that takes no snapshot, as a gateway does, and leaves no half of one", async (t) => {
  const brokers = new MemoryBrokers(Date.now);
  const here = await many(["a", "c1"], brokers.connect());
  t.after(() => here.end());
  const correlator = await here.correlator("c1", brokers.connect());
  const a = await here.gateway("a", brokers.connect());
  // Over a folder that holds something nothing can be put.
  const taken = [join(correlator.folder, "correlator"), join(a.folder, "feed")];
  for (const path of taken) mkdirSync(join(path, "something"), { recursive: true });
  await correlator.stop();
  await a.close();
  assert.equal(here.world.faults.length, 2);
  for (const path of taken) assert.equal(existsSync(`${path}.new`), false);
  assert.deepEqual(here.world.fatal, []);
});
