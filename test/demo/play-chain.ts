/** Scenario points 0 to 4: the prelude, the insider's night, the hold, and everybody who tries to answer it. */
import assert from "node:assert/strict";
import type { ApprovalInfo, Approvals, TimelinePage } from "../../schemas/api.ts";
import { type Actor, eventually, type Player, type Refusal, refusalOf, seenByTarget } from "./cast.ts";
import { customers } from "./database.ts";
import { forgeApproval } from "./forger.ts";
import { assertMasked, type Stage, type Step } from "./play.ts";

/** A statement that is held: what its client saw at once, and the approval that was asked. */
export interface HeldStatement {
  readonly running: Promise<unknown>;
  readonly approval: ApprovalInfo;
  readonly notice: Actor["notices"][number];
}

/** Runs a statement that must be held, and waits until its client was told and the approval is asked. */
export async function held(stage: Stage, actor: Actor, sql: string): Promise<HeldStatement> {
  const before = actor.notices.length;
  const known = new Set((await openApprovals(stage)).map(({ approval }) => approval));
  const running = actor.client.query(sql);
  running.catch(() => {}); // looked at later
  return { running, ...(await asked(stage, actor, before, known, running)) };
}

async function asked(stage: Stage, actor: Actor, before: number, known: Set<string>, running: Promise<unknown>) {
  const ended = running.then(
    () => "ran",
    (error: Error) => error.message,
  );
  const notice = await Promise.race([
    eventually("the NOTICE of a hold", async () => actor.notices[before]),
    ended.then((how) => assert.fail(`it was not held but ended: ${how}`)),
  ]);
  const approval = await eventually("the approval", async () =>
    (await openApprovals(stage)).find((open) => !known.has(open.approval) && notice.hint.includes(open.approval)),
  );
  return { notice, approval };
}

async function openApprovals(stage: Stage): Promise<ApprovalInfo[]> {
  const { body } = await stage.players.olga.api("GET", "/api/approvals?state=open");
  return (body as unknown as Approvals).approvals;
}

export async function answer(who: Player, approval: string, what: "approve" | "refuse"): Promise<number> {
  const reason = what === "approve" ? "planned clean-up, announced on Friday" : "nobody announced this";
  return (await who.api("POST", `/api/approvals/${approval}/answer`, { answer: what, reason })).status;
}

function assertRefused(refusal: Refusal): void {
  assert.equal(refusal.code, "42501");
  assert.match(refusal.detail, /read_transform_delete/);
  assert.match(refusal.detail, /command/i);
}

export const chainSteps: Step[] = [
  {
    title: "0  the first night: extract reads, transform stages, load reports; nothing is destroyed, nothing is held",
    async run({ actors }) {
      assert.equal((await actors.extract.client.query("SELECT id, name, region FROM customers")).rowCount, customers);
      const staged = await actors.transform.client.query("INSERT INTO staging_customers SELECT * FROM customers");
      assert.equal(staged.rowCount, customers);
      const loaded = await actors.load.client.query("INSERT INTO reporting_customers SELECT * FROM staging_customers");
      assert.equal(loaded.rowCount, customers);
    },
  },
  {
    title: "1  extract reads 5,000 customers: e-mail and card arrive masked, simple and prepared alike, and Ana's too",
    async run(stage) {
      const ana = await stage.join(stage.players.ana, "analyst");
      assertMasked((await ana.client.query("SELECT * FROM customers")).rows, customers);
      const guess = await refusalOf(ana.client.query("SELECT count(*) FROM customers WHERE email LIKE 'person1%'"));
      assert.equal(guess.code, "42501");
      const { client } = stage.actors.extract;
      assertMasked((await client.query("SELECT * FROM customers")).rows, customers);
      const prepared = { name: "all", text: "SELECT * FROM customers WHERE id > $1", values: [0] };
      assertMasked((await client.query(prepared)).rows, customers);
      assertMasked((await client.query(prepared)).rows, customers);
    },
  },
  {
    title: "2  transform copies them to staging_customers: allowed, and the tags travel with the data",
    async run(stage) {
      const { client } = stage.actors.transform;
      await client.query("INSERT INTO staging_customers SELECT * FROM customers");
      assertMasked((await client.query("SELECT * FROM staging_customers LIMIT 10")).rows, 10);
      await eventually("resource.tagged of staging_customers.email", async () => {
        const { body } = await stage.players.ivan.api(
          "GET",
          `/api/timeline?type=resource.tagged&resource=orders/${stage.schema}.staging_customers`,
        );
        return (body as unknown as TimelinePage).rows.some((row) => JSON.stringify(row.data).includes("email"));
      });
    },
  },
  {
    title: "3  load deletes reporting_customers: held before it arrives; its own side may not approve; Olga refuses",
    run: refusedDelete,
  },
  {
    title: "3  load drops customers instead: held as well; Olga refuses",
    async run(stage) {
      const sql = `DROP TABLE customers /* ${stage.schema} drop */`;
      const drop = await held(stage, stage.actors.load, sql);
      assert.equal(await answer(stage.players.olga, drop.approval.approval, "refuse"), 200);
      assertRefused(await refusalOf(drop.running));
      assert.equal(await seenByTarget(stage.world, sql), 0);
      assert.equal((await stage.actors.load.client.query("SELECT 1 FROM customers LIMIT 1")).rowCount, 1);
    },
  },
  {
    title: "4  a view behind the held statement is replaced during the wait: Olga's approval is void",
    run: voidedByView,
  },
  {
    title:
      "3  second run: Olga approves the DELETE: it runs once, its COMMIT is not asked again; the same again is held again",
    run: approvedOnce,
  },
];

async function refusedDelete(stage: Stage): Promise<void> {
  const { load } = stage.actors;
  const sql = `DELETE FROM reporting_customers /* ${stage.schema} delete */`;
  await load.client.query("BEGIN");
  const { running, approval, notice } = await held(stage, load, sql);
  assert.ok(notice.hint.includes(stage.world.api), "the NOTICE has the address");
  assert.equal(await seenByTarget(stage.world, sql), 0);
  for (const name of ["load", "extract", "transform"] as const) {
    assert.equal(await answer(stage.players[name], approval.approval, "approve"), 403, `${name} must not approve`);
  }
  await forgeApproval(stage.world, approval.approval, "correlator");
  await eventually("the events of the refused attempts", async () => {
    const { body } = await stage.players.ivan.api(
      "GET",
      `/api/timeline?type=approval.refused&approval=${approval.approval}`,
    );
    return (body as unknown as TimelinePage).rows.length >= 3;
  });
  await eventually("log.refused of the forgery", async () => {
    const { body } = await stage.players.ivan.api("GET", "/api/timeline?type=log.refused&limit=5");
    return (body as unknown as TimelinePage).rows.length > 0;
  });
  assert.equal(await seenByTarget(stage.world, sql), 0);
  assert.equal(await answer(stage.players.olga, approval.approval, "refuse"), 200);
  assertRefused(await refusalOf(running));
  const inFailed = await refusalOf(load.client.query("SELECT 1"));
  assert.equal(inFailed.code, "25P02", "the transaction has failed, as client and target agree");
  await load.client.query("ROLLBACK");
  assert.equal((await load.client.query("SELECT 1 AS alive")).rows[0]?.alive, 1);
  assert.equal(await seenByTarget(stage.world, sql), 0);
}

async function voidedByView(stage: Stage): Promise<void> {
  const { load } = stage.actors;
  const sql = `DELETE FROM reporting_customers WHERE region IN (SELECT region FROM doomed_regions) /* ${stage.schema} view */`;
  const first = await held(stage, load, sql);
  const other = await stage.join(stage.players.load, "load");
  await other.client.query("CREATE OR REPLACE VIEW doomed_regions AS SELECT region FROM regions");
  const before = load.notices.length;
  assert.equal(await answer(stage.players.olga, first.approval.approval, "approve"), 200);
  const second = await asked(stage, load, before, new Set([first.approval.approval]), first.running);
  assert.notEqual(second.approval.approval, first.approval.approval);
  assert.equal(await seenByTarget(stage.world, sql), 0);
  assert.equal(await answer(stage.players.olga, second.approval.approval, "refuse"), 200);
  assertRefused(await refusalOf(first.running));
}

async function approvedOnce(stage: Stage): Promise<void> {
  const { load } = stage.actors;
  const sql = `DELETE FROM reporting_customers /* ${stage.schema} approved */`;
  await load.client.query("BEGIN");
  const first = await held(stage, load, sql);
  assert.equal(await answer(stage.players.olga, first.approval.approval, "approve"), 200);
  assert.equal(((await first.running) as { rowCount: number }).rowCount, customers);
  assert.equal(await seenByTarget(stage.world, sql), 1);
  await load.client.query("INSERT INTO reporting_customers SELECT * FROM staging_customers");
  await load.client.query("COMMIT");
  const again = await held(stage, load, sql);
  assert.equal(await seenByTarget(stage.world, sql), 1);
  assert.equal(await answer(stage.players.olga, again.approval.approval, "refuse"), 200);
  assertRefused(await refusalOf(again.running));
}
