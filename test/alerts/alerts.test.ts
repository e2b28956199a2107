/** Alerts through the api: raised once, signed, sent until taken, answered by people who are not in them. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Webhook } from "standardwebhooks";
import { type House, type HouseOptions, openHouse } from "../api/house.ts";
import type { MemoryLog } from "../store/memory-log.ts";
import { ask, chainOf, correlator, subjectOf } from "../store/night.ts";
import { receive, secret } from "./receiver.ts";

async function inHouse(options: HouseOptions, work: (house: House) => Promise<void>): Promise<void> {
  const house = await openHouse(options);
  try {
    await work(house);
  } finally {
    await house.close();
  }
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await turn();
}

const complete = (log: MemoryLog) => {
  const chain = chainOf("chain-9", [["extract", "s1", "c1"]]);
  const data = { rule: chain.rule, chain, ruling: "hold" as const };
  log.say(correlator, { type: "chain.completed", subject: subjectOf("load", "s3", "c3"), data });
};

test("an alert is an event, then a signed message that the receiver can verify; raised once over restarts", async () => {
  const soc = await receive((nth) => (nth === 1 ? 500 : 204));
  const folder = await mkdtemp(join(tmpdir(), "throughline-alerts-"));
  const receivers = [{ name: "soc", url: soc.url, secret }];
  let raised: ReturnType<House["types"]> = [];
  await inHouse({ receivers, folder }, async (house) => {
    complete(house.log);
    await soc.reached(2);
    raised = house.types("alert.raised");
    assert.equal(raised.length, 1);
    assert.equal(raised[0]?.data.kind, "chain.held");
    assert.equal(house.types("sink.failed").length, 0);
    const listed = (await (await house.as("ivan"))("GET /api/alerts")).body.alerts as { about: string }[];
    assert.equal(listed[0]?.about, "chain-9");
  });
  const [first, second] = soc.got;
  assert.equal(first?.id, second?.id);
  const message = new Webhook(secret).verify(second?.body ?? "", second?.headers ?? {}) as { data: { about: string } };
  assert.equal(message.data.about, "chain-9");
  const prepare = (log: MemoryLog) => {
    complete(log);
    log.say("api/test", { type: "alert.raised", subject: {}, data: raised[0]?.data as never });
  };
  await inHouse({ receivers, folder, prepare }, async (house) => {
    assert.equal(house.types("alert.raised").length, 1);
  });
  assert.equal(soc.got.length, 2);
  soc.close();
  await rm(folder, { recursive: true });
});

test("an alert is raised after a crash between the chain and its alert, and sent", async () => {
  const soc = await receive(() => 204);
  await inHouse({ prepare: complete, receivers: [{ name: "soc", url: soc.url, secret }] }, async (house) => {
    await soc.reached(1);
    assert.equal(house.types("alert.raised").length, 1);
  });
  soc.close();
});

test("each receiver has its own way: one that is down keeps nobody waiting but itself, and is an event", async () => {
  const [down, up] = [await receive((nth) => (nth <= 6 ? 503 : 204)), await receive(() => 204)];
  const receivers = [
    { name: "down", url: down.url, secret },
    { name: "up", url: up.url, secret },
  ];
  await inHouse({ receivers }, async (house) => {
    complete(house.log);
    ask(house.log, "a1");
    await up.reached(2);
    await down.reached(8);
    await until(() => house.types("sink.recovered").length === 1);
    assert.deepEqual(
      house.types("sink.failed").map(({ data }) => data.sink),
      ["alerts/down"],
    );
    assert.equal(house.types("sink.recovered")[0]?.data.sink, "alerts/down");
    const ids = up.got.map(({ id }) => id);
    assert.deepEqual([...new Set(down.got.map(({ id }) => id))], ids);
  });
  down.close();
  up.close();
});

test("a receiver that is new gets what happens from now on, not the years before", async () => {
  const soc = await receive(() => 204);
  const old = { alert: "old", kind: "log.gap", level: "high", title: "t", sentence: "s", about: "x" } as const;
  const prepare = (log: MemoryLog) => void log.say("api/test", { type: "alert.raised", subject: {}, data: old });
  await inHouse({ prepare, receivers: [{ name: "soc", url: soc.url, secret }] }, async (house) => {
    complete(house.log);
    await soc.reached(1);
    assert.notEqual(soc.got[0]?.id, "old");
  });
  soc.close();
});

test("what two apis raise at once is sent once", async () => {
  const soc = await receive(() => 204);
  await inHouse({ receivers: [{ name: "soc", url: soc.url, secret }] }, async (house) => {
    complete(house.log);
    await soc.reached(1);
    const [raised] = house.types("alert.raised");
    house.log.say("api/other", { type: "alert.raised", subject: {}, data: raised?.data as never });
    ask(house.log, "a1");
    await soc.reached(2);
    assert.notEqual(soc.got[0]?.id, soc.got[1]?.id);
  });
  soc.close();
});

test("people acknowledge and resolve an alert, once each, with their names", async () => {
  await inHouse({ prepare: complete }, async (house) => {
    await until(() => house.types("alert.raised").length === 1);
    const id = house.types("alert.raised")[0]?.data.alert;
    const [olga, ivan] = [await house.as("olga"), await house.as("ivan")];
    assert.equal((await ivan(`POST /api/alerts/${id}/acknowledgement`, {})).status, 403);
    const seen = await olga(`POST /api/alerts/${id}/acknowledgement`, {});
    assert.equal(seen.status, 200, seen.text);
    assert.equal(seen.body.state, "acknowledged");
    assert.equal((await olga(`POST /api/alerts/${id}/acknowledgement`, {})).status, 409);
    assert.equal((await olga(`POST /api/alerts/${id}/resolution`, {})).status, 400);
    const done = await olga(`POST /api/alerts/${id}/resolution`, { reason: "announced work" });
    assert.equal(done.body.state, "resolved");
    assert.deepEqual((done.body.resolved as { reason: string }).reason, "announced work");
    assert.equal((await olga(`POST /api/alerts/${id}/resolution`, { reason: "again" })).status, 409);
    assert.equal((await olga("POST /api/alerts/nothing/acknowledgement", {})).status, 404);
    const [acknowledged] = house.types("alert.acknowledged");
    assert.equal(acknowledged?.identity, `${house.provider.issuer}|olga`);
    assert.equal(house.types("alert.resolved").length, 1);
  });
});

test("who has a step in the chain, or asked for what is held, cannot close the alert about it", async () => {
  await inHouse({}, async (house) => {
    const key = `${house.provider.issuer}|olga`;
    const chain = chainOf("chain-7", [["extract", "s1", "c1"]]);
    const steps = chain.steps.map((step) => ({ ...step, identity: key }));
    const data = { rule: chain.rule, chain: { ...chain, steps } as never, ruling: "hold" as const };
    house.log.say(correlator, { type: "chain.completed", subject: subjectOf("load", "s3", "c3"), data });
    await until(() => house.types("alert.raised").length === 1);
    const id = house.types("alert.raised")[0]?.data.alert;
    const olga = await house.as("olga");
    for (const [act, body] of [
      ["acknowledgement", {}],
      ["resolution", { reason: "nothing to see" }],
    ] as const)
      assert.equal((await olga(`POST /api/alerts/${id}/${act}`, body)).status, 403);
    assert.equal(house.types("alert.acknowledged").length + house.types("alert.resolved").length, 0);
  });
});

test("a message that a receiver cannot take is given up by an administrator, with a reason; the next one goes", async () => {
  const soc = await receive((nth) => (nth === 1 ? 400 : 204));
  const pauses: (() => void)[] = [];
  const wait = (_: number, signal: AbortSignal) =>
    new Promise<void>((done) => {
      pauses.push(done);
      signal.addEventListener("abort", () => done());
    });
  await inHouse({ receivers: [{ name: "soc", url: soc.url, secret }], wait }, async (house) => {
    complete(house.log);
    await until(() => pauses.length === 1);
    ask(house.log, "a1");
    await until(() => house.types("alert.raised").length === 2);
    const [first, second] = house.types("alert.raised").map(({ data }) => String(data.alert));
    const pia = await house.as("pia");
    const reason = { receiver: "soc", reason: "their ticket system refuses it" };
    assert.equal((await (await house.as("olga"))(`POST /api/alerts/${first}/given-up`, reason)).status, 403);
    assert.equal((await pia(`POST /api/alerts/${second}/given-up`, reason)).status, 409);
    assert.equal((await pia(`POST /api/alerts/${first}/given-up`, { ...reason, receiver: "x" })).status, 404);
    assert.equal((await pia(`POST /api/alerts/${first}/given-up`, reason)).status, 200);
    await until(() => soc.got.some(({ id }) => id === second));
    assert.deepEqual(house.types("alert.given_up")[0]?.data.reason, reason.reason);
    assert.equal(soc.got.length, 2);
  });
  soc.close();
});
