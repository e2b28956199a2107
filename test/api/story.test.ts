/** The night of three accounts as an investigator reads it: through the projector, the real store and the api. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { seal } from "../../infra/keys/seal.ts";
import { openChdbStore } from "../../infra/store/chdb.ts";
import type { Store } from "../../infra/store/store.ts";
import type { ChainDetail, Replay, SessionsPage } from "../../schemas/api.ts";
import { type Projector, runProjector } from "../../services/projector/project.ts";
import type { MemoryLog } from "../store/memory-log.ts";
import { ask, chainOf, correlator, decide, effect, finish, gateway, openSession, subjectOf } from "../store/night.ts";
import { type House, openHouse } from "./house.ts";

const key = new Uint8Array(32).fill(3);
const customers = "orders/public.customers";
const reporting = "orders/public.reporting_customers";
const sealed = (text: string) => ({ sealed: seal(key, text), bytes: text.length, hash: "00" });

function night(log: MemoryLog): void {
  openSession(log, "extract", "session-extract", "k");
  const masks = [`${customers}#email`];
  const select = {
    ruling: "mask" as const,
    masks,
    text: sealed("SELECT * FROM customers"),
    parameters: sealed('["7"]'),
  };
  decide(log, "extract", "session-extract", "c1", [effect("read", masks, [])], select);
  const masked = { columns: [{ resource: `${customers}#email`, tag: "pii.email", count: 500 }] };
  log.say(gateway, { type: "output.masked", subject: subjectOf("extract", "session-extract", "c1"), data: masked });
  finish(log, "extract", "session-extract", "c1", 500);
  openSession(log, "load", "session-load", "k");
  const wipe = [effect("delete", [], [reporting], true)];
  const chain = chainOf("chain-1", [["extract", "session-extract", "c1"]]);
  const about = subjectOf("load", "session-load", "command-a1");
  log.say(correlator, {
    type: "chain.completed",
    subject: about,
    data: { rule: chain.rule, chain, ruling: "hold" },
  });
  const text = sealed("DELETE FROM reporting_customers");
  ask(log, "a1", { chains: [chain], text });
  log.say(gateway, {
    type: "command.held",
    subject: about,
    data: { approval: "a1", sentence: "held", mode: "wait", until: 0, chains: ["chain-1"] },
  });
  const held = { ruling: "hold" as const, text, sentence: "load would delete what extract read" };
  decide(log, "load", "session-load", "command-a1", wipe, held);
}

describe("the night, read back", () => {
  let folder: string;
  let store: Store;
  let house: House;
  let projector: Projector;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "throughline-story-"));
    store = await openChdbStore(folder, {
      tenant: "test",
      encodePosition: (position) => String(position).padStart(16, "0"),
    });
    house = await openHouse({ store: bound(store), prepare: night });
    house.keys.set("k", key);
    projector = await runProjector({
      tenant: "test",
      log: house.log,
      appender: await house.log.appender("projector", "test"),
      store,
      keys: { get: async () => key } as never,
      blobs: {} as never,
      now: () => 1,
      wait: async () => {},
    });
    await projector.caughtUp;
  });
  after(async () => {
    await projector.close();
    await house.close();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("plays a session back: text, parameters, masks with counts, rows, and what never ran", async () => {
    const ivan = await house.as("ivan");
    const first = (await ivan("GET /api/sessions/session-extract")).body as unknown as Replay;
    assert.equal(first.session.identityName, "extract");
    const [select] = first.statements;
    assert.equal(select?.text, "SELECT * FROM customers");
    assert.deepEqual(select?.parameters, ["7"]);
    assert.deepEqual(select?.masks, [{ resource: `${customers}#email`, tag: "pii.email", count: 500 }]);
    assert.equal(select?.rows, 500);
    assert.equal(select?.outcome, "ok");
    const second = (await ivan("GET /api/sessions/session-load")).body as unknown as Replay;
    assert.equal(second.statements[0]?.ruling, "hold");
    assert.equal(second.statements[0]?.outcome, "not-run");
    assert.equal(second.statements[0]?.approval, "a1");
    assert.deepEqual(second.statements[0]?.chains, ["chain-1"]);
    const sessions = (await ivan("GET /api/sessions?account=load")).body as unknown as SessionsPage;
    assert.deepEqual(
      sessions.sessions.map((one) => [one.session, one.held]),
      [["session-load", 1]],
    );
    assert.equal((await ivan("GET /api/sessions/nobody")).status, 404);
  });

  test("shows the chain over both accounts, its approval and its state; texts only to who investigates", async () => {
    const ivan = await house.as("ivan");
    const detail = (await ivan("GET /api/chains/chain-1")).body as unknown as ChainDetail;
    assert.deepEqual(detail.accounts, ["extract", "load"]);
    assert.equal(detail.state, "held");
    assert.equal(detail.approval, "a1");
    const ran = detail.rows.filter((row) => row.type === "command.decided");
    assert.deepEqual(
      ran.map((row) => [row.account, row.text]),
      [
        ["extract", "SELECT * FROM customers"],
        ["load", "DELETE FROM reporting_customers"],
      ],
    );
    const olga = await house.as("olga");
    const forOlga = (await olga("GET /api/chains/chain-1")).body as unknown as ChainDetail;
    assert.ok(forOlga.rows.length > 0 && forOlga.rows.every((row) => row.text === null));
    assert.equal(forOlga.approvalDetail?.mayAnswer, true);
    assert.equal((await olga("GET /api/approvals/a1")).body.text, "DELETE FROM reporting_customers");
    await olga("POST /api/approvals/a1/answer", { answer: "refuse", reason: "not announced" });
    const chains = (await ivan("GET /api/chains")).body.chains as { state: string }[];
    assert.deepEqual(
      chains.map((one) => one.state),
      ["refused"],
    );
  });

  test("pages a replay without losing a statement", async () => {
    for (let n = 0; n < 5; n += 1) {
      decide(house.log, "load", "session-load", `p${n}`, [effect("read", [customers], [])], {
        text: sealed(`SELECT ${n}`),
      });
      finish(house.log, "load", "session-load", `p${n}`, n);
    }
    const ivan = await house.as("ivan");
    const id = house.log.records.at(-1)!.envelope.id;
    while ((await store.event(id)) === null);
    const seen: string[] = [];
    let after = "";
    for (;;) {
      const query = after ? `&after=${after}` : "";
      const page = (await ivan(`GET /api/sessions/session-load?limit=2${query}`)).body as unknown as Replay;
      seen.push(...page.statements.map((one) => `${one.command} ${one.outcome}`));
      if (page.next === null) break;
      after = page.next;
    }
    assert.deepEqual(seen, ["command-a1 not-run", "p0 ok", "p1 ok", "p2 ok", "p3 ok", "p4 ok"]);
  });
});

/** The api's methods of it, as they are. */
function bound(store: Store): Partial<Store> {
  return {
    timeline: store.timeline.bind(store),
    event: store.event.bind(store),
    sessions: store.sessions.bind(store),
  };
}
