/** Content evidence in the correlator: it ties from its place in the log on, weakly, and belongs to who said the command. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { chainRule, play } from "../correlator/play.ts";

const rule = chainRule(
  `links:
  - { from: pii_read, to: written, by: [content] }
gate: { action: block, approvers: [data-owners] }
`,
  "",
).replace("[pii_read, pii_transform, destructive]", "[pii_read, written]");
const written = (selection: string) =>
  `title: written\nname: written\nlogsource: { product: throughline, category: command }\ndetection:\n  selection: ${selection}\n  condition: selection\n---\n`;
const anyWrite = written("{ operation: write }");
const taggedWrite = written('{ operation: write, content.tags: pii, "content.values|gte": 10 }');

let count = 0;
/** Says what a gateway would of a session's command. */
function says<T extends "content.shown" | "content.brought">(
  of: ReturnType<typeof play>,
  type: T,
  session: string,
  command: string,
  data: Extract<Entry, { type: T }>["data"],
  source = "gateway/rehearsal",
): string {
  count += 1;
  const id = `${type} ${count}`;
  const atMs = Math.max(...of.entries.map((entry) => entry.atMs));
  of.fold({ type, id, atMs, source, role: "gateway", subject: { session, command }, data } as Entry);
  return id;
}

/** Extract reads; the command is not finished yet when its rows are said to be shown. */
function reads(of: ReturnType<typeof play>): string {
  const about = { atMs: Date.UTC(2026, 0, 1), source: "gateway/rehearsal", role: "gateway" as const };
  const subject = { session: "extract", command: "read1", identity: "extract", account: "extract", target: "orders" };
  const customers = "orders/public.customers#email";
  const effects = [{ operation: "read", reads: [customers], writes: [], ends: [], destroys: false }];
  const facts = { kind: "query", effects, opaque: null, transaction: { kind: "none" }, undoable: true };
  const decided = { ...facts, ruling: "allow", approval: null, intent: null };
  of.fold({ ...about, type: "command.decided", id: "d1", subject, data: decided } as unknown as Entry);
  const event = says(of, "content.shown", "extract", "read1", { epoch: 1, tags: ["pii.email"], hashes: "" });
  const ended = { outcome: "ok", rows: 9, bytes: 9, tag: "", code: null, durationUs: 1, shown: true };
  const finished = { ...ended, undone: [], lasted: [] };
  of.fold({ ...about, type: "command.finished", id: "f1", subject, data: finished } as Entry);
  return event;
}

const asks = (of: ReturnType<typeof play>, command: string) => {
  const about = { atMs: Date.UTC(2026, 0, 1), source: "gateway/rehearsal", role: "gateway" as const };
  const subject = { session: "load", command, identity: "load", account: "load", target: "orders" };
  const effects = [{ operation: "write", reads: [], writes: ["orders/public.box"], ends: [], destroys: false }];
  const facts = { kind: "query", effects, opaque: null, transaction: { kind: "none" }, undoable: true, commits: [] };
  of.fold({ ...about, type: "command.intended", id: `i ${command}`, subject, data: facts } as unknown as Entry);
  const answer = of.outputs.findLast(({ type }) => type === "command.answered");
  return answer?.type === "command.answered" ? answer.data : assert.fail("no answer");
};

describe("values that came back", () => {
  it("tie the command that brings them to the one that showed them, and name the events; a weak chain holds, never blocks", () => {
    const here = play(anyWrite + rule);
    const event = reads(here);
    const from = [{ event, command: "read1", shared: 20 }];
    says(here, "content.brought", "load", "w1", { from, values: 20, tags: ["pii", "pii.email"] });
    const { ruling, enforced } = asks(here, "w1");
    assert.equal(ruling, "hold");
    assert.deepEqual(enforced[0]?.links, [{ from: 0, to: 1, by: "content", strength: "weak", evidence: [event] }]);
  });
  it("tie nothing that brings others, and nothing of another command", () => {
    const here = play(anyWrite + rule);
    const event = reads(here);
    says(here, "content.brought", "load", "w1", {
      from: [{ event: "other", command: "r9", shared: 9 }],
      values: 9,
      tags: [],
    });
    assert.equal(asks(here, "w1").ruling, "allow");
    says(here, "content.brought", "load", "w2", {
      from: [{ event, command: "read1", shared: 9 }],
      values: 9,
      tags: [],
    });
    assert.equal(asks(here, "w3").ruling, "allow");
  });
  it("are not heard from a gateway that the command does not belong to", () => {
    const here = play(anyWrite + rule);
    const event = reads(here);
    const data = { from: [{ event, command: "read1", shared: 9 }], values: 9, tags: [] };
    says(here, "content.brought", "load", "w1", data, "gateway/other");
    assert.equal(asks(here, "w1").ruling, "allow");
  });
  it("are fields that rules read: their tags, and how many", () => {
    const few = play(taggedWrite + rule);
    const from = [{ event: reads(few), command: "read1", shared: 9 }];
    says(few, "content.brought", "load", "w1", { from, values: 9, tags: ["pii", "pii.email"] });
    assert.equal(asks(few, "w1").ruling, "allow");
    says(few, "content.brought", "load", "w2", { from, values: 10, tags: ["pii", "pii.email"] });
    assert.equal(asks(few, "w2").ruling, "hold");
    says(few, "content.brought", "load", "w3", { from, values: 10, tags: ["card"] });
    assert.equal(asks(few, "w3").ruling, "allow");
  });
});
