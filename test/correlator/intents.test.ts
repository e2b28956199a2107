/** Commands that are asked about more than once, and such as do nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chainRule, type Played, play } from "./play.ts";

const rule = chainRule("links: [{ from: pii_read, to: destructive, by: [account] }]\ngate: { action: hold }").replace(
  "pii_read, pii_transform",
  "pii_read",
);

const about = (command: string) => ({
  ...{ source: "gateway/g", role: "gateway" as const, atMs: Date.UTC(2026, 0, 1) },
  subject: { session: "s", command, identity: "eve", account: "eve", target: "orders" },
});

const facts = (reads: readonly string[]) => ({
  kind: "query",
  effects: reads.map((read) => ({ operation: "read", reads: [read], writes: [], ends: [], destroys: false })),
  ...{ opaque: null, undoable: true, transaction: { kind: "none" } },
});

const over = { rows: 1, bytes: 0, tag: "", code: null, durationUs: 0, undone: [], lasted: [] };

function say(played: Played, type: string, command: string, data: object): void {
  played.fold({ ...about(command), id: `${type} ${played.entries.length}`, type, data } as never);
}

function intend(played: Played, ...reads: readonly string[]): void {
  say(played, "command.intended", "c", { ...facts(reads), commits: [] });
}

function decide(played: Played, ruling: "allow" | "block", command = "c", ...reads: readonly string[]): void {
  say(played, "command.decided", command, { ...facts(reads), ruling, approval: null, intent: null });
}

const customers = "orders/public.customers";
const asked = (played: Played) => played.ask("9m eve delete orders/public.z").ruling;

const endings: Readonly<Record<string, (played: Played) => void>> = {
  "it is refused": (played) => decide(played, "block"),
  "its gateway starts again": (played) =>
    say(played, "service.started", "", { role: "gateway", version: "", positions: {} }),
  "it fails and shows nothing": (played) => {
    decide(played, "allow", "c", customers);
    say(played, "command.finished", "c", { ...over, outcome: "error", shown: false });
  },
};

for (const [name, end] of Object.entries(endings))
  test(`a command that was allowed twice is gone when ${name}`, () => {
    const played = play(rule);
    intend(played, customers);
    intend(played, customers);
    assert.equal(asked(played), "hold", "while it may run it counts");
    end(played);
    assert.equal(asked(played), "allow");
  });

test("a command that was allowed twice counts once, and by what it was asked about last", () => {
  const played = play(rule);
  intend(played, customers);
  intend(played, "orders/public.other");
  assert.equal(asked(played), "allow");
  intend(played, customers);
  decide(played, "allow", "c", customers);
  say(played, "command.finished", "c", { ...over, outcome: "ok", shown: true });
  assert.equal(asked(played), "hold");
});

test("commands that do nothing leave nothing behind, however long their session is", () => {
  const played = play(rule);
  const linesOf = () => [...played.correlator.keep()].length;
  const round = (from: number) => {
    for (let at = from; at < from + 100; at += 1) {
      decide(played, "allow", `b${at}`);
      say(played, "command.finished", `b${at}`, { ...over, outcome: "ok", shown: false });
    }
  };
  round(0);
  const before = linesOf();
  round(100);
  assert.equal(linesOf(), before);
});
