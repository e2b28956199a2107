/** Promise 7 at the wire: a masked value does not leave, by whatever message its row was asked for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Verdict } from "../../schemas/verdict.ts";
import {
  bind,
  describe,
  errorResponse,
  execute,
  parse,
  query,
  sync,
} from "../../services/gateway/postgres/messages.ts";
import { reading, uri } from "./doubles.ts";
import {
  bindComplete,
  complete,
  dataRow,
  frame,
  noData,
  parameterDescription,
  parseComplete,
  portalSuspended,
  ready,
  rowDescription,
  Talk,
} from "./talk.ts";

const email = uri("orders/public.customers#email");
const text = "SELECT name, email FROM customers";
const mask: Verdict = { ruling: "mask", stage: "deny", because: ["pii"], sentence: "", masks: [email] };
const byOid = rowDescription({ name: "name", table: 7, attribute: 1 }, { name: "email", table: 7, attribute: 2 });
const row = dataRow("Ann", "ann@example.com");
const maskedRow = dataRow("Ann", "•••@•••");
const substitute = parse("throughline:refused", "refused_by_throughline");
const syntaxError = errorResponse({ severity: "ERROR", code: "42601", message: "syntax error" });

async function masking(options: { outputs?: boolean; oids?: boolean } = {}): Promise<Talk> {
  const talk = new Talk({ tags: ["pii", "pii.email"] });
  talk.gate.verdict = () => mask;
  const outputs = options.outputs === false ? [[[], []]] : [[[uri("orders/public.customers#name")], [email]]];
  talk.reader.texts.set(text, reading({ outputs, shows: [email] }));
  talk.reader.sources = (oid, attribute) => {
    if (oid !== 7) return null;
    return attribute === 2 && options.oids !== false ? [email] : [];
  };
  return talk;
}

for (const [way, options] of [
  ["by table and attribute", { outputs: false }],
  ["by the reading's outputs", { oids: false }],
] as const) {
  test(`a Query's rows leave masked, found ${way} alone`, async () => {
    const talk = await masking(options);
    talk.client.say(query(text));
    await talk.names();
    await talk.target.hears(query(text));
    talk.target.say(byOid, row, dataRow("Bob", null), row, complete("SELECT 3"), ready("I"));
    await talk.client.hears(byOid, maskedRow, dataRow("Bob", null), maskedRow, complete("SELECT 3"), ready("I"));
    assert.deepEqual(talk.gate.maskCounts, [[{ resource: email, tag: "pii.email", count: 2 }]]);
    await talk.bye();
  });
}

test("described by the client: Execute's rows leave masked, and again when the portal goes on", async () => {
  const talk = await masking();
  const batch = [parse("s", text), describe("S", "s"), bind({ portal: "", statement: "s" }), execute("", 1)];
  talk.client.say(...batch, sync());
  await talk.names();
  await talk.target.hears(...batch.slice(0, 3), frame("H")); // the description must be known before rows come
  talk.target.say(parseComplete, parameterDescription, byOid, bindComplete);
  await talk.target.hears(execute("", 1), sync());
  talk.target.say(row, portalSuspended, ready("T"));
  const before = [parseComplete, parameterDescription, byOid, bindComplete];
  await talk.client.hears(...before, maskedRow, portalSuspended, ready("T"));
  talk.client.say(execute("", 0), sync());
  await talk.target.hears(execute("", 0), sync());
  talk.target.say(row, row, complete("SELECT 2"), ready("T"));
  await talk.client.hears(maskedRow, maskedRow, complete("SELECT 2"), ready("T"));
  await talk.bye();
});

test("never described: the gateway asks itself, swallows the answer, and masks; executed again it still masks", async () => {
  const talk = await masking();
  const batch = [parse("s", text), bind({ portal: "", statement: "s" })];
  talk.client.say(...batch, execute(""), sync());
  await talk.names();
  await talk.target.hears(...batch, frame("H"));
  talk.target.say(parseComplete, bindComplete);
  await talk.target.hears(describe("P", ""), frame("H"));
  talk.target.say(byOid);
  await talk.target.hears(execute(""), sync());
  talk.target.say(row, complete("SELECT 1"), ready("I"));
  await talk.client.hears(parseComplete, bindComplete, maskedRow, complete("SELECT 1"), ready("I"));
  talk.client.say(bind({ portal: "", statement: "s" }), execute(""), sync());
  await talk.target.hears(bind({ portal: "", statement: "s" }), frame("H"));
  talk.target.say(bindComplete);
  await talk.target.hears(describe("P", ""), frame("H"));
  talk.target.say(byOid);
  await talk.target.hears(execute(""), sync());
  talk.target.say(row, complete("SELECT 1"), ready("I"));
  await talk.client.hears(bindComplete, maskedRow, complete("SELECT 1"), ready("I"));
  await talk.bye();
});

test("a masked column in binary format is refused before it runs", async () => {
  const talk = await masking();
  const binary = bind({ portal: "", statement: "s", resultFormats: [0, 1] });
  talk.client.say(parse("s", text), describe("S", "s"), binary, execute(""), sync());
  await talk.names();
  await talk.target.hears(parse("s", text), describe("S", "s"), binary, frame("H"));
  talk.target.say(parseComplete, parameterDescription, byOid, bindComplete);
  await talk.target.hears(substitute, sync());
  talk.target.say(syntaxError, ready("I"));
  await talk.client.hears(parseComplete, parameterDescription, byOid, bindComplete);
  const error = await talk.client.report();
  assert.equal(error.get("C"), "42501");
  assert.match(error.get("M")!, /binary format/);
  await talk.client.hears(ready("I"));
  assert.equal(talk.gate.done.at(-1)?.outcome.outcome, "error");
  await talk.bye();
});

test("columns that are not masked may be binary, and their bytes are untouched", async () => {
  const talk = await masking();
  const binary = bind({ portal: "", statement: "s", resultFormats: [1, 0] });
  const described = rowDescription(
    { name: "name", table: 7, attribute: 1, format: 1 },
    { name: "email", table: 7, attribute: 2 },
  );
  talk.client.say(parse("s", text), binary, describe("P", ""), execute(""), sync());
  await talk.names();
  await talk.target.hears(parse("s", text), binary, describe("P", ""), frame("H"));
  talk.target.say(parseComplete, bindComplete, described);
  await talk.target.hears(execute(""), sync());
  const bytes = Buffer.from([0, 255, 1, 254]);
  talk.target.say(dataRow(bytes, "x@y"), complete("SELECT 1"), ready("I"));
  await talk.client.hears(parseComplete, bindComplete, described);
  await talk.client.hears(dataRow(bytes, "•••@•••"), complete("SELECT 1"), ready("I"));
  await talk.bye();
});

test("a binary cell that nobody could foresee (a binary cursor) becomes NULL", async () => {
  const talk = await masking();
  const binary = rowDescription(
    { name: "name", table: 7, attribute: 1 },
    { name: "email", table: 7, attribute: 2, format: 1 },
  );
  talk.client.say(query(text));
  await talk.names();
  await talk.target.hears(query(text));
  talk.target.say(binary, row, complete("FETCH 1"), ready("T"));
  await talk.client.hears(binary, dataRow("Ann", null), complete("FETCH 1"), ready("T"));
  await talk.bye();
});

test("a column that is no text becomes NULL, whatever its type", async () => {
  const talk = await masking();
  const number = rowDescription(
    { name: "name", table: 7, attribute: 1 },
    { name: "n", table: 7, attribute: 2, type: 23 },
  );
  talk.client.say(query(text));
  await talk.names();
  await talk.target.hears(query(text));
  talk.target.say(number, dataRow("Ann", "42"), complete("SELECT 1"), ready("I"));
  await talk.client.hears(number, dataRow("Ann", null), complete("SELECT 1"), ready("I"));
  await talk.bye();
});

test("a table the catalog does not know is masked whole in a Query, and the catalog is read again", async () => {
  const talk = await masking({ outputs: false });
  const unknown = rowDescription({ name: "name", table: 99, attribute: 1 }, { name: "email", table: 99, attribute: 2 });
  talk.client.say(query(text));
  await talk.names();
  await talk.target.hears(query(text));
  talk.target.say(unknown, row, complete("SELECT 1"), ready("I"));
  await talk.client.hears(unknown, dataRow("•••@•••", "•••@•••"), complete("SELECT 1"), ready("I"));
  assert.ok(talk.reader.stale);
  await talk.bye();
});

test("an expression column where reading and result disagree about the columns is masked", async () => {
  const talk = await masking();
  const three = rowDescription(
    { name: "name", table: 7, attribute: 1 },
    { name: "email", table: 7, attribute: 2 },
    { name: "x" },
  );
  talk.client.say(query(text));
  await talk.names();
  await talk.target.hears(query(text));
  talk.target.say(three, dataRow("Ann", "a@b", "a@b"), complete("SELECT 1"), ready("I"));
  await talk.client.hears(three, dataRow("Ann", "•••@•••", "•••@•••"), complete("SELECT 1"), ready("I"));
  await talk.bye();
});

test("rows that come without a description, or as COPY data, end the session instead of passing", async () => {
  for (const leak of [row, frame("d", Buffer.from("ann@example.com"))]) {
    const talk = await masking();
    talk.client.say(query(text));
    await talk.names();
    await talk.target.hears(query(text));
    talk.target.say(leak, complete("SELECT 1"), ready("I"));
    assert.equal((await talk.client.report()).get("S"), "FATAL");
    await talk.client.isClosed();
    assert.equal(talk.client.unread.length, 0);
  }
});

test("a statement without rows needs no mask", async () => {
  const talk = await masking();
  const batch = [parse("", text), bind({ portal: "", statement: "" }), describe("P", "")];
  talk.client.say(...batch, execute(""), sync());
  await talk.names();
  await talk.target.hears(...batch, frame("H"));
  talk.target.say(parseComplete, bindComplete, noData);
  await talk.target.hears(execute(""), sync());
  talk.target.say(complete("INSERT 0 1"), ready("I"));
  await talk.client.hears(parseComplete, bindComplete, noData, complete("INSERT 0 1"), ready("I"));
  await talk.bye();
});

test("what may be shown no more when its rows come ends the session: no row, no count", async () => {
  for (const answer of [row, complete("UPDATE 3")]) {
    const talk = await masking();
    talk.client.say(query(text));
    await talk.names();
    await talk.target.hears(query(text));
    talk.gate.showing = false;
    talk.target.say(answer, ready("I"));
    const error = await talk.client.report();
    assert.deepEqual([error.get("S"), error.get("C")], ["FATAL", "40001"]);
  }
});
