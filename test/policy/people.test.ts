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
});
