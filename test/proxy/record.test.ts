/** Promise 1 at the wire: no result byte leaves, and nothing lasts, before its record is durable. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bind, execute, parse, query, sync } from "../../services/gateway/postgres/messages.ts";
import { bindComplete, complete, dataRow, parseComplete, ready, rowDescription, Talk } from "./talk.ts";

const rows = [rowDescription({ name: "a" }), dataRow("1"), complete("SELECT 1"), ready("I")];

async function opened(options: ConstructorParameters<typeof Talk>[0] = {}): Promise<Talk> {
  const talk = new Talk(options);
  talk.client.say(query("SELECT 0"));
  await talk.names();
  await talk.target.hears(query("SELECT 0"));
  talk.target.say(complete("SELECT 0"), ready("I"));
  await talk.client.hears(complete("SELECT 0"), ready("I"));
  return talk;
}

test("a read is forwarded at once, and no row of it leaves before its record is durable", async () => {
  const talk = await opened();
  talk.gate.instant = false;
  talk.client.say(query("SELECT 1"));
  await talk.target.hears(query("SELECT 1"));
  talk.target.say(...rows);
  await talk.client.hearsNothing();
  talk.gate.sync();
  await talk.client.hears(...rows);
  assert.equal((await talk.bye()).reason, "the client ended it");
});

test("an autocommitted write waits for its record before it is forwarded", async () => {
  const talk = await opened();
  talk.gate.instant = false;
  talk.client.say(query("INSERT x"));
  await talk.target.hearsNothing();
  talk.gate.sync();
  await talk.target.hears(query("INSERT x"));
  talk.target.say(complete("INSERT 0 1"), ready("I"));
  await talk.client.hears(complete("INSERT 0 1"), ready("I"));
  await talk.bye();
});

test("a prepared read and its pipeline pass byte for byte", async () => {
  const talk = await opened();
  const batch = [parse("s", "SELECT 1"), bind({ portal: "", statement: "s" }), execute(""), sync()];
  talk.client.say(...batch);
  await talk.target.hears(...batch);
  const answer = [parseComplete, bindComplete, dataRow("1"), complete("SELECT 1"), ready("I")];
  talk.target.say(...answer);
  await talk.client.hears(...answer);
  await talk.bye();
  assert.deepEqual(
    talk.gate.done.map(({ text, outcome }) => [text, outcome.outcome, outcome.rows]),
    [
      ["SELECT 0", "ok", 0],
      ["SELECT 1", "ok", 1],
    ],
  );
});
