/** What rules may ask of a text: its tags, its fingerprint, the role, the trace that its client claims. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { detailsOf, fingerprintOf, resolutionOf, traceOf } from "../../services/gateway/details.ts";
import { opaqueReading } from "../../services/gateway/postgres/opaque.ts";
import { reading } from "./world.ts";

const key = Buffer.alloc(32, 7);
const id = "4bf92f3577b34da6a3ce929d0e0e4736";
const comment = `/*traceparent='00-${id}-00f067aa0ba902b7-01'*/`;

test("a trace is taken from a comment at either end, also of a long text, and from nothing else", () => {
  const long = "x".repeat(50_000);
  for (const text of [`${comment} SELECT 1`, `SELECT 1 ${comment}`, `${comment} ${long}`, `${long} ${comment}`])
    assert.equal(traceOf(text), id);
  for (const text of [
    "SELECT 1",
    "SELECT traceparent FROM t",
    `/*traceparent='00-${id}'*/`,
    `${long}${comment}${long}`,
  ])
    assert.equal(traceOf(text), null);
});

test("tags are told once each and are bounded, and nothing of the text itself is told", () => {
  const many = { ...reading([]), statements: ["GRANT", "GRANT", ...Array.from({ length: 100 }, (_, n) => `S${n}`)] };
  const details = detailsOf(many, "owner", "GRANT SELECT ON secret_table TO mallory", key);
  assert.equal(details.statements.length, 32);
  assert.deepEqual(details.statements.slice(0, 2), ["GRANT", "S0"]);
  assert.equal(details.role, "owner");
  assert.doesNotMatch(JSON.stringify(details), /secret_table|mallory/);
});

test("what is made of a whole text is told under the tenant's key: the same everywhere, and nothing to try guesses with", () => {
  const text = "SELEKT * FROM people WHERE card = '4111'";
  const read = opaqueReading("orders", "the grammar refuses it", text, "owner");
  const guess = (said: string) =>
    ["sha256", "sha1", "md5"].some((how) =>
      [text, `${text}\0`].some((one) => createHash(how).update(one).digest("hex").startsWith(said)),
    );
  const told = fingerprintOf(read, key);
  assert.ok(guess(read.fingerprint), "the guess is a good one");
  assert.ok(!guess(told) && !guess(told.slice(0, 16)));
  assert.notEqual(resolutionOf(read, key), read.resolution);
  assert.equal(detailsOf(read, "owner", text, Buffer.alloc(32, 7)).fingerprint, told);
  assert.notEqual(fingerprintOf(read, Buffer.alloc(32, 8)), told);
  assert.notEqual(fingerprintOf(opaqueReading("orders", "why", text.replace("4111", "4112"), "owner"), key), told);
  assert.equal(fingerprintOf({ ...reading([]), fingerprint: "5d0c" }, key), "5d0c", "literals are gone from this one");
});
