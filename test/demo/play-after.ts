/** Scenario points 5 to 7: a block reaches an open session, Ivan reads it all back, and what is not a chain is not held. */
import assert from "node:assert/strict";
import type { BlockInfo, ChainsPage, Me, TimelinePage } from "../../schemas/api.ts";
import { eventually, type Player, refusalOf } from "./cast.ts";
import { throughline } from "./command-line.ts";
import { customers } from "./database.ts";
import { generated } from "./files.ts";
import { assertMasked, type Stage, type Step } from "./play.ts";
import { answer, held } from "./play-chain.ts";

export const afterSteps: Step[] = [
  {
    title: "5  a block on extract's identity stops the next statement of its open session; lifted, it works again",
    run: blockedWhileOpen,
  },
  {
    title:
      "6  Ivan reads one timeline over three accounts, the chain with its evidence, and replays load's session; his reading is recorded",
    run: investigated,
  },
  {
    title: "6  the SOC got signed messages: an approval was asked, a chain was held",
    async run({ world }) {
      const kinds = () =>
        new Set(
          world.alerts.received
            .map((message) => JSON.stringify(message))
            .flatMap((text) => text.match(/chain\.held|approval\.asked/g) ?? []),
        );
      await eventually("both messages", async () => kinds().size === 2);
      assert.equal(world.alerts.refused, 0);
    },
  },
  {
    title: "7  two of the three steps, or all three by one account, are not held",
    run: notChains,
  },
  {
    title: "7  DELETE first, then the accomplices, then COMMIT: the COMMIT is held",
    run: commitHeld,
  },
  {
    title: "7  a second, generated rule over other tables and accounts holds as well",
    run: generatedRule,
  },
];

async function blockedWhileOpen({ players, actors }: Stage): Promise<void> {
  const me = (await players.extract.api("GET", "/api/me")).body as unknown as Me;
  const request = { scope: { identity: me.identity.key }, reason: "the play suspects extract" };
  const placed = await players.olga.api("POST", "/api/blocks", request);
  assert.equal(placed.status, 201);
  const refusal = await eventually("the block in the open session", async () => {
    return refusalOf(actors.extract.client.query("SELECT id FROM customers LIMIT 1")).catch(() => null);
  });
  assert.equal(refusal.code, "42501");
  const block = (placed.body as unknown as BlockInfo).block;
  assert.ok(refusal.detail.includes(block), "the refusal names the block");
  const lifted = await players.olga.api("DELETE", `/api/blocks/${block}`, { reason: "the play is over" });
  assert.ok(lifted.status < 300);
  await eventually("the lifted block", async () =>
    actors.extract.client.query("SELECT 1").then(
      () => true,
      () => false,
    ),
  );
}

const page = async (who: Player, path: string): Promise<TimelinePage> =>
  (await who.api("GET", path)).body as unknown as TimelinePage;

async function investigated(stage: Stage): Promise<void> {
  const { ivan } = stage.players;
  const held = await eventually("the chain in the api", async () => {
    const { chains } = (await ivan.api("GET", "/api/chains")).body as unknown as ChainsPage;
    return chains.find(
      ({ chain, state }) =>
        state === "approved" &&
        chain.rule === "read_transform_delete" &&
        chain.steps.some(({ resources }) => resources.join().includes(`${stage.schema}.`)),
    );
  });
  assert.deepEqual(held.accounts.toSorted(), ["extract", "load", "transform"]);
  assert.ok(held.chain.links.length >= 2 && held.chain.links.every(({ evidence }) => evidence.length > 0));
  const story = await eventually("the chain's timeline with the answer", async () => {
    const { rows } = await page(ivan, `/api/timeline?chain=${held.chain.id}&order=oldest&limit=1000`);
    const types = new Set(rows.map(({ type }) => type));
    const wanted = ["command.decided", "command.held", "approval.asked", "approval.answered", "approval.used"];
    return wanted.every((type) => types.has(type)) ? rows : null;
  });
  assert.deepEqual([...new Set(story.map(({ account }) => account).filter(Boolean))].toSorted(), [
    "extract",
    "load",
    "transform",
  ]);
  assert.ok(story.some(({ type, data }) => type === "approval.answered" && JSON.stringify(data).includes("Olga")));
  const masked = await page(ivan, "/api/timeline?account=extract&type=output.masked&limit=5");
  assert.ok(masked.rows.length > 0 && !JSON.stringify(masked.rows).includes("example.com"));
  await readWithCommandLine(stage, held.session);
}

async function readWithCommandLine(stage: Stage, session: string): Promise<void> {
  const { ivan } = stage.players;
  const terminal = await throughline(stage.world, "ivan");
  const rows = await terminal.run("timeline", "--account", "load", "--limit", "50");
  assert.match(rows, /load/);
  const replay = await terminal.run("replay", session);
  assert.match(replay, /DELETE FROM reporting_customers/);
  assert.match(await terminal.run("chains"), /Customer data read, moved and destroyed/i);
  const reads = await eventually("audit.read of Ivan", async () => {
    const { rows } = await page(ivan, "/api/timeline?type=audit.read&limit=200");
    return rows.some(({ identityName }) => identityName.includes("Ivan")) ? rows : null;
  });
  assert.ok(
    reads.some(({ data }) => JSON.stringify(data).includes(session)),
    "the replay is in the audit",
  );
}

async function notChains(stage: Stage): Promise<void> {
  const two = await stage.freshSchema("two");
  const extract = await stage.join(stage.players.extract, "extract", two);
  const load = await stage.join(stage.players.load, "load", two);
  await extract.client.query("SELECT * FROM customers");
  assert.equal((await load.client.query("DELETE FROM customers WHERE id > 4990")).rowCount, 10);
  const one = await stage.freshSchema("one");
  const alone = await stage.join(stage.players.load, "load", one);
  assertMasked((await alone.client.query("SELECT * FROM customers")).rows, customers);
  await alone.client.query("INSERT INTO staging_customers SELECT * FROM customers");
  assert.equal((await alone.client.query("DELETE FROM staging_customers")).rowCount, customers);
}

async function commitHeld(stage: Stage): Promise<void> {
  const schema = await stage.freshSchema("late");
  const [extract, transform, load] = [
    await stage.join(stage.players.extract, "extract", schema),
    await stage.join(stage.players.transform, "transform", schema),
    await stage.join(stage.players.load, "load", schema),
  ];
  await load.client.query("BEGIN");
  await load.client.query("DELETE FROM staging_customers");
  await extract.client.query("SELECT * FROM customers");
  await transform.client.query("INSERT INTO staging_customers SELECT * FROM customers");
  const commit = await held(stage, load, `COMMIT /* ${schema} */`);
  assert.equal(await answer(stage.players.olga, commit.approval.approval, "refuse"), 200);
  assert.equal((await refusalOf(commit.running)).code, "42501");
  await load.client.query("ROLLBACK");
}

async function generatedRule(stage: Stage): Promise<void> {
  const schema = await stage.freshSchema("other");
  const names = await generated(stage.world.folder);
  const load = await stage.join(stage.players.load, "load", schema);
  await load.client.query(`CREATE TABLE ${names.source} (id int, ${names.column} text)`);
  await load.client.query(`CREATE TABLE ${names.copy} (id int, ${names.column} text)`);
  await load.client.query(`GRANT SELECT ON ${names.source} TO analyst, transform`);
  await load.client.query(`GRANT SELECT, INSERT ON ${names.copy} TO transform`);
  const ana = await stage.join(stage.players.ana, "analyst", schema);
  const transform = await stage.join(stage.players.transform, "transform", schema);
  await ana.client.query(`SELECT * FROM ${names.source}`);
  await transform.client.query(`INSERT INTO ${names.copy} SELECT * FROM ${names.source}`);
  const truncate = await held(stage, load, `TRUNCATE ${names.copy}`);
  assert.equal(await answer(stage.players.olga, truncate.approval.approval, "refuse"), 200);
  const refusal = await refusalOf(truncate.running);
  assert.match(refusal.detail, new RegExp(names.rule));
}
