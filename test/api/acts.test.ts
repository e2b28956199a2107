import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { seal } from "../../infra/keys/seal.ts";
import type { Identity, Task, TaskId } from "../../schemas/identity.ts";
import { ask, gateway, openSession } from "../store/night.ts";
import { type House, type HouseOptions, openHouse } from "./house.ts";

type Actor = Awaited<ReturnType<House["as"]>>;
const yes = { answer: "approve", reason: "announced" };

async function inHouse(options: HouseOptions, work: (house: House) => Promise<void>): Promise<void> {
  const house = await openHouse(options);
  try {
    await work(house);
  } finally {
    await house.close();
  }
}

describe("grants", () => {
  let house: House;
  before(async () => {
    house = await openHouse();
  });
  after(() => house.close());
  const wish = { target: "orders", account: "load", task: { justification: "nightly load" } };

  test("are durable before the secret leaves", async () => {
    const load = await house.as("load");
    const synced = house.log.hold();
    let answered = false;
    const asked = load("POST /api/grants", wish).then(() => {
      answered = true;
    });
    try {
      // The provider's keys are fetched first: how long that takes is the machine's business.
      while (house.types("grant.issued").length === 0) await turn();
      for (let n = 0; n < 200; n += 1) await turn();
      assert.equal(answered, false);
    } finally {
      synced();
    }
    await asked;
  });

  test("say who, as what, where, and the secret is in no record", async () => {
    const load = await house.as("load");
    const { status, body } = await load("POST /api/grants", wish);
    assert.equal(status, 201);
    assert.equal(body.user, `load~${body.grant}`);
    assert.equal(body.port, 6432);
    assert.equal(body.database, "orders");
    const issued = house.types("grant.issued").at(-1);
    assert.equal(issued?.data.grant, body.grant);
    assert.equal(issued?.identity, `${house.provider.issuer}|load`);
    const log = house.log.records.map((record) => Buffer.from(record.json).toString()).join();
    assert.ok(typeof body.secret === "string" && body.secret.length > 20);
    assert.ok(!log.includes(String(body.secret)));
  });

  test("are refused for what policy does not permit, without an event, and without saying which accounts there are", async () => {
    const before = house.types("grant.issued").length;
    const ana = await house.as("ana");
    const known = await ana("POST /api/grants", wish);
    const unknown = await ana("POST /api/grants", { ...wish, account: "nobody" });
    assert.equal(known.status, 403);
    assert.equal(unknown.status, 403);
    assert.equal((await ana("POST /api/grants", { ...wish, account: "__proto__" })).status, 403);
    const load = await house.as("load");
    assert.equal((await load("POST /api/grants", { ...wish, target: "elsewhere" })).status, 403);
    assert.equal(house.types("grant.issued").length, before);
  });

  test("end after as many hours as are configured, however many are asked for", async () => {
    const load = await house.as("load");
    const { body } = await load("POST /api/grants", { ...wish, hours: 12 });
    assert.equal(body.expiresAtMs, house.clock.nowMs + 8 * 3_600_000);
    assert.equal((await load("POST /api/grants", { ...wish, hours: 13 })).status, 400);
    assert.equal((await load("POST /api/grants", { ...wish, task: { justification: "" } })).status, 400);
    assert.equal((await load("POST /api/grants", { ...wish, task: { justification: "x", id: "a b" } })).status, 400);
  });

  test("are listed and revoked by their owner, by who may respond, by nobody else", async () => {
    const [load, extract, olga] = [await house.as("load"), await house.as("extract"), await house.as("olga")];
    const { body } = await load("POST /api/grants", wish);
    const listed = (await extract("GET /api/grants")).body.grants as unknown[];
    assert.equal(listed.length, 0);
    const because = { reason: "done" };
    assert.equal((await extract(`DELETE /api/grants/${body.grant}`, because)).status, 403);
    assert.equal((await extract("DELETE /api/grants/g1-nothing", because)).status, 403);
    assert.equal((await load(`DELETE /api/grants/${body.grant}`, because)).body.state, "revoked");
    const second = (await load("POST /api/grants", wish)).body.grant;
    assert.equal((await olga(`DELETE /api/grants/${second}`, because)).body.state, "revoked");
    assert.equal(house.types("grant.revoked").length, 2);
  });
});

describe("approvals", () => {
  let house: House;
  let issuer: string;
  let olga: Actor;
  const key = new Uint8Array(32).fill(9);
  before(async () => {
    house = await openHouse();
    issuer = house.provider.issuer;
    olga = await house.as("olga");
    house.keys.set("key-session-load", key);
    openSession(house.log, "load", "session-load");
  });
  after(() => house.close());
  let id = "";
  let count = 0;
  const hold = (changes: Parameters<typeof ask>[2] = {}) => {
    count += 1;
    id = `a${count}`;
    const text = { sealed: seal(key, "DELETE FROM reporting"), bytes: 1, hash: "" };
    ask(house.log, id, { excluded: [`${issuer}|load`, `${issuer}|extract`], text, ...changes });
  };
  beforeEach(() => hold());
  const answers = () => house.types("approval.answered").filter((event) => event.data.approval === id);
  const refusals = () => house.types("approval.refused").filter((event) => event.data.approval === id);
  const answer = (actor: Actor, body: object = yes) => actor(`POST /api/approvals/${id}/answer`, body);

  test("show the exact text to who may answer, and that is an event", async () => {
    const before = house.types("audit.read").length;
    const { body } = await olga(`GET /api/approvals/${id}`);
    assert.equal(body.text, "DELETE FROM reporting");
    assert.equal(body.mayAnswer, true);
    assert.equal(house.types("audit.read").length, before + 1);
    assert.equal((await (await house.as("ana"))(`GET /api/approvals/${id}`)).status, 404);
  });

  test("are answered by a person of the group; the answer carries binding, kind and groups", async () => {
    const { status, body } = await answer(olga);
    assert.equal(status, 200);
    assert.equal(body.state, "approved");
    const [event] = answers();
    assert.equal(event?.data.binding, `binding-${id}`);
    assert.equal(event?.data.kind, "person");
    assert.deepEqual(event?.data.groups, ["data-owners", "responders"]);
    assert.equal(event?.identity, `${issuer}|olga`);
  });

  test("are never answered by the requester or anybody in the chain, though they hold the role; attempts are events", async () => {
    for (const name of ["load", "extract"]) {
      const { status, body } = await answer(await house.as(name));
      assert.equal(status, 403);
      assert.match(String(body.detail), /took part in the chain/);
    }
    assert.equal(answers().length, 0);
    assert.deepEqual(
      refusals().map((event) => event.data.by),
      [`${issuer}|load`, `${issuer}|extract`],
    );
  });

  test("are never answered by somebody linked to who took part", async () => {
    const identities = [`${issuer}|otto`, `${issuer}|extract`];
    house.log.say("api/test", {
      type: "identity.linked",
      subject: {},
      data: { identities, strength: "weak", evidence: [] },
    });
    assert.equal((await answer(await house.as("otto"))).status, 200);
    hold();
    house.log.say("api/test", {
      type: "identity.linked",
      subject: {},
      data: { identities, strength: "strong", evidence: [] },
    });
    const { status, body } = await answer(await house.as("otto"));
    assert.equal(status, 403);
    assert.match(String(body.detail), /linked to you/);
  });

  test("are never answered by who is no person or in no group that may", async () => {
    hold({ excluded: [`${issuer}|load`] });
    const workload = await answer(await house.as("extract"));
    assert.equal(workload.status, 403);
    assert.match(String(workload.body.detail), /Only a person/);
    assert.equal((await answer(await house.as("ivan"))).status, 403);
    hold({ approvers: ["security"] });
    const { status, body } = await answer(olga);
    assert.equal(status, 403);
    assert.match(String(body.detail), /security/);
    assert.equal(answers().length, 0);
  });

  test("count one human once, also at the same instant, and need as many as they say", async () => {
    hold({ humans: 2 });
    assert.equal((await olga(`GET /api/approvals/${id}`)).body.state, "open");
    const synced = house.log.hold();
    const asked = Promise.all([answer(olga), answer(olga)]);
    for (let n = 0; n < 200; n += 1) await turn();
    synced();
    const both = await asked;
    assert.deepEqual(both.map((one) => one.status).sort(), [200, 409]);
    assert.equal((await answer(olga)).status, 409);
    assert.equal(answers().length, 1);
    assert.equal((await olga(`GET /api/approvals/${id}`)).body.state, "open");
  });

  test("are closed by a refusal, and by their end", async () => {
    assert.equal((await answer(olga, { answer: "refuse", reason: "not announced" })).body.state, "refused");
    assert.equal((await answer(olga)).status, 409);
    hold({ expiresAtMs: house.clock.nowMs - 1 });
    assert.equal((await answer(olga)).status, 409);
    assert.equal(answers().length, 0);
    const open = (await olga("GET /api/approvals?state=open")).body.approvals as { approval: string }[];
    assert.ok(!open.some((one) => one.approval === id));
  });

  test("stay as they were when the api starts again", async () => {
    const other = await openHouse({
      prepare: (log) => {
        ask(log, "old");
        log.say("api/test", {
          type: "approval.answered",
          subject: {},
          data: {
            approval: "old",
            binding: "binding-old",
            answer: "approve",
            by: "x|olga",
            byName: "Olga",
            kind: "person",
            groups: ["data-owners"],
            reason: "",
          },
        });
        log.say(gateway, { type: "approval.used", subject: {}, data: { approval: "old", binding: "binding-old" } });
      },
    });
    const { body } = await (await other.as("olga"))("GET /api/approvals/old");
    assert.equal(body.state, "used");
    assert.equal(body.mayAnswer, false);
    await other.close();
  });
});

describe("blocks", () => {
  test("are placed by who may respond, name something, and end when they say", async () => {
    await inHouse({}, async (house) => {
      const olga = await house.as("olga");
      const scope = { identity: `${house.provider.issuer}|extract` };
      assert.equal((await (await house.as("ivan"))("POST /api/blocks", { scope, reason: "r" })).status, 403);
      assert.equal((await olga("POST /api/blocks", { scope: {}, reason: "r" })).status, 400);
      assert.equal((await olga("POST /api/blocks", { scope: { operations: ["read"] }, reason: "r" })).status, 400);
      const typo = { scope: { ...scope, operations: ["raed"] }, reason: "r" };
      assert.equal((await olga("POST /api/blocks", typo)).status, 400);
      const placed = await olga("POST /api/blocks", { scope, reason: "suspect", minutes: 5 });
      assert.equal(placed.status, 201);
      assert.equal(placed.body.state, "active");
      house.clock.nowMs += 5 * 60_000;
      const [listed] = (await olga("GET /api/blocks")).body.blocks as { state: string }[];
      assert.equal(listed?.state, "expired");
    });
  });

  test("are lifted once, and never by who is blocked", async () => {
    await inHouse({}, async (house) => {
      const olga = await house.as("olga");
      const because = { reason: "clear" };
      const own = { scope: { identity: `${house.provider.issuer}|olga` }, reason: "r" };
      const onSelf = (await olga("POST /api/blocks", own)).body.block;
      assert.equal((await olga(`DELETE /api/blocks/${onSelf}`, because)).status, 403);
      const [account, grant] = ["analyst", "g1-olgas"];
      const task: Task = { id: "t-olga" as TaskId, justification: "j" };
      const key = `${house.provider.issuer}|olga` as Identity["key"];
      const identity: Identity = { key, kind: "person", name: "Olga", groups: [], onBehalfOf: [] };
      const times = { issuedAtMs: house.clock.nowMs, expiresAtMs: house.clock.nowMs + 1 };
      const data = { grant, identity, account, target: "orders", task, ...times };
      house.log.say("api/test", { type: "grant.issued", subject: {}, data });
      for (const scope of [{ account }, { grant }, { task: "t-olga" }, { account, task: "t-olga" }]) {
        const held = (await olga("POST /api/blocks", { scope, reason: "r" })).body.block;
        assert.equal((await olga(`DELETE /api/blocks/${held}`, because)).status, 403, JSON.stringify(scope));
      }
      const other = (await olga("POST /api/blocks", { scope: { account: "load" }, reason: "r" })).body.block;
      assert.equal((await olga(`DELETE /api/blocks/${other}`, because)).body.state, "lifted");
      assert.equal((await olga(`DELETE /api/blocks/${other}`, because)).status, 409);
      assert.equal(house.types("block.lifted").length, 1);
    });
  });
});

describe("reads of the audit", () => {
  test("are events with filter and rows; asking the same and being given the same is said once", async () => {
    const rows = [{ id: "e1", type: "command.decided", position: "1", identity: "x" }];
    await inHouse({ store: { timeline: async () => rows as never } }, async (house) => {
      const ivan = await house.as("ivan");
      assert.equal((await ivan("GET /api/timeline?account=load")).status, 200);
      await ivan("GET /api/timeline?account=load");
      const [read, ...more] = house.types("audit.read");
      assert.deepEqual(read?.data, { what: "timeline", filter: { account: "load" }, rows: 1 });
      assert.equal(more.length, 0);
      rows.unshift({ id: "e2", type: "command.decided", position: "2", identity: "x" });
      await ivan("GET /api/timeline?account=load");
      assert.equal(house.types("audit.read").length, 2);
      house.clock.nowMs += 6 * 60_000;
      await ivan("GET /api/timeline?account=load");
      assert.equal(house.types("audit.read").length, 3);
    });
  });

  test("are for who may investigate", async () => {
    await inHouse({}, async (house) => {
      for (const path of ["timeline", "events/x", "sessions", "sessions/x", "chains", "alerts", "export"])
        assert.equal((await (await house.as("ana"))(`GET /api/${path}`)).status, 403, path);
      assert.equal(house.types("audit.read").length, 0);
    });
  });
});
