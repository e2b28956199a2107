/** What the log confirms too late: the caller has read that it failed, and what is recorded all the same must not contradict. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ThroughlineError } from "../../schemas/errors.ts";
import { ask, openSession } from "../store/night.ts";
import { type Answer, type House, openHouse } from "./house.ts";

const comesBackMs = 10_000;

describe("while the log confirms nothing", () => {
  let house: House;
  let confirm: () => void = () => {};
  before(async () => {
    house = await openHouse();
    openSession(house.log, "load", "session-load");
  });
  after(() => house.close());
  beforeEach(() => {
    confirm = () => {};
  });
  afterEach(() => confirm());

  /** Asks, lets ten seconds pass once the log has the record, and says what the caller reads. */
  async function late(context: TestContext, type: string, asked: () => Promise<Answer>): Promise<Answer> {
    const before = house.types(type).length;
    confirm = house.log.hold();
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const answer = asked();
    while (house.types(type).length === before) await turn();
    context.mock.timers.tick(comesBackMs);
    context.mock.timers.reset();
    return answer;
  }

  test("a Grant is refused, and what of it comes into the log is revoked right behind", async (context) => {
    const load = await house.as("load");
    const wish = { target: "orders", account: "load", task: { justification: "nightly load" } };
    await load("GET /api/targets");
    const { status, body } = await late(context, "grant.issued", () => load("POST /api/grants", wish));
    assert.equal(status, 503);
    assert.match(String(body.detail), /has not come back from the log in 10 s; it may still be recorded/);
    confirm();
    const listed = async () => (await load("GET /api/grants")).body.grants as { state: string; grant: string }[];
    let grants = await listed();
    while (grants[0]?.state !== "revoked") grants = await listed();
    assert.equal(grants.length, 1);
    const types = house.log.records.map((record) => record.type);
    assert.equal(types.indexOf("grant.revoked"), types.indexOf("grant.issued") + 1);
    assert.equal(house.types("grant.revoked")[0]?.data.grant, grants[0]?.grant);
  });

  test("an answer is on its way: another one of the same human does not come behind it", async (context) => {
    ask(house.log, "a1", { excluded: [] });
    const olga = await house.as("olga");
    const answer = (word: string) => olga("POST /api/approvals/a1/answer", { answer: word, reason: "announced" });
    const first = await late(context, "approval.answered", () => answer("approve"));
    assert.equal(first.status, 503);
    const second = await answer("refuse");
    assert.equal(second.status, 409);
    assert.match(String(second.body.detail), /waits for the log already/);
    confirm();
    while ((await answer("refuse")).body.detail !== "You have answered this already; one human counts once.")
      await turn();
    assert.deepEqual(
      house.types("approval.answered").map(({ data }) => data.answer),
      ["approve"],
    );
  });
});

describe("while the object storage is away", () => {
  test("an approval's text is 503, and an answer that counts is not said to have failed", async () => {
    const away = () => Promise.reject(new ThroughlineError("blobs.unavailable", "The object storage does not answer"));
    const house = await openHouse({ blobs: { put: away, get: away, has: away } });
    try {
      openSession(house.log, "load", "session-load");
      house.keys.set("key-session-load", new Uint8Array(32).fill(9));
      ask(house.log, "a1", { excluded: [], text: { reference: `sha256:${"0".repeat(64)}`, bytes: 9_000, hash: "" } });
      const olga = await house.as("olga");
      const shown = await olga("GET /api/approvals/a1");
      assert.equal(shown.status, 503);
      assert.equal(shown.body.code, "blobs.unavailable");
      const answered = await olga("POST /api/approvals/a1/answer", { answer: "approve", reason: "announced" });
      assert.equal(answered.status, 200);
      assert.equal(answered.body.state, "approved");
      assert.equal(answered.body.text, null);
    } finally {
      await house.close();
    }
  });
});
