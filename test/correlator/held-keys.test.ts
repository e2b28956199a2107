/** Who shows that they hold one private key is one actor: with nothing else between them, until it is rejected or common. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { limits } from "../../schemas/limits.ts";
import { createClusters } from "../../services/correlator/cluster.ts";
import { createCorrelator } from "../../services/correlator/correlator.ts";
import { chainRule, type Played, play } from "./play.ts";

const step = `{ from: pii_read, to: pii_transform, by: [actor] }, { from: pii_transform, to: destructive, by: [actor] }`;
const byActor = chainRule(`
links: [${step}]
gate: { action: block, approvers: [data-owners] }
`);
const grouped = chainRule("gate: { action: hold, approvers: [data-owners] }", "group-by: [chain.actor]");
const night = `
0s   extract    read       orders/public.customers
60s  transform  transform  orders/public.customers -> orders/public.staging`;
const last = "9m load delete orders/public.unrelated";

/** A session with a certificate. @param behalf for whom, innermost first */
function opened(id: string, key: string, name: string, ...behalf: string[]): Entry {
  const identity = { key, kind: "person", name: key, groups: [], onBehalfOf: behalf };
  const facts = { subject: "CN=x", issuer: "CN=ca", serial: "10", notAfterMs: 0 };
  const certificate = { key: Buffer.from(name).toString("hex").padEnd(64, "0"), ...facts };
  const about = { wire: "postgres", tls: true, task: { id: "", justification: "" }, keyId: "", application: "" };
  const data = { ...about, identity, expiresAtMs: 0, ...(name === "" ? {} : { certificate }) };
  const said = { type: "session.opened", id, atMs: Date.UTC(2026, 0, 1), source: "gateway/g", role: "gateway" };
  return { ...said, subject: {}, data } as unknown as Entry;
}

const open = (played: Played, id: string, key: string, name: string, ...behalf: string[]) =>
  played.fold(opened(id, key, name, ...behalf));

function unlink(played: Played, identities: string[], links: string[]): void {
  const data = { identities, links, by: "olga", reason: "a kiosk" };
  const about = { type: "identity.unlinked", id: `no ${links}`, atMs: Date.UTC(2026, 0, 1), source: "api/a" };
  played.fold({ ...about, role: "api", subject: {}, data } as unknown as Entry);
}

function all(played: Played, name: string): void {
  for (const who of ["extract", "transform", "load"]) open(played, `by ${who}`, who, name);
}

test("three accounts and nothing between them but one certificate: the chain is found, strongly, by the openings", () => {
  const played = play(byActor);
  all(played, "one");
  played.run(night);
  const { ruling, enforced } = played.ask(last);
  assert.equal(ruling, "block", "strong evidence may block");
  assert.deepEqual(
    enforced[0]?.links.map(({ evidence, strength }) => [strength, evidence]),
    [
      ["strong", ["by extract", "by transform"]],
      ["strong", ["by transform", "by load"]],
    ],
  );
});

test("without the certificate, or with one each, it is not", () => {
  for (const names of [
    ["", "", ""],
    ["a", "b", "c"],
    ["a", "a", ""],
  ] as const) {
    const played = play(byActor);
    for (const [n, who] of ["extract", "transform", "load"].entries()) open(played, `by ${who}`, who, names[n] ?? "");
    played.run(night);
    assert.equal(played.ask(last).ruling, "allow", names.join("/"));
  }
});

test("group-by chain.actor takes who holds one certificate for one", () => {
  const played = play(grouped);
  all(played, "one");
  played.run(night);
  assert.equal(played.ask(last).ruling, "hold");
  const without = play(grouped);
  without.run(night);
  assert.equal(without.ask(last).ruling, "allow");
});

test("a colleague's stolen certificate ties the thief to him, also when it comes after the deed", () => {
  const played = play(byActor);
  open(played, "thief", "transform", "owner's");
  open(played, "own", "transform", "own");
  played.run(night);
  open(played, "own of load", "load", "own");
  open(played, "owner", "extract", "owner's");
  assert.equal(played.ask(last).ruling, "block", "by way of a third identity");
});

test("an opening that a person rejects says nothing any more, of anybody; a later one does", () => {
  const played = play(byActor);
  all(played, "one");
  open(played, "again", "load", "one");
  played.run(night);
  unlink(played, ["extract", "load", "transform"], ["by load"]);
  assert.equal(played.ask(last).ruling, "allow", "what was opened before is rejected with it");
  open(played, "others", "extract", "one");
  assert.equal(played.ask(last).ruling, "allow", "another's opening is no news of this one");
  open(played, "anew", "load", "one");
  const { ruling, enforced } = played.ask(last);
  assert.deepEqual([ruling, enforced[0]?.links[1]?.evidence], ["block", ["by transform", "anew"]]);
});

test("rejected between two without naming events, a key that a third holds too still holds all of them together", () => {
  const clusters = createClusters();
  const hold = (key: string, identity: string) =>
    clusters.hold({ key, identity, principal: identity, event: `${key} ${identity}` });
  for (const who of ["a", "b", "c"]) hold("k", who);
  hold("l", "a");
  hold("l", "b");
  assert.equal(clusters.split(["a", "b"], []), true, "the key that only these two hold");
  assert.deepEqual(clusters.membersOf("b"), ["a", "b", "c"]);
  assert.equal(clusters.split(["a", "b"], []), false);
  assert.equal(clusters.split(["a", "b", "c"], []), true);
  assert.deepEqual(clusters.membersOf("b"), ["b"]);
});

test("a key that more actors hold than a few ties them weakly: it may hold, not block; who is taken out makes it strong", () => {
  const played = play(byActor);
  all(played, "shared");
  for (let n = 3; n < limits.keyActorsMax; n += 1) open(played, `o${n}`, `other${n}`, "shared");
  played.run(night);
  assert.equal(played.ask(last).ruling, "block");
  open(played, "one more", "another", "shared");
  const { ruling, enforced } = played.ask(last);
  assert.deepEqual([ruling, enforced[0]?.strength], ["hold", "weak"]);
  assert.deepEqual(enforced[0]?.links[0]?.evidence, ["by extract", "by transform"]);
  unlink(played, ["another"], ["one more"]);
  assert.equal(played.ask(last).ruling, "block", "whoever thins a key out is rejected, and it is as it was");
});

test("somebody's many agents that come with one certificate are one actor: they do not make it common", () => {
  const played = play(byActor);
  all(played, "one");
  for (let n = 0; n < 20; n += 1) open(played, `a${n}`, `agent${n}`, "one", `agent of agents ${n}`, "load");
  played.run(night);
  assert.equal(played.ask(last).ruling, "block");
});

test("a correlator that goes on from what was kept knows the keys, the rejected ones too, and what is common", () => {
  const played = play(byActor);
  all(played, "one");
  for (let n = 0; n < limits.keyActorsMax + 1; n += 1) open(played, `s${n}`, `p${n}`, "shared");
  unlink(played, ["load"], ["by load"]);
  const again = createCorrelator({ limits, emit: () => undefined });
  again.restore(played.correlator.keep());
  assert.equal(again.digest(), played.correlator.digest());
  for (const entry of [opened("anew", "load", "one"), opened("more", "p", "shared")]) {
    played.fold(entry);
    again.fold(entry);
  }
  assert.equal(again.digest(), played.correlator.digest());
  assert.deepEqual([...again.keep()], [...played.correlator.keep()]);
});
