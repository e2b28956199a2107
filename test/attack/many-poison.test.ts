/** One source's key, stolen or gone bad, stops nobody else: not now, and not at the next start. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { Draft } from "../../infra/log/log.ts";
import { Refusals } from "../../infra/log/refusals.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { EventType } from "../../schemas/event.ts";
import { type Gateway, many, until } from "../gate/many.ts";
import { workload } from "../gate/world.ts";
import { MemoryBrokers } from "../log/memory-bus.ts";
import { finished, intended } from "../log/world.ts";
import { type Forged, forged } from "./forge.ts";

async function stage(t: TestContext) {
  const brokers = new MemoryBrokers(Date.now);
  const here = await many(["a", "b", "c1", "c2", "evil"], brokers.connect());
  t.after(() => here.end());
  await here.correlator("c1", brokers.connect());
  const a = await here.gateway("a", brokers.connect());
  const bus = brokers.connect();
  const next = new Map<string, number>();
  const { tenant } = here.world.sources;
  const put = (value: Buffer) => bus.send([{ topic: `tl.${tenant}.steps`, partition: 0, key: tenant, value }]);
  const say = (what: Omit<Forged, "stream" | "first">) => {
    const first = next.get(what.source) ?? 1;
    return put(forged(here.world, { ...what, stream: "steps", first }));
  };
  /** Everybody goes on, and whoever starts now reads all of it. */
  const works = async () => {
    const hears = async (gateway: Gateway) => {
      const grant = here.grant(workload("extract"), "extract");
      await until(() => here.world.fatal.length > 0 || gateway.feed.grants.find(grant) !== null);
    };
    await hears(a);
    await here.correlator("c2", brokers.connect());
    await hears(await here.gateway("b", brokers.connect()));
    assert.deepEqual(here.world.fatal, []);
  };
  return { here, brokers, a, put, say, works };
}

const junk = (type: EventType, data: unknown, subject: object = {}): Draft => ({ type, subject, data }) as never;

describe("a source that says what nobody can read", () => {
  it("stops nobody: sections", async (t) => {
    const { here, say, works } = await stage(t);
    const last = (part: Buffer) => {
      const section = 20 + part.readUInt16LE(10);
      part.fill(0xff, section + 1, section + part.readUInt32LE(12));
      return part;
    };
    await say({ source: "gateway/evil", drafts: [intended("a")], spoil: last });
    await say({ source: "gateway/evil", drafts: [finished("a")], spoil: last });
    await works();
    assert.ok(here.world.faults.length >= 2);
  });

  it("stops nobody: envelopes that are no JSON", async (t) => {
    const { say, works } = await stage(t);
    const cut = (part: Buffer) => {
      part[part.length - 1] = 0x20;
      return part;
    };
    await say({ source: "gateway/evil", drafts: [junk("gateway.followed", { upTo: "", targets: [] })], spoil: cut });
    await works();
  });

  it("stops nobody: data of another type", async (t) => {
    const { here, say, works } = await stage(t);
    const subject = { session: "s", command: "c" };
    const identity = { key: "i|a", kind: "person", name: "a", groups: [], onBehalfOf: [] };
    const opening = { identity, task: { id: "t", justification: "" }, keyId: "k", application: "", expiresAtMs: 0 };
    const shown = { subject: "", issuer: "", serial: "", notAfterMs: 0 };
    const bare = { kind: "query", effects: 5, opaque: null, transaction: null, undoable: true };
    const drafts = [
      junk("approval.asked", { approval: "x", binding: "y" }),
      junk("session.opened", {}),
      junk("session.opened", { ...opening, certificate: { ...shown, key: "the key of somebody else" } }),
      junk("session.opened", { ...opening, certificate: { key: "ab".repeat(32) } }),
      junk("policy.changed", { digest: "d", engine: "e", files: null }),
      junk("policy.changed", { digest: "d", engine: "e", files: { "rules/a.yml": 5 } }),
      junk("gateway.followed", { upTo: 5, targets: null }),
      junk("block.expired", null),
      junk("service.started", null),
      junk("session.closed", { reason: 1 }, { session: { a: 1 } }),
      // An id of its own keeps the section away.
      ...[junk("command.intended", { ...bare, commits: 5 }, subject), junk("command.finished", {}, subject)],
    ];
    for (const draft of drafts) {
      const broken = draft.type.startsWith("command.") ? withoutSection : undefined;
      const what = { source: "gateway/evil", drafts: [broken ? intended("c") : draft] };
      await say(broken ? { ...what, spoil: (part) => broken(part, draft) } : what);
    }
    for (const draft of [junk("resource.tagged", { resource: 5 }), junk("command.answered", { intent: "i" })])
      await say({ source: "correlator/evil", drafts: [draft] });
    await works();
    assert.ok(here.world.faults.length >= drafts.length + 2);
  });
});

describe("a topic that anybody fills with nonsense", () => {
  it("does not end who reads it while his own disk is full to the last byte", () => {
    const said: string[] = [];
    const disk = { full: true };
    const refuse = (_source: string, _type: string, reason: string) => {
      if (disk.full) throw new ThroughlineError("log.full", "full");
      said.push(reason);
    };
    const refusals = new Refusals({ refuse } as never, () => 0);
    assert.equal(refusals.record("", "", "one"), false);
    disk.full = false;
    assert.equal(refusals.record("", "", "two"), true);
    assert.match(said[0] ?? "", /1 refusals before/);
  });

  it("neither stops who reads it nor buries what else an operator is told", async (t) => {
    const { here, put, works } = await stage(t);
    for (let i = 0; i < 300; i++) await put(Buffer.from(`nonsense ${i}`));
    await works();
    // Three processes, and a minute may end meanwhile.
    assert.ok(here.world.faults.length <= 2 * 60 * 4, String(here.world.faults.length));
  });
});

/** The same record by its JSON alone, with other data. */
function withoutSection(part: Buffer, { type, data }: Draft): Buffer {
  const sourceEnd = 20 + part.readUInt16LE(10);
  const envelope = JSON.parse(part.toString("utf8", sourceEnd + part.readUInt32LE(12)));
  const json = Buffer.from(JSON.stringify({ ...envelope, type, data }));
  const head = Buffer.from(part.subarray(0, sourceEnd));
  head.writeUInt32LE(0, 12);
  head.writeUInt32LE(json.length, 16);
  return Buffer.concat([head, json]);
}
