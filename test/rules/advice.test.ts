import assert from "node:assert/strict";
import { test } from "node:test";
import { adviceIn } from "../../infra/rules/advice.ts";

test("what to check is taken from a description, up to the next heading, in one line, bounded", () => {
  const text = "Somebody reads.\nWhat to check: who asked,\n  and why?\nKnowing is good.\nKnown ways round: none.\n";
  assert.equal(adviceIn(text), "who asked, and why? Knowing is good.");
  assert.equal(adviceIn("What to check: one\n\nAnother paragraph"), "one");
  for (const none of [undefined, 5, "Somebody reads.", "What to check:"]) assert.equal(adviceIn(none), null);
  assert.equal(adviceIn(`What to check: ${"x".repeat(900)}`)?.length, 500);
});
