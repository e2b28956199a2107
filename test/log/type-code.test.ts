import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, typeOf } from "../../infra/log/type-code.ts";
import { catalogue, type EventType } from "../../schemas/event.ts";

test("every type of event has a number of its own, and is read back by it", () => {
  const types = Object.keys(catalogue) as EventType[];
  assert.ok(types.length > 40);
  for (const type of types) assert.equal(typeOf(codeOf(type)), type);
});
