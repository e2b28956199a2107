/** The operator's address: alive, ready with reasons, figures; nothing for browsers, nothing that changes anything. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { Durations } from "../../infra/observe/durations.ts";
import { fine, Health, type PartState, Probe } from "../../infra/observe/health.ts";
import { Metrics } from "../../infra/observe/metrics.ts";
import { type Operations, openOperations } from "../../infra/observe/operations.ts";

let operations: Operations;
const health = new Health();
const metrics = new Metrics({ tenant: "acme" });
const faults: unknown[] = [];
let log: PartState = fine;
let target: PartState = fine;

before(async () => {
  health.part("log", true, () => log);
  health.part("target orders", false, () => target);
  operations = await openOperations({ listen: "127.0.0.1:0", health, metrics, fault: (error) => faults.push(error) });
});
after(() => operations.close());

interface Answer {
  readonly status: number;
  readonly body: string;
}

function get(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  return new Promise((done, failed) => {
    const asked = request({ host: "127.0.0.1", port: operations.port, path, headers, method }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on("end", () => done({ status: response.statusCode ?? 0, body }));
    });
    asked.on("error", failed).end();
  });
}

test("is alive, and ready while every needed part is", async () => {
  assert.equal((await get("/livez")).status, 200);
  const { status, body } = await get("/readyz");
  assert.equal(status, 200);
  assert.deepEqual(JSON.parse(body), {
    ready: true,
    parts: { log: { ok: true, needed: true }, "target orders": { ok: true, needed: false } },
  });
});

test("a part that is not needed is named and changes nothing; a needed one makes it 503 with the reason", async () => {
  target = { ok: false, reason: "it does not answer" };
  const degraded = await get("/readyz");
  assert.equal(degraded.status, 200);
  assert.equal(JSON.parse(degraded.body).parts["target orders"].reason, "it does not answer");
  log = { ok: false, reason: "the disk is full" };
  const down = await get("/readyz");
  assert.equal(down.status, 503);
  assert.equal(JSON.parse(down.body).parts.log.reason, "the disk is full");
  [log, target] = [fine, fine];
});

test("browsers, other methods and other paths get nothing", async () => {
  assert.equal((await get("/metrics", { origin: "http://evil.example" })).status, 403);
  assert.equal((await get("/readyz", { "sec-fetch-site": "cross-site" })).status, 403);
  assert.equal((await get("/metrics", {}, "POST")).status, 405);
  assert.equal((await get("/secrets")).status, 404);
});

test("figures are read when they are asked for", async () => {
  let commands = 3;
  const durations = new Durations([0.001, 0.01]);
  metrics.counter("commands_total", "Commands by ruling", () => [{ labels: { ruling: "allow" }, value: commands }], [
    "ruling",
  ]);
  metrics.gauge("unknown_now", "Nobody knows", () => null);
  metrics.durations("decision_seconds", "Time to decide", durations);
  for (const seconds of [0.0005, 0.001, 0.005, 1]) durations.observe(seconds);
  const has = (page: string, line: string) => assert.ok(page.split("\n").includes(line), `${line} in\n${page}`);
  const { body } = await get("/metrics");
  has(body, 'throughline_commands_total{ruling="allow",tenant="acme"} 3');
  has(body, 'throughline_decision_seconds_bucket{le="0.001",tenant="acme"} 2');
  has(body, 'throughline_decision_seconds_bucket{le="0.01",tenant="acme"} 3');
  has(body, 'throughline_decision_seconds_bucket{le="+Inf",tenant="acme"} 4');
  has(body, 'throughline_decision_seconds_count{tenant="acme"} 4');
  has(body, "# TYPE throughline_decision_seconds histogram");
  assert.doesNotMatch(body, /^throughline_unknown_now/m);
  commands = 5;
  has((await get("/metrics")).body, 'throughline_commands_total{ruling="allow",tenant="acme"} 5');
});

test("every line has the form that Prometheus reads, and the process tells of itself", async () => {
  metrics.addProcess();
  const { body } = await get("/metrics");
  assert.match(body, /^process_resident_memory_bytes\{/m);
  for (const line of body.split("\n")) assert.match(line, /^(# (HELP|TYPE) \S+ .+|[a-z0-9_]+(\{[^}]*\})? \S+|)$/);
});

test("a part that asks over the network is asked again when its answer is old, and says only that it failed", async () => {
  let now = 0;
  let up = true;
  const ask = async () => {
    if (!up) throw new Error("password=hunter2");
  };
  const probe = new Probe({ ask, now: () => now, everyMs: 1_000, answerMsMax: 1_000, reason: "it does not answer" });
  assert.equal((await probe.ask()).ok, true);
  up = false;
  assert.equal(probe.state().ok, true);
  now = 1_000;
  probe.state();
  await new Promise(setImmediate);
  assert.deepEqual(probe.state(), { ok: false, reason: "it does not answer" });
});

test("a part that says nothing does not answer, also where its asking cannot be broken off", {
  timeout: 10_000,
}, async (context) => {
  const about = { now: () => 0, everyMs: 1_000, answerMsMax: 5, reason: "it does not answer" };
  const probe = new Probe({ ...about, ask: () => new Promise(() => {}) });
  // What waits for an answer keeps no process alive.
  const awake = setInterval(() => {}, 1_000);
  context.after(() => clearInterval(awake));
  assert.deepEqual(await probe.ask(), { ok: false, reason: "it does not answer" });
});

test("a process that goes away is not ready any more", async () => {
  health.leave("the process was asked to stop");
  const { status, body } = await get("/readyz");
  assert.equal(status, 503);
  assert.equal(JSON.parse(body).parts.service.reason, "the process was asked to stop");
  assert.equal((await get("/livez")).status, 200);
  assert.deepEqual(faults, []);
});
