import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { createClusters } from "../../services/correlator/cluster.ts";
import { chainRule, type Played, play } from "./play.ts";

const byActor = chainRule(`
links:
  - { from: pii_read, to: pii_transform, by: [actor] }
  - { from: pii_transform, to: destructive, by: [flow, lineage] }
gate: { action: block, approvers: [data-owners] }
`);
const night = `
0s   extract    read       orders/public.customers
60s  transform  transform  orders/public.customers -> orders/public.staging`;

function say(played: Played, id: string, type: "identity.linked" | "identity.unlinked", data: object): void {
  const atMs = Date.UTC(2026, 0, 1);
  played.fold({ type, id, atMs, source: "api/a", role: "api", subject: {}, data } as Entry);
}

const link = (played: Played, id: string, identities: string[], strength = "strong") =>
  say(played, id, "identity.linked", { identities, strength, evidence: [] });
const unlink = (played: Played, identities: string[], links: string[]) =>
  say(played, `no ${links.join(" ")}`, "identity.unlinked", { identities, links, by: "olga", reason: "two people" });

/** @returns ruling and the evidence of the first link */
function end(played: Played): readonly [string, readonly string[]] {
  const { ruling, enforced } = played.ask("9m load delete orders/public.staging");
  return [ruling, enforced[0]?.links[0]?.evidence ?? []];
}

test("an actor link names the events by which two identities are one, however many there are between them", () => {
  const played = play(byActor);
  link(played, "one", ["extract", "laptop"]);
  link(played, "two", ["laptop", "transform"]);
  played.run(night);
  assert.deepEqual(end(played), ["block", ["one", "two"]]);
});

test("a link that a person rejects holds nothing together any more; what else does still counts", () => {
  const played = play(byActor);
  link(played, "one", ["extract", "transform"]);
  link(played, "two", ["extract", "transform"]);
  played.run(night);
  unlink(played, ["extract", "transform"], ["one"]);
  assert.deepEqual(end(played), ["block", ["two"]]);
  unlink(played, ["extract", "transform"], ["two"]);
  assert.equal(end(played)[0], "allow");
  link(played, "three", ["extract", "transform"]);
  assert.deepEqual(end(played), ["block", ["three"]], "what is said later is new evidence");
});

test("rejecting without naming events rejects all that ties these identities, and nobody else's", () => {
  const played = play(byActor);
  link(played, "one", ["extract", "transform"]);
  link(played, "weak", ["extract", "transform"], "weak");
  played.run(night);
  unlink(played, ["extract", "transform"], []);
  assert.equal(end(played)[0], "allow");
  link(played, "round", ["extract", "laptop"]);
  link(played, "about", ["laptop", "transform"]);
  unlink(played, ["extract", "transform"], []);
  assert.equal(end(played)[0], "block", "they are one by way of a third");
});

test("weak evidence ties a pair and names its event; rejected, it ties nobody", () => {
  const played = play(byActor);
  link(played, "weak", ["extract", "transform"], "weak");
  played.run(night);
  assert.deepEqual(end(played), ["hold", ["weak"]]);
  unlink(played, ["extract"], ["weak"]);
  assert.equal(end(played)[0], "allow");
});

test("a cluster falls into the parts that its other links hold together", () => {
  const clusters = createClusters();
  for (let index = 0; index < 100; index += 1) clusters.merge([`i${index}`, `i${index + 1}`], `e${index}`);
  assert.equal(clusters.membersOf("i7").length, 101);
  assert.equal(clusters.split(["i50", "i51"], ["e50"]), true);
  assert.equal(clusters.membersOf("i7").length, 51);
  assert.equal(clusters.membersOf("i100").length, 50);
  assert.equal(clusters.split(["i50", "i51"], ["e50"]), false);
  const again = createClusters();
  again.restore(clusters.kept());
  assert.deepEqual(again.facts(), clusters.facts());
  assert.deepEqual(again.membersOf("i100"), clusters.membersOf("i100"));
});

const byAddress = chainRule(`
links:
  - { from: pii_read, to: pii_transform, by: [address] }
  - { from: pii_transform, to: destructive, by: [flow, lineage] }
gate: { action: hold, approvers: [data-owners] }
`);
const atOneDesk = `
0s   extract    read       orders/public.customers  address=10.0.0.7
60s  transform  transform  orders/public.customers -> orders/public.staging  address=10.0.0.7`;

/** So many identities open a session from there; each acts for the other one that is given. */
function come(played: Played, count: number, behalf: readonly string[] = []): void {
  for (let n = 0; n < count; n += 1) {
    const key = `person${n}`;
    const identity = { key, kind: "person", name: key, groups: [], onBehalfOf: behalf };
    const data = {
      wire: "postgres",
      tls: false,
      identity,
      task: { id: "", justification: "" },
      keyId: "",
      application: "",
    };
    const about = { id: `opened-${n}`, atMs: Date.UTC(2026, 0, 1), source: "gateway/g", role: "gateway" };
    const subject = { session: `s${n}`, identity: key, clientaddress: "10.0.0.7:4444" };
    played.fold({ type: "session.opened", ...about, subject, data: { ...data, expiresAtMs: 0 } } as unknown as Entry);
  }
}

test("an address ties who share it, until so many do that it says nothing", () => {
  for (const [count, ruling] of [
    [0, "hold"],
    [4, "hold"],
    [7, "allow"],
  ] as const) {
    const played = play(byAddress);
    come(played, count);
    played.run(atOneDesk);
    assert.equal(played.ask("9m load delete orders/public.staging").ruling, ruling, `${count} others`);
  }
});

test("an insider's many agents at his address are one actor: they do not make it common", () => {
  const played = play(byAddress);
  come(played, 20, ["extract"]);
  played.run(atOneDesk);
  assert.equal(played.ask("9m load delete orders/public.staging").ruling, "hold");
});

test("who rejects that one acts for the other means every session that said so, and a later one says it anew", () => {
  const clusters = createClusters();
  for (const event of ["grant g1", "session s1", "session s2"]) clusters.merge(["agent", "person"], event, true);
  clusters.merge(["agent", "person"], "said by olga");
  clusters.split(["agent", "person"], ["grant g1"]);
  assert.deepEqual(clusters.evidence("agent", "person"), ["said by olga"], "what a person said is another matter");
  clusters.split(["agent", "person"], ["said by olga"]);
  assert.equal(clusters.rootOf("person"), "person");
  const again = createClusters();
  again.restore(clusters.kept());
  again.merge(["agent", "person"], "session s3", true);
  assert.equal(again.rootOf("person"), "agent");
});
