/** What a gateway does once a second, whatever of it fails. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ThroughlineError } from "../../schemas/errors.ts";
import { tick } from "../../services/main-tick.ts";

test("a disk that takes no tick of the clock keeps nothing else from ending in its time", (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  const faults: unknown[] = [];
  let swept = 0;
  const clock = {
    tick() {
      throw new ThroughlineError("log.full", "The disk of the log is full");
    },
  };
  const sweep = {
    tick() {
      swept += 1;
    },
  };
  const stop = tick([clock, sweep], { fault: (error) => faults.push(error) });
  context.mock.timers.tick(3_000);
  assert.equal(swept, 3);
  assert.equal(faults.length, 3);
  stop();
  context.mock.timers.tick(3_000);
  assert.equal(swept, 3);
});
