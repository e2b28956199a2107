/** A catalog that cannot be read again costs one command, not the session, and nothing is read with the old one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ThroughlineError } from "../../schemas/errors.ts";
import { query } from "../../services/gateway/postgres/messages.ts";
import { complete, ready, Talk } from "./talk.ts";

test("while the catalog cannot be read again commands are opaque, and the session lives", async () => {
  const talk = await Talk.opened();
  const refresh = talk.reader.refresh.bind(talk.reader);
  let tried = 0;
  talk.reader.refresh = async () => {
    tried += 1;
    throw new ThroughlineError("target.unreachable", "the catalog of target orders cannot be read (55P03)");
  };
  for (const text of ["SELECT 1", "SELECT 2"]) {
    talk.reader.outdate();
    talk.client.say(query(text));
    if (text === "SELECT 2") await talk.namesAndMore();
    await talk.target.hears(query(text));
    assert.match(talk.last.reading.opaque ?? "", /catalog could not be read again/);
    talk.target.say(complete("SELECT 1"), ready("I"));
    await talk.client.hears(complete("SELECT 1"), ready("I"));
  }
  assert.equal(tried, 2, "once per command");
  talk.reader.refresh = refresh;
  talk.client.say(query("SELECT 3"));
  await talk.namesAndMore();
  await talk.target.hears(query("SELECT 3"));
  assert.equal(talk.last.reading.opaque, null);
  talk.target.say(complete("SELECT 1"), ready("I"));
  await talk.client.hears(complete("SELECT 1"), ready("I"));
  await talk.bye();
});
