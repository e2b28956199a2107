/** Keys that identities showed: bounded, and nobody gets rid of a tie by showing more of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { HeldKeys, shownKey } from "../../infra/policy/held-keys.ts";
import { seeded } from "../correlator/dice.ts";

const bounds = { keyActorsMax: 2, keyIdentitiesKeptMax: 4, keysPerIdentityMax: 3, keysKeptMax: 6 };
const showing =
  (keys: HeldKeys) =>
  (key: string, identity: string, principal = identity) =>
    keys.meet({ key, identity, principal, event: `${key}${identity}` });
const holders = (keys: HeldKeys, key: string) => [...keys.holdersOf(key).keys()];

test("a flood of own keys evicts the flooder's oldest that ties nobody, never a tie nor anybody else's", () => {
  const keys = new HeldKeys(bounds);
  const show = showing(keys);
  show("tie", "mallory");
  show("tie", "ana");
  show("quiet", "olga");
  for (const key of ["1", "2", "3"]) show(key, "mallory");
  show("1", "mallory");
  show("4", "mallory");
  assert.deepEqual(
    ["tie", "1", "2", "3", "4"].map((key) => holders(keys, key).length),
    [2, 1, 0, 1, 1],
    "2 was oldest",
  );
  for (let n = 0; n < 50; n += 1) show(`more ${n}`, "mallory");
  assert.deepEqual(holders(keys, "tie"), ["mallory", "ana"]);
  assert.deepEqual(holders(keys, "quiet"), ["olga"]);
});

test("over all identities the key goes that ties nobody and was shown longest ago; where all tie, the newest is not kept", () => {
  const keys = new HeldKeys(bounds);
  const show = showing(keys);
  for (const who of ["a", "b", "c", "d", "e", "f"]) show(`of ${who}`, who);
  show("of a", "a");
  show("of g", "g");
  assert.deepEqual([holders(keys, "of a"), holders(keys, "of b")], [["a"], []]);
  for (const who of ["a", "c", "d", "e", "f", "g"]) show(`of ${who}`, "z");
  show("late", "y");
  assert.deepEqual([holders(keys, "late"), holders(keys, "of c")], [[], ["c", "z"]]);
});

test("of one key so many holders are remembered, and beyond a few actors it is common", () => {
  const keys = new HeldKeys(bounds);
  const show = showing(keys);
  assert.deepEqual([show("k", "a"), show("k", "a"), show("k", "agent", "a")], [true, false, true]);
  show("k", "b");
  assert.equal(keys.isCommon("k"), false, "two actors and an agent");
  show("k", "c");
  assert.deepEqual([keys.isCommon("k"), keys.commonTo("a"), keys.commonTo("x")], [true, ["k"], []]);
  assert.equal(show("k", "d"), false);
  assert.deepEqual(holders(keys, "k"), ["a", "agent", "b", "c"]);
  assert.deepEqual(keys.reject(["c"], ["kc"]), ["k"]);
  assert.equal(keys.isCommon("k"), false);
});

test("a rejection takes out only whom it names, by the event that it names", () => {
  const keys = new HeldKeys(bounds);
  const show = showing(keys);
  show("k", "a");
  show("k", "b");
  assert.deepEqual(keys.reject(["a"], ["kb"]), [], "it is about somebody else");
  assert.deepEqual(keys.reject(["a"], []), [], "b is no part of it");
  assert.deepEqual(keys.reject(["a", "b"], ["kb"]), ["k"]);
  assert.deepEqual(holders(keys, "k"), ["a"]);
});

test("what is kept makes the same again, at any place of a random stream, and goes on the same", () => {
  const dice = seeded(20_261_123);
  for (let round = 0; round < 300; round += 1) {
    const one = new HeldKeys(bounds);
    const two = new HeldKeys(bounds);
    const step = (keys: HeldKeys, key: string, who: string, out: boolean) =>
      out ? keys.reject([who], [`${key}${who}`]) : showing(keys)(key, who);
    const draw = () => [`k${dice(9)}`, `i${dice(5)}`, dice(6) === 0] as const;
    for (let n = dice(40); n > 0; n -= 1) step(one, ...draw());
    two.restore(one.kept());
    assert.deepEqual(two.facts(), one.facts());
    for (let n = 0; n < 30; n += 1) {
      const drawn = draw();
      assert.deepEqual(step(two, ...drawn), step(one, ...drawn));
      assert.deepEqual(two.facts(), one.facts());
      for (const who of ["i0", "i1"]) assert.deepEqual(two.commonTo(who), one.commonTo(who));
    }
    assert.ok(one.facts().length <= bounds.keysKeptMax);
  }
});

test("a session without a certificate, as older logs have them, says nothing of a key", () => {
  const identity = { key: "a", onBehalfOf: ["p", "q"] };
  const said = (data: object) =>
    shownKey({ type: "session.opened", id: "e", data: { identity, ...data } } as never as Entry);
  assert.equal(said({}), null);
  assert.deepEqual(said({ certificate: { key: "00" } }), {
    key: "certificate 00",
    identity: "a",
    principal: "q",
    event: "e",
  });
});
