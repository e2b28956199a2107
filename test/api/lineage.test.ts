/** What commands moved leaves as OpenLineage: in the shape of its specification, and nothing but what lasted as output. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Journal, openJournal } from "../../infra/log/journal.ts";
import type { Appender } from "../../infra/log/log.ts";
import type { Effect } from "../../schemas/command.ts";
import { type RunEvent, runEventSchema } from "../../schemas/openlineage.ts";
import { findings } from "../../schemas/shape.ts";
import { type House, openHouse } from "./house.ts";

const none = { reads: [], writes: [], ends: [], destroys: false };
const uri = (text: string) => text as never;

describe("lineage", () => {
  let folder: string;
  let journal: Journal;
  let house: House;
  let gateway: Appender;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "throughline-lineage-"));
    const fatal = (error: Error): never => {
      throw error;
    };
    journal = await openJournal({ folder, tenant: "test", name: "test", now: Date.now, fatal });
    gateway = await journal.appender("gateway", "test");
    house = await openHouse({ journal });
  });
  after(async () => {
    await house.close();
    await journal.close();
    await rm(folder, { recursive: true, force: true });
  });

  const subject = (command: string) => ({
    ...{ command, session: `s-${command[0]}`, identity: "idp|ann", account: "extract", task: "t1", target: "orders" },
  });

  function decided(command: string, effects: readonly Effect[], more: object = {}): void {
    const data = {
      ...{ kind: "query", effects, opaque: null, transaction: { kind: "none" }, undoable: true, ruling: "allow" },
      ...{ stage: "policy", because: [], sentence: "", masks: [], text: { bytes: 0, hash: "" }, parameters: null },
      ...{ parameterCount: 0, fingerprint: "f00d", statements: ["INSERT"], resolution: "", policy: "", approval: null },
      ...{ intent: null, ...more },
    };
    gateway.append({ type: "command.decided", subject: subject(command), data: data as never });
  }

  function finished(command: string, outcome: "ok" | "error" | "unknown", more: object = {}): void {
    const data = {
      outcome,
      rows: 1,
      bytes: 0,
      tag: "",
      code: null,
      durationUs: 1,
      shown: false,
      undone: [],
      lasted: [],
    };
    gateway.append({ type: "command.finished", subject: subject(command), data: { ...data, ...more } });
  }

  async function given(query = ""): Promise<{ events: RunEvent[]; manifest: { count: number } }> {
    const { status, text } = await (await house.as("ivan"))(`GET /api/lineage${query}`);
    assert.equal(status, 200, text);
    const lines = text.split("\n").filter(Boolean);
    const { manifest } = JSON.parse(lines.pop() ?? "") as { manifest: { count: number } };
    const events = lines.map((line) => JSON.parse(line) as RunEvent);
    for (const event of events) assert.deepEqual(findings(runEventSchema, event), []);
    return { events, manifest };
  }

  const copy: Effect = {
    ...none,
    operation: "transform",
    reads: [uri("orders/public.customers#email"), uri("orders/public.customers#region")],
    writes: [uri("orders/public.staging")],
    flows: [[uri("orders/public.customers#email"), uri("orders/public.staging#mail")]],
  };

  test("a copy is a run with its columns: what came over, and what only decided the rows", async () => {
    decided("c1", [copy]);
    finished("c1", "ok", { lasted: ["c1"] });
    const { events, manifest } = await given("?session=s-c");
    assert.equal(manifest.count, 2);
    assert.deepEqual(
      events.map(({ eventType }) => eventType),
      ["START", "COMPLETE"],
    );
    assert.equal(events[0]?.run.runId, events[1]?.run.runId);
    const namespace = "postgres://127.0.0.1:5432";
    const name = (table: string) => `orders.public.${table}`;
    assert.deepEqual(events[1]?.inputs, [{ namespace, name: name("customers") }]);
    const [output] = events[1]?.outputs ?? [];
    assert.deepEqual([output?.namespace, output?.name], [namespace, name("staging")]);
    const lineage = output?.facets.columnLineage;
    const from = (field: string, type: "DIRECT" | "INDIRECT") => [
      { namespace, name: name("customers"), field, transformations: [{ type }] },
    ];
    assert.deepEqual(lineage?.fields, { mail: { inputFields: from("email", "DIRECT") } });
    assert.deepEqual(lineage?.dataset, from("region", "INDIRECT"));
    assert.equal(events[1]?.run.facets.throughline_command.lasts, true);
  });

  test("what was refused is no run, what failed has no output, what nobody knows has", async () => {
    decided("r1", [copy], { ruling: "hold" });
    decided("r2", [copy]);
    finished("r2", "error");
    decided("r3", [copy]);
    finished("r3", "unknown");
    decided("r4", [{ ...none, operation: "read", reads: [uri("orders/public.customers")] }]);
    finished("r4", "ok");
    const { events } = await given("?session=s-r");
    assert.deepEqual(
      events.map(({ eventType, outputs }) => `${eventType} ${outputs.length}`),
      ["START 0", "FAIL 0", "START 0", "ABORT 1"],
    );
  });

  test("a transaction that is undone later says so of each of its runs", async () => {
    decided("u1", [copy]);
    finished("u1", "ok");
    decided("u2", []);
    finished("u2", "ok", { undone: ["u1"] });
    const { events } = await given("?session=s-u");
    assert.deepEqual(
      events.map(({ eventType, run }) => `${eventType} ${run.facets.throughline_command.lasts}`),
      ["START null", "COMPLETE null", "OTHER false"],
    );
  });

  test("dropping, truncating and renaming are said of the table, whole tables by a star, odd names as they are", async () => {
    decided("d1", [{ ...none, operation: "define", writes: [uri("orders/public.a")], ends: [uri("orders/public.a")] }]);
    decided("d2", [{ ...none, operation: "delete", writes: [uri("orders/public.b")], ends: [uri("orders/public.b")] }]);
    const renames = [[uri("orders/public.c"), uri("orders/public.d%2Ee")]] as never;
    decided("d3", [{ ...none, operation: "define", writes: [uri("orders/public.d%2Ee")], renames }]);
    decided("d4", [{ ...copy, reads: [uri("orders/public.a")], flows: undefined } as never]);
    for (const command of ["d1", "d2", "d3", "d4"]) finished(command, "ok");
    const { events } = await given("?session=s-d");
    const outputs = events.filter(({ eventType }) => eventType === "COMPLETE").map((event) => event.outputs[0]);
    assert.deepEqual(
      outputs.map((output) => output?.facets.lifecycleStateChange?.lifecycleStateChange),
      ["DROP", "TRUNCATE", "RENAME", undefined],
    );
    assert.match(outputs[2]?.name ?? "", /public\.d\.e$/);
    assert.match(outputs[2]?.facets.lifecycleStateChange?.previousIdentifier?.name ?? "", /public\.c$/);
    assert.deepEqual(outputs[3]?.facets.columnLineage?.fields["*"]?.inputFields[0]?.field, "*");
    const one = await given("?command=d2");
    assert.deepEqual(
      one.events.map(({ run }) => run.facets.throughline_command.command),
      ["d2", "d2"],
    );
  });

  test("it is given to who may export only, and each giving is recorded", async () => {
    assert.equal((await (await house.as("olga"))("GET /api/lineage")).status, 403);
    const { manifest } = await given();
    const found: unknown[] = [];
    const following = journal.follow({ after: null, streams: ["steps", "events"] }, (records) => {
      for (const { type, envelope } of records) if (type === "audit.exported") found.push(envelope.data);
    });
    await following.caughtUp;
    await following.close();
    assert.equal((found.at(-1) as { records: number }).records, manifest.count);
  });
});
