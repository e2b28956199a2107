/** Traces: sampled by ratio, tied to the client's own trace, sent over OTLP, and worth nothing to wait for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openTracer } from "../../infra/observe/otel.ts";
import { type Tracer, traceparentOf } from "../../infra/observe/trace.ts";

import { collect, type Sent } from "./collector.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";
const service = { role: "gateway", name: "one", version: "1" };

async function collected(ratio: number, play: (tracer: Tracer) => void): Promise<readonly Sent[]> {
  const collector = await collect();
  const tracer = openTracer({ url: collector.url, ratio, service, now: Date.now });
  play(tracer);
  await tracer.close();
  await collector.close();
  return collector.spans;
}

test("a command's way arrives at the collector as one trace under the client's own", async () => {
  const now = Date.now();
  const spans = await collected(1, (tracer) => {
    const parent = traceparentOf(`SELECT 1 /*traceparent='00-${traceId}-${spanId}-01'*/`);
    const trace = tracer.begin("command", now, parent);
    trace?.span("gate", now, now + 1, { ruling: "allow" });
    trace?.span("record", now + 1, now + 2);
    trace?.end(now + 3, { rows: 1 }, false);
  });
  const root = spans.find(({ name }) => name === "command");
  assert.equal(root?.traceId, traceId);
  assert.equal(root?.parentSpanId, spanId);
  const children = spans.filter(({ name }) => name !== "command");
  assert.deepEqual(children.map(({ name }) => name).sort(), ["gate", "record"]);
  for (const child of children) assert.deepEqual([child.traceId, child.parentSpanId], [traceId, root?.spanId]);
});

test("a share of commands is traced; who asks by traceparent is traced too, up to ten a second", async () => {
  const spans = await collected(0.25, (tracer) => {
    for (let at = 0; at < 100; at += 1) tracer.begin("command", Date.now(), null)?.end(Date.now(), {}, false);
    assert.equal(tracer.counts.traced, 25);
  });
  assert.equal(spans.length, 25);
  let now = 0;
  const asked = openTracer({ url: "http://127.0.0.1:9/", ratio: 0, service, now: () => now });
  const parent = { traceId, spanId, sampled: true };
  for (let at = 0; at < 50; at += 1) asked.begin("command", 0, parent);
  assert.equal(asked.counts.traced, 10);
  now = 1_000;
  assert.notEqual(asked.begin("command", 0, parent), null);
  assert.equal(asked.begin("command", 0, { ...parent, sampled: false }), null);
  await asked.close();
});

test("a collector that is away is counted and stops nothing", async () => {
  const tracer = openTracer({ url: "http://127.0.0.1:9/v1/traces", ratio: 1, service, now: Date.now });
  tracer.begin("command", Date.now(), null)?.end(Date.now(), {}, false);
  await tracer.close();
  assert.equal(tracer.counts.failedExports, 1);
});

test("a traceparent is read where sqlcommenter writes it, and nothing else is one", () => {
  const good = `00-${traceId}-${spanId}-00`;
  const read = (text: string) => traceparentOf(text);
  assert.deepEqual(read(`SELECT 1 /*action='%2Fx',traceparent='${good}'*/`), { traceId, spanId, sampled: false });
  assert.deepEqual(read(`/*traceparent='${good.replaceAll("-", "%2D")}'*/ SELECT 1`)?.traceId, traceId);
  assert.deepEqual(read(`SELECT ${"1,".repeat(9_000)}1 /*traceparent='${good}'*/`)?.spanId, spanId);
  for (const bad of [
    "SELECT 1",
    `SELECT 1 /*traceparent='${good}`,
    `SELECT 1 /*traceparent='00-${"0".repeat(32)}-${spanId}-01'*/`,
    `SELECT 1 /*traceparent='ff-${traceId}-${spanId}-01'*/`,
    `SELECT 1 /*traceparent='00-${traceId}-${"0".repeat(16)}-01'*/`,
    "SELECT 1 /*traceparent='%zz'*/",
    `SELECT 1 /*traceparent='${"a".repeat(500)}'*/`,
  ])
    assert.equal(read(bad), null, bad.slice(0, 80));
});
