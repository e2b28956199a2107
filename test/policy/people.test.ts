import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { People } from "../../infra/policy/people.ts";
import { person } from "../gate/world.ts";

const told = (type: Entry["type"], data: unknown): Entry =>
  ({ type, id: "e", atMs: 0, source: "api/a", role: "api", subject: {}, data }) as Entry;

describe("people", () => {
  it("have the groups of their last log-in, not those that an older Grant's session carries", () => {
    const people = new People();
    const [before, now] = [person("olga", "owners"), person("olga")];
    people.fold(told("session.opened", { identity: before }));
    assert.equal(people.inGroups(["owners"]).length, 1, "somebody met in a session only");
    people.fold(told("identity.logged_in", { identity: now }));
    people.fold(told("session.opened", { identity: before }));
    assert.equal(people.inGroups(["owners"]).length, 0);
    assert.equal(people.named(now.key).name, now.name);
    assert.equal(people.named("https://id|nobody").name, "nobody");
  });

  it("are one human by strong links only, however the links come", () => {
    const people = new People();
    people.fold(told("identity.linked", { identities: ["c", "b"], strength: "strong" }));
    people.fold(told("identity.linked", { identities: ["a", "b"], strength: "strong" }));
    people.fold(told("identity.linked", { identities: ["a", "d"], strength: "weak" }));
    assert.deepEqual(people.linkedTo(["c"]), ["a", "b", "c"]);
    assert.equal(people.humanOf("c"), "a");
    assert.equal(people.humanOf("d"), "d");
  });

  it("are one human by the key of one certificate, and stay it for answers when that is rejected", () => {
    const people = new People();
    const certificate = { key: "ab".repeat(32), subject: "", issuer: "", serial: "", notAfterMs: 0 };
    const open = (name: string) => people.fold(told("session.opened", { identity: person(name), certificate }));
    const [ana, eva] = [person("ana").key, person("eva").key];
    open("ana");
    assert.deepEqual(people.linkedTo([ana]), [ana]);
    open("eva");
    assert.deepEqual(people.linkedTo([ana]), [ana, eva]);
    people.fold(told("identity.unlinked", { identities: [ana, eva], links: ["e"], by: "olga", reason: "a kiosk" }));
    assert.deepEqual(people.linkedTo([eva]), [ana, eva], "rejecting a link makes nobody an approver");
    open("uma");
    assert.deepEqual(people.linkedTo([person("uma").key]), [person("uma").key], "what was rejected ties nobody new");
    const again = new People();
    again.restore(people.kept());
    for (const one of [people, again]) one.fold(told("session.opened", { identity: person("zoe"), certificate }));
    assert.equal(people.linkedTo([person("zoe").key]).length, 2);
    assert.deepEqual(again.linkedTo([person("zoe").key]), people.linkedTo([person("zoe").key]));
  });

  it("are not made one by a certificate that the whole house uses", () => {
    const people = new People();
    const certificate = { key: "ab".repeat(32), subject: "", issuer: "", serial: "", notAfterMs: 0 };
    for (let n = 0; n < 20; n += 1) people.fold(told("session.opened", { identity: person(`p${n}`), certificate }));
    assert.equal(people.linkedTo([person("p19").key]).length, 1);
    assert.equal(people.linkedTo([person("p0").key]).length, 6, "it was not known yet of the first");
  });
});
