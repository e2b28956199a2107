/** Summaries that do not hold are told once each, and again when they come back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventData } from "../../schemas/event-data.ts";
import { VoidSummaries } from "../../services/main-summaries.ts";

test("a summary that ceases to hold is an alert that names the digest the target has now, once until it holds again", () => {
  let now = 1_790_000_000_000;
  const raised: EventData["alert.raised"][] = [];
  const appender = {
    append(draft: { type: string; data: unknown }) {
      assert.equal(draft.type, "alert.raised");
      raised.push(draft.data as EventData["alert.raised"]);
      return {} as never;
    },
  };
  const voids = new VoidSummaries(() => now);
  const gone = { function: "orders/public.f()", why: "it is not what was described", digest: "sha256:abc" };
  const tell = (found: readonly (typeof gone)[]) => {
    voids.take("orders", found);
    voids.tell(appender);
    return raised.length;
  };
  assert.equal(tell([]), 0);
  assert.equal(tell([gone]), 1);
  assert.equal(tell([gone]), 1);
  assert.match(raised[0]?.sentence ?? "", /orders\/public\.f\(\) is opaque again: it is not .*sha256:abc/);
  voids.take("billing", []);
  voids.tell(appender);
  assert.equal(raised.length, 1, "another target says nothing of this one");
  assert.equal(tell([{ ...gone, digest: "sha256:def" }]), 2, "it has changed once more");
  assert.equal(tell([]), 2);
  now += 3_600_000;
  assert.equal(tell([gone]), 3);
  assert.equal(new Set(raised.map(({ alert }) => alert)).size, 3);
  const other = new VoidSummaries(() => now);
  other.take("orders", [gone]);
  other.tell(appender);
  assert.equal(raised[3]?.alert, raised[2]?.alert, "two gateways that see the same raise one alert");
});
