/** What policy.cedar promises: validated before it rules, an error is a block, a hold only where an approval would help. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadPolicy } from "../../infra/policy/cedar.ts";
import type { Policy, PolicyContext } from "../../infra/policy/policy.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { type Identity, identityKey } from "../../schemas/identity.ts";

const ana: Identity = {
  key: identityKey("https://id.example", "ana"),
  kind: "person",
  name: "Ana",
  groups: ["analysts"],
  onBehalfOf: [],
};
const calm: PolicyContext = {
  account: "reader",
  task: "t1",
  minute: 1440 * 20_000 + 600,
  clientAddress: "10.1.2.3:5000",
  approvals: [],
  opaque: false,
};
const table = "orders/public.customers";

function policy(text: string): Policy {
  return loadPolicy({ text, file: "policy.cedar", catalog: "c1" });
}

function refusal(text: string): string {
  try {
    policy(text);
  } catch (error) {
    assert.ok(error instanceof ThroughlineError);
    assert.equal(error.code, "policy.invalid");
    return error.message;
  }
  assert.fail("the policy was accepted");
}

const permitAll = "permit (principal, action, resource);\n";

describe("policy", () => {
  it("blocks what nothing permits", () => {
    const answer = policy("").ask(ana, "read", table, [], calm);
    assert.equal(answer.ruling, "block");
    assert.equal(answer.sentence, "No policy permits Ana to read orders/public.customers.");
  });

  it("reads groups, tags with their ancestors, containers, address and time", () => {
    const rules = policy(`
      permit (principal in Group::"analysts", action == Action::"read", resource in Target::"orders");
      forbid (principal, action, resource) when { resource.tags.contains("pii") };
      forbid (principal, action, resource in Tag::"secret");
      forbid (principal, action, resource in Resource::"orders/private");
      @id("inside") forbid (principal, action, resource)
      unless { context has clientAddress && context.clientAddress.isInRange(ip("10.0.0.0/8")) };
      @id("hours") forbid (principal, action, resource)
      when { context.time.toTime() >= duration("20h") };`);
    const ruling = (resource: string, tags: string[], change: Partial<PolicyContext> = {}) =>
      rules.ask(ana, "read", resource, tags, { ...calm, ...change }).ruling;
    assert.equal(ruling(table, []), "allow");
    assert.equal(ruling("orders", []), "allow", "a target is in itself");
    assert.equal(ruling("payroll/public.salaries", []), "block", "another target");
    assert.equal(ruling(table, ["pii.email"]), "block", "pii.email is pii");
    assert.equal(ruling(table, ["secret.key"]), "block");
    assert.equal(ruling("orders/private.notes#text", []), "block");
    assert.equal(ruling(table, [], { clientAddress: "192.168.0.1:1" }), "block");
    assert.equal(ruling(table, [], { clientAddress: "/tmp/socket" }), "block", "no address is not inside");
    assert.equal(ruling(table, [], { clientAddress: "[::ffff:a01:203]:5" }), "block");
    assert.equal(ruling(table, [], { minute: 20 * 60 }), "block", "the answer follows the clock");
    assert.equal(rules.ask({ ...ana, groups: [] }, "read", table, [], calm).ruling, "block", "groups are not kept");
    assert.equal(rules.usesTime, true);
    assert.equal(policy(permitAll).usesTime, false);
  });

  it("keeps answers apart by the tags", () => {
    const rules = policy(`${permitAll} forbid (principal, action, resource in Tag::"pii");`);
    assert.equal(rules.ask(ana, "read", table, [], calm).ruling, "allow");
    assert.equal(rules.ask(ana, "read", table, ["pii.email"], calm).ruling, "block");
  });

  it("turns an evaluation error into a block, although Cedar skips the policy", () => {
    const rules = policy(`${permitAll} @id("sum") forbid (principal, action, resource)
      when { 9223372036854775807 + 1 == 0 };`);
    const answer = rules.ask(ana, "read", table, [], calm);
    assert.equal(answer.ruling, "block");
    assert.deepEqual(answer.because, ["sum"]);
  });

  it("blocks a request that does not fit the schema", () => {
    assert.equal(policy(permitAll).ask(ana, "connect", "orders/public.customers", [], calm).ruling, "block");
  });
});

describe("holds by policy", () => {
  const held = `${permitAll}
    @id("destructive") @hold("dba:2") @reason("Deleting needs two of dba.")
    forbid (principal, action == Action::"delete", resource) unless { context.approvals.contains("dba") };`;

  it("is a hold when the approval would permit it", () => {
    const answer = policy(held).ask(ana, "delete", table, [], calm);
    assert.equal(answer.ruling, "hold");
    assert.deepEqual(answer.needs, [{ approvers: ["dba"], humans: 2 }]);
    assert.equal(answer.humans, 2);
    assert.equal(answer.sentence, "Deleting needs two of dba.");
    assert.equal(policy(held).ask(ana, "delete", table, [], { ...calm, approvals: ["dba"] }).ruling, "allow");
  });

  it("is a block when one deciding forbid has no @hold", () => {
    const text = `${held} @id("never") forbid (principal, action == Action::"delete", resource);`;
    const answer = policy(text).ask(ana, "delete", table, [], calm);
    assert.equal(answer.ruling, "block");
    assert.equal(answer.sentence, "Policy never forbids to delete orders/public.customers.");
  });

  it("is a block when the approval would not help, and when nothing permits it anyway", () => {
    const useless = `${permitAll} @hold("dba") forbid (principal, action == Action::"delete", resource);`;
    assert.equal(policy(useless).ask(ana, "delete", table, [], calm).ruling, "block");
    const unpermitted = held.replace(permitAll, "");
    assert.equal(policy(unpermitted).ask(ana, "delete", table, [], calm).ruling, "block");
  });

  it("asks for every group when two holds decide", () => {
    const text = `${held} @id("second") @hold("security") forbid (principal, action == Action::"delete", resource)
      unless { context.approvals.contains("security") };`;
    const answer = policy(text).ask(ana, "delete", table, [], calm);
    assert.equal(answer.ruling, "hold");
    assert.equal(answer.humans, 3);
    assert.deepEqual([...answer.because].sort(), ["destructive", "second"]);
  });
});

describe("policies in observe mode", () => {
  it("are recorded and not obeyed", () => {
    const answer = policy(`${permitAll} @id("try") @mode("observe") forbid (principal, action, resource);`).ask(
      ana,
      "read",
      table,
      [],
      calm,
    );
    assert.equal(answer.ruling, "allow");
    assert.deepEqual(answer.observed, ["try"]);
  });

  it("do not permit either", () => {
    const answer = policy(`@id("try") @mode("observe") permit (principal, action, resource);`).ask(
      ana,
      "read",
      table,
      [],
      calm,
    );
    assert.equal(answer.ruling, "block");
    assert.deepEqual(answer.observed, ["try"]);
  });
});

describe("a policy file with an error", () => {
  it("names file and line", () => {
    assert.match(refusal(`${permitAll}\n\npermit (princpal);`), /^policy\.cedar:4: /);
    assert.match(
      refusal(`// ä ö ü\n${permitAll}forbid (principal, action == Action::"raed", resource);`),
      /^policy\.cedar:3: /,
    );
  });

  it("is refused for attributes that may be missing", () => {
    assert.match(refusal(`forbid (principal, action, resource) when { context.clientAddress.isLoopback() };`), /:1: /);
    assert.match(
      refusal(`${permitAll}forbid (principal, action, resource) when { principal.role == "x" };`),
      /:2: .*role/,
    );
  });

  it("is refused for annotations that would be ignored, unreachable policies, twice the same id, templates", () => {
    assert.match(
      refusal(`${permitAll}@hodl("dba") forbid (principal, action, resource);`),
      /:2: unknown annotation @hodl/,
    );
    assert.match(refusal(`@hold("dba:0") forbid (principal, action, resource);`), /1 to 9 humans/);
    assert.match(refusal(`@hold("dba") permit (principal, action, resource);`), /belongs on a forbid/);
    assert.match(refusal(`@mode("off") permit (principal, action, resource);`), /"observe" or "enforce"/);
    assert.match(refusal(`forbid (principal, action == Action::"connect", resource is Product);`), /:1: /);
    assert.match(refusal(`@id("a") ${permitAll}@id("a") ${permitAll}`), /:2: two policies have the id a/);
    assert.match(refusal(`permit (principal == ?principal, action, resource);`), /:1: templates/);
  });

  it("keeps the names of unnamed policies in the order of the file", () => {
    const text = Array.from(
      { length: 12 },
      (_, index) => `permit (principal == Identity::"i${index}", action, resource);`,
    );
    const answer = policy(text.join("\n")).ask({ ...ana, key: identityKey("", "x") }, "read", table, [], calm);
    assert.equal(answer.ruling, "block");
    const tenth = policy(text.join("\n").replace('"i10"', `"${ana.key}"`)).ask(ana, "read", table, [], calm);
    assert.deepEqual(tenth.because, ["policy10"]);
  });
});

describe("the version", () => {
  it("changes with the policies and with the catalog", () => {
    const versions = [
      loadPolicy({ text: permitAll, file: "p", catalog: "c1" }).version,
      loadPolicy({ text: permitAll, file: "p", catalog: "c2" }).version,
      loadPolicy({ text: `${permitAll} // more`, file: "p", catalog: "c1" }).version,
    ];
    assert.equal(new Set(versions).size, 3);
  });
});
