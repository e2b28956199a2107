import assert from "node:assert/strict";
import { test } from "node:test";
import type { Effect } from "../../schemas/command.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { chainRule, type Played, play, usual } from "./play.ts";

const start = Date.UTC(2026, 0, 1);

/** An effect as a test writes it: the brands of its texts are left out. */
type Loose = Readonly<Record<string, unknown>>;

/** One command with this effect, decided and, unless told otherwise, finished and lasting. */
function command(
  played: Played,
  id: string,
  effect: Loose,
  finish: Partial<EventData["command.finished"]> | null = {},
): void {
  const subject = { session: id, command: id, identity: "i", account: "a", target: "orders" };
  const effects = [
    { operation: "transform", reads: [], writes: [], ends: [], destroys: false, ...effect },
  ] as unknown as Effect[];
  const facts = { kind: "query", effects, opaque: null, undoable: true, transaction: { kind: "none" as const } };
  const envelope = { atMs: start, source: "gateway/g", role: "gateway" as const, subject };
  played.fold({
    ...envelope,
    type: "command.decided",
    id: `${id}-d`,
    data: { ...facts, ruling: "allow", approval: null, intent: null },
  });
  if (finish !== null) finished(played, id, { lasted: [id], ...finish });
}

function finished(played: Played, id: string, finish: Partial<EventData["command.finished"]>): void {
  const data = {
    outcome: "ok" as const,
    rows: 0,
    bytes: 0,
    tag: "",
    code: null,
    durationUs: 0,
    shown: true,
    undone: [],
    lasted: [],
    ...finish,
  };
  const subject = { session: id, command: id };
  played.fold({
    type: "command.finished",
    id: `${id}-f-${played.entries.length}`,
    atMs: start,
    source: "gateway/g",
    role: "gateway",
    subject,
    data,
  });
}

const move = (from: string, to: string): Loose => ({ reads: [from], writes: [to] });
const end = (name: string): Loose => ({ operation: "delete", writes: [name], ends: [name], destroys: true });
const world = () => play(chainRule(usual));
const customers = "orders/public.customers";
const tags = ["pii", "pii.email"];

test("tags travel with data, over several places, and are announced once per place", () => {
  const played = world();
  command(played, "c1", move(customers, "orders/public.staging"));
  command(played, "c2", move("orders/public.staging", "orders/public.reporting"));
  command(played, "c3", move("orders/public.staging", "orders/public.reporting"));
  assert.deepEqual(played.correlator.tagsOf("orders/public.reporting"), tags);
  const told = played.outputs.flatMap((output) => (output.type === "resource.tagged" ? [output.data.resource] : []));
  assert.deepEqual(told, ["orders/public.staging", "orders/public.reporting"]);
});

test("what leaves before the tagged data comes carries nothing", () => {
  const played = world();
  command(played, "c1", move("orders/public.staging", "orders/public.reporting"));
  command(played, "c2", move(customers, "orders/public.staging"));
  assert.deepEqual(played.correlator.tagsOf("orders/public.reporting"), []);
});

test("a column has what came to it and to its table, not what came to its siblings", () => {
  const played = world();
  const flows = [
    [`${customers}#email`, "orders/public.staging#email"],
    [`${customers}#region`, "orders/public.staging#region"],
  ];
  const [reads, writes] = [flows.map(([from]) => from), flows.map(([, to]) => to)];
  command(played, "c1", { reads, writes, flows });
  assert.deepEqual(played.correlator.tagsOf("orders/public.staging#email"), tags);
  assert.deepEqual(played.correlator.tagsOf("orders/public.staging#region"), []);
  assert.deepEqual(played.correlator.tagsOf("orders/public.staging"), tags);
  command(played, "c2", move(customers, "orders/public.other"));
  assert.deepEqual(played.correlator.tagsOf("orders/public.other#anything"), tags);
});

test("DELETE never ends what a place holds; TRUNCATE does once it is known to last", () => {
  const played = world();
  command(played, "c1", move(customers, "orders/public.staging"));
  command(played, "c2", { ...end("orders/public.staging"), ends: [] });
  assert.deepEqual(played.correlator.tagsOf("orders/public.staging"), tags);
  command(played, "c3", end("orders/public.staging"), { lasted: [] });
  assert.deepEqual(played.correlator.tagsOf("orders/public.staging"), tags);
  finished(played, "commit", { lasted: ["c3"] });
  assert.deepEqual(played.correlator.tagsOf("orders/public.staging"), []);
});

test("an end loses only what had finished before it was decided: TRUNCATE cannot launder a load that runs", () => {
  const played = world();
  command(played, "load", move(customers, "orders/public.staging"), null);
  command(played, "truncate", end("orders/public.staging"));
  assert.deepEqual(played.correlator.tagsOf("orders/public.staging"), tags);
  finished(played, "load", { lasted: ["load"] });
  command(played, "again", end("orders/public.staging"));
  assert.deepEqual(played.correlator.tagsOf("orders/public.staging"), []);
});

test("what came on before an end stays where it came to", () => {
  const played = world();
  command(played, "c1", move(customers, "orders/public.staging"));
  command(played, "c2", move("orders/public.staging", "orders/public.reporting"));
  command(played, "c3", end("orders/public.staging"));
  assert.deepEqual(played.correlator.tagsOf("orders/public.reporting"), tags);
  command(played, "c4", move("orders/public.staging", "orders/public.later"));
  assert.deepEqual(played.correlator.tagsOf("orders/public.later"), []);
});

test("a rollback undoes a flow and all that came of it", () => {
  const played = world();
  command(played, "c1", move(customers, "orders/public.staging"), { lasted: [] });
  command(played, "c2", move("orders/public.staging", "orders/public.reporting"));
  assert.deepEqual(played.correlator.tagsOf("orders/public.reporting"), tags);
  finished(played, "rollback", { undone: ["c1"] });
  assert.deepEqual(played.correlator.tagsOf("orders/public.staging"), []);
  assert.deepEqual(played.correlator.tagsOf("orders/public.reporting"), []);
});

test("an unknown outcome is never undone", () => {
  const played = world();
  command(played, "c1", move(customers, "orders/public.staging"), { outcome: "unknown", lasted: [] });
  assert.deepEqual(played.correlator.tagsOf("orders/public.staging"), tags);
});

test("a rename carries the data along, column by column, and the old name is free once it lasts", () => {
  const played = world();
  const renames = [[customers, "orders/public.harmless"]];
  command(played, "c1", { operation: "define", writes: [customers], renames });
  assert.deepEqual(played.correlator.tagsOf("orders/public.harmless#email"), tags);
  assert.deepEqual(played.correlator.tagsOf("orders/public.harmless#region"), []);
  const again = [["orders/public.harmless", "orders/public.third"]];
  command(played, "c2", { operation: "define", writes: [], renames: again });
  assert.deepEqual(played.correlator.tagsOf("orders/public.third"), tags);
  assert.deepEqual(played.correlator.tagsOf("orders/public.harmless"), []);
});

test("a person untags what a place holds now; what comes later is tagged again", () => {
  const played = world();
  command(played, "c1", move(customers, "orders/public.aggregate"));
  command(played, "c2", move("orders/public.aggregate", "orders/public.before"));
  const data = { resource: "orders/public.aggregate", tags: ["pii.email"], by: "olga", reason: "counts only" };
  played.fold({ type: "resource.untagged", id: "u", atMs: start, source: "api/a", role: "api", subject: {}, data });
  assert.deepEqual(played.correlator.tagsOf("orders/public.aggregate"), []);
  command(played, "c3", move("orders/public.aggregate", "orders/public.after"));
  assert.deepEqual(played.correlator.tagsOf("orders/public.after"), []);
  assert.deepEqual(played.correlator.tagsOf("orders/public.before"), tags);
  command(played, "c4", move(customers, "orders/public.aggregate"));
  assert.deepEqual(played.correlator.tagsOf("orders/public.aggregate"), tags);
  assert.deepEqual(played.correlator.tagsOf("orders/public.after"), []);
});

test("delete, define and grant carry nothing, and neither does what cannot be read", () => {
  const played = world();
  for (const operation of ["delete", "define", "grant"] as const)
    command(played, operation, { ...move(customers, "orders/public.x"), operation });
  assert.deepEqual(played.correlator.tagsOf("orders/public.x"), []);
});

/** @returns nanoseconds of the fastest of some rows of copies from where so many loads went before */
function copiesAfter(loads: number): number {
  const played = world();
  for (let index = 0; index < loads; index += 1) command(played, `c${index}`, move(customers, "orders/public.staging"));
  const rows = [1, 2, 3, 4, 5].map((row) => {
    const before = process.hrtime.bigint();
    for (let index = 0; index < 60; index += 1)
      command(played, `d${row}-${index}`, move("orders/public.staging", "orders/public.r"));
    return Number(process.hrtime.bigint() - before);
  });
  assert.deepEqual(played.correlator.tagsOf("orders/public.r"), tags);
  return Math.min(...rows);
}

test("thousands of loads over the same places stay a short list", () => {
  copiesAfter(30);
  const [few, many] = [copiesAfter(30), copiesAfter(3_000)];
  assert.ok(many < 25 * few, `a hundred times as many loads cost ${many / few} times as much`);
});

test("a copy that waits for a lock carries on what comes to its source meanwhile", () => {
  const played = world();
  command(played, "copy", move("orders/public.staging", "orders/public.reporting"), null);
  command(played, "load", move(customers, "orders/public.staging"));
  const told = played.outputs.flatMap((output) => (output.type === "resource.tagged" ? [output.data.resource] : []));
  assert.deepEqual(told.sort(), ["orders/public.reporting", "orders/public.staging"], "known before the load lasts");
  finished(played, "copy", { lasted: ["copy"] });
  assert.deepEqual(played.correlator.tagsOf("orders/public.reporting"), tags);
});

test("what comes to a source after the copy has finished does not come on", () => {
  const played = world();
  command(played, "copy", move("orders/public.staging", "orders/public.reporting"), null);
  finished(played, "copy", { lasted: ["copy"] });
  command(played, "load", move(customers, "orders/public.staging"));
  assert.deepEqual(played.correlator.tagsOf("orders/public.reporting"), []);
});

test("copies that wait for each other carry on over any number of places", () => {
  const played = world();
  const place = (index: number) => `orders/public.p${index}`;
  for (let index = 5; index > 0; index -= 1) command(played, `c${index}`, move(place(index), place(index + 1)), null);
  command(played, "load", move(customers, place(1)));
  assert.deepEqual(played.correlator.tagsOf(place(6)), tags);
});

test("a copy that was lost sight of stays open: whoever closes the connection launders nothing", () => {
  const played = world();
  command(played, "copy", move("orders/public.staging", "orders/public.reporting"), null);
  finished(played, "copy", { outcome: "unknown" });
  command(played, "load", move(customers, "orders/public.staging"));
  command(played, "end", end("orders/public.reporting"));
  assert.deepEqual(played.correlator.tagsOf("orders/public.reporting"), tags);
});

test("a source that was emptied while the copy waited may have been read before", () => {
  const played = world();
  command(played, "load", move(customers, "orders/public.staging"));
  command(played, "copy", move("orders/public.staging", "orders/public.reporting"), null);
  command(played, "end", end("orders/public.staging"));
  finished(played, "copy", { lasted: ["copy"] });
  assert.deepEqual(played.correlator.tagsOf("orders/public.reporting"), tags);
});

test("a rollback takes back what came to a copy that waited", () => {
  const played = world();
  command(played, "copy", move("orders/public.staging", "orders/public.reporting"), null);
  command(played, "load", move(customers, "orders/public.staging"), { lasted: [] });
  assert.deepEqual(played.correlator.tagsOf("orders/public.reporting"), tags);
  finished(played, "rollback", { undone: ["load"] });
  assert.deepEqual(played.correlator.tagsOf("orders/public.reporting"), []);
});

test("a session that is closed takes its temporary tables along, and nobody else's", () => {
  const played = world();
  const own = (session: string) => `orders/pg_temp.t@${session}`;
  command(played, "s1", move(customers, own("s1")));
  command(played, "s2", move(customers, own("s2")));
  command(played, "c3", move(own("s1"), "orders/public.kept"));
  const data = { reason: "", commands: 1, clientBytes: 0, targetBytes: 0 };
  const envelope = { atMs: start, source: "gateway/g", role: "gateway" as const, subject: { session: "s1" } };
  played.fold({ ...envelope, type: "session.closed", id: "closed", data });
  assert.deepEqual(played.correlator.tagsOf(own("s1")), []);
  assert.deepEqual(played.correlator.tagsOf(own("s2")), tags);
  assert.deepEqual(played.correlator.tagsOf("orders/public.kept"), tags);
});

test("history that every window has left is kept in short: what it brought stays, and the flows are gone", () => {
  const tight = { sweepRecordsEvery: 10, flowsSettledEvery: 10 };
  const played = play(chainRule(usual, "").replace("timespan: 24h", "timespan: 1s"), { limits: tight });
  const hour = 3_600_000;
  let atMs = start;
  const tick = () => {
    atMs += hour;
    const tock = { source: "correlator/c", role: "correlator" as const, subject: {}, data: {} };
    played.fold({ type: "clock.ticked", id: `t${atMs}`, atMs, ...tock });
  };
  command(played, "old", move("orders/public.staging", "orders/public.report"));
  command(played, "load", move(customers, "orders/public.staging"));
  command(played, "on", move("orders/public.staging", "orders/public.kept"));
  command(played, "open", move("orders/public.staging", "orders/public.waiting"), null);
  const closed = { reason: "", commands: 1, clientBytes: 0, targetBytes: 0 };
  const envelope = { atMs: start, source: "gateway/g", role: "gateway" as const, subject: { session: "open" } };
  played.fold({ ...envelope, type: "session.closed", id: "closed", data: closed });
  command(played, "end", end("orders/public.staging"));
  for (let index = 0; index < 40; index += 1) tick();
  for (let index = 0; index < 20; index += 1) command(played, `n${index}`, move("orders/public.x", "orders/public.y"));
  for (let index = 0; index < 40; index += 1) tick();
  assert.deepEqual(played.correlator.tagsOf("orders/public.kept"), tags);
  assert.deepEqual(played.correlator.tagsOf("orders/public.waiting"), tags);
  assert.deepEqual(played.correlator.tagsOf("orders/public.report"), []);
  assert.deepEqual(played.correlator.tagsOf("orders/public.staging"), []);
  const flows = [...played.correlator.keep()].filter(
    (line) => line.startsWith('["o","at",') && line.includes('"effect"'),
  );
  assert.ok(flows.length < 8, `${flows.length} flows are kept`);
});
