import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { limits } from "../../schemas/limits.ts";
import { createCorrelator } from "../../services/correlator/correlator.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import type { Output } from "../../services/correlator/outputs.ts";
import { policyChange } from "../../services/main-policy.ts";
import { catalog, chainRule, play, steps, usual } from "./play.ts";
import { Changing, startOn } from "./refolding.ts";

const few = { ...limits, digestRecordsEvery: 7 };
const customers = "orders/public.customers";
const email = `${customers}#email`;
const night = `
  0s   extract    read       ${customers}
  60s  transform  transform  ${customers} -> orders/public.staging
`;

/** A night as an older engine left it: answers, tags and digests are not those of today's. */
function older(): { entries: Entry[]; policy: Entry } {
  const played = play(chainRule(usual), { limits: few });
  played.run(night);
  played.ask("9m load delete orders/public.staging");
  const entries = played.entries.map((entry) => asOlder(entry));
  return { entries, policy: played.entries[0]! };
}

function asOlder(entry: Entry): Entry {
  if (entry.type === "policy.changed") return { ...entry, data: { ...entry.data, engine: "1" } };
  if (entry.type === "correlator.digested") return { ...entry, data: { ...entry.data, digest: "0" } };
  return entry.role === "correlator" ? { ...entry, id: `older ${entry.id}` } : entry;
}

function fold(entries: readonly Entry[]) {
  const emitted: Output[] = [];
  const correlator = createCorrelator({ limits: few, emit: (output) => emitted.push(output) });
  for (const entry of entries) correlator.fold(entry);
  correlator.goLive();
  return { correlator, emitted };
}

const own = (policy: Entry, id = "upgraded"): Entry => ({ ...policy, id, atMs: policy.atMs + 600_000 });
const record = (one: Pick<Entry, "type" | "subject" | "data"> & { id: string; role?: string }): Entry =>
  ({ atMs: Date.UTC(2026, 0, 1) + 500_000, source: "gateway/g", role: "gateway", ...one }) as Entry;

/** A command that this engine sees no flow in, with tags that the engine before it told of it. */
function toldOnly(): Entry[] {
  const subject = { session: "s", command: "odd", identity: "transform", account: "transform", target: "orders" };
  const effects = [{ operation: "write", reads: [], writes: ["orders/public.odd"], ends: [], destroys: false }];
  const facts = { kind: "query", effects, opaque: null, undoable: true, transaction: { kind: "none" } };
  const decided = { ...facts, ruling: "allow", approval: null, intent: null };
  const tagged = { resource: "orders/public.odd", tags: ["pii", "pii.email"], from: [email], event: "odd-d" };
  return [
    record({ type: "command.decided", id: "odd-d", subject, data: decided as never }),
    record({ type: "resource.tagged", id: "odd-t", role: "correlator", subject, data: tagged as never }),
  ];
}

test("after an upgrade a log starts, though its answers, tags and digests are those of another engine", () => {
  const { entries, policy } = older();
  assert.ok(entries.some(({ type }) => type === "correlator.digested"));
  const { correlator, emitted } = fold(entries);
  assert.deepEqual(emitted, [], "nothing is said in another engine's place");
  correlator.fold(own(policy));
  assert.ok(correlator.tagsOf("orders/public.staging").includes("pii"));
});

test("from its own policy.changed on, what is recorded is compared again", () => {
  const { entries, policy } = older();
  const upgraded = [...entries, own(policy)];
  const sent: Entry[] = [];
  const live = createCorrelator({
    limits: few,
    emit(output) {
      const entry = { ...output, atMs: 0, source: "correlator/c", role: "correlator" } as Entry;
      sent.push(entry);
      live.fold(entry);
    },
  });
  for (const entry of upgraded) live.fold(entry);
  live.goLive();
  const intent = entries.find(({ type }) => type === "command.intended");
  const again = { ...intent, id: "again", subject: { ...intent?.subject, command: "again" } } as Entry;
  live.fold(again);
  const answer = sent.find(({ type }) => type === "command.answered");
  assert.ok(answer?.type === "command.answered" && answer.data.ruling === "hold", "the night before counts");
  assert.deepEqual(fold([...upgraded, again, ...sent]).emitted, []);
  assert.throws(() => fold([...upgraded, again, { ...answer, id: "forged" }]), { code: "log.digest_differs" });
});

test("an answer of another engine is taken as it is: what it allowed counts as a step", () => {
  const { entries, policy } = older();
  const allowed = entries.map((entry) =>
    entry.type === "command.answered" ? { ...entry, data: { ...entry.data, ruling: "allow" as const } } : entry,
  );
  const held = fold([...entries, own(policy)]).correlator.digest();
  assert.notEqual(fold([...allowed, own(policy)]).correlator.digest(), held);
});

test("tags that another engine told hold, travel on, and go with the command that brought them", () => {
  const { entries, policy } = older();
  const { correlator } = fold([...entries, ...toldOnly(), own(policy)]);
  assert.deepEqual(correlator.tagsOf("orders/public.odd"), ["pii", "pii.email"]);
  const subject = { session: "t", command: "on", identity: "i", account: "a", target: "orders" };
  const effects = [
    { operation: "transform", reads: ["orders/public.odd"], writes: ["orders/public.on"], ends: [], destroys: false },
  ];
  const facts = { kind: "query", effects, opaque: null, undoable: true, transaction: { kind: "none" } };
  const data = { ...facts, ruling: "allow", approval: null, intent: null } as never;
  correlator.fold(record({ type: "command.decided", id: "on-d", subject, data }));
  assert.deepEqual(correlator.tagsOf("orders/public.on"), ["pii", "pii.email"]);
  const undone = { outcome: "ok", rows: 0, bytes: 0, tag: "", code: null, durationUs: 0, shown: true, lasted: [] };
  const ended = { ...undone, undone: ["odd"] } as never;
  correlator.fold(
    record({ type: "command.finished", id: "odd-f", subject: { session: "s", command: "odd" }, data: ended }),
  );
  assert.deepEqual(correlator.tagsOf("orders/public.odd"), []);
  assert.deepEqual(correlator.tagsOf("orders/public.on"), []);
});

test("tags that this engine sees and the one before did not tell are told when it takes over", () => {
  const { entries, policy } = older();
  const silent = entries.filter(({ type }) => type !== "resource.tagged");
  const { correlator, emitted } = fold(silent);
  correlator.fold(own(policy));
  const told = emitted.filter(({ type }) => type === "resource.tagged");
  assert.deepEqual(
    told.map(({ data }) => "resource" in data && data.resource),
    ["orders/public.staging"],
  );
});

test("rules that another engine put in force have not seen what was before: this one reads the log for them, also after a restart", () => {
  const nobody = { "rules/steps.yml": steps.split("---")[0] ?? "", "catalog.yaml": catalog };
  const files = { ...nobody, "rules/steps.yml": steps, "rules/z.yml": chainRule(usual) };
  for (const restarts of [false, true]) {
    const changing = new Changing(nobody, few);
    changing.run(night);
    changing.say({ type: "policy.changed", data: { digest: "older", engine: "1", files } });
    const correlator = restarts ? startOn([], few).correlator : changing.correlator;
    if (restarts) correlator.restore(changing.correlator.keep());
    changing.propose(files, "own");
    if (restarts) correlator.fold(changing.entries.at(-1)!);
    assert.notEqual(correlator.refold, null, "what it asks for has not been kept");
    changing.takeOver();
    assert.equal(changing.ask("9m load delete orders/public.staging").ruling, "hold");
    changing.propose(files, "again");
    assert.equal(changing.correlator.refold, null, "now it has");
  }
});

test("the policy enters the log again when its files or the engine are others, and only then", () => {
  const files = { digest: "d", texts: { "catalog.yaml": "[]" } };
  assert.equal(policyChange({ digest: "d", engine: engineVersion }, files, engineVersion), null);
  assert.equal(policyChange({ digest: "d", engine: "0.1.0" }, files, engineVersion)?.engine, engineVersion);
  assert.equal(policyChange({ digest: "c", engine: engineVersion }, files, engineVersion)?.digest, "d");
  assert.equal(policyChange(null, files, engineVersion)?.digest, "d");
});
