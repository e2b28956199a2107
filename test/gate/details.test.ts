/** What rules may ask of a text: its tags, its fingerprint, the role, the trace that its client claims. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { detailsOf, traceOf } from "../../services/gateway/details.ts";
import { reading } from "./world.ts";

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
  const details = detailsOf(many, "owner", "GRANT SELECT ON secret_table TO mallory");
  assert.equal(details.statements.length, 32);
  assert.deepEqual(details.statements.slice(0, 2), ["GRANT", "S0"]);
  assert.equal(details.role, "owner");
  assert.doesNotMatch(JSON.stringify(details), /secret_table|mallory/);
});
