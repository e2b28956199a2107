import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "../../infra/config.ts";
import { ThroughlineError } from "../../schemas/errors.ts";

const good = `
tenant: demo
name: one
data: ./data
policy: policy.cedar
catalog: catalog.yaml
rules: rules
gateway: { postgres: "127.0.0.1:6432", requireTls: false }
api: { listen: "127.0.0.1:8080", url: "http://127.0.0.1:8080", sessionHours: 8 }
identity: { issuer: "http://127.0.0.1:9000", clientId: console, audience: throughline, groupsClaim: groups, allowInsecure: true }
grants: { hours: 8 }
holds: { mode: wait, waitSeconds: 60, approvers: [owners] }
targets:
  - name: orders
    kind: postgres
    address: 127.0.0.1:5432
    database: orders
    tls: disable
    catalogAccount: owner
    opaque: hold
    mode: enforce
    accounts:
      owner: { user: owner, passwordFile: owner.secret }
`;

function complaint(text: string): string {
  try {
    readConfig(text, "/etc/tl/throughline.yaml");
  } catch (error) {
    assert.ok(error instanceof ThroughlineError);
    return error.message;
  }
  return "";
}

test("a good configuration loads, with paths made absolute from its own folder", () => {
  const config = readConfig(good, "/etc/tl/throughline.yaml");
  assert.equal(config.data, "/etc/tl/data");
  assert.equal(config.targets[0]?.accounts.owner?.passwordFile, "/etc/tl/owner.secret");
});

test("a mistyped key is an error that names file, line and the key that was meant", () => {
  assert.match(
    complaint(good.replace("opaque: hold", "opaqe: hold")),
    /throughline\.yaml:20: targets\.0\.opaqe: unknown key; did you mean "opaque"\?/,
  );
});

test("a wrong value, a duplicate target and a missing account are each named", () => {
  assert.match(
    complaint(good.replace("tls: disable", "tls: maybe")),
    /:18: targets\.0\.tls: must be disable or require or verify/,
  );
  assert.match(
    complaint(good.replace("catalogAccount: owner", "catalogAccount: nobody")),
    /:19: .*none of accounts: owner/,
  );
  const twice = good + good.slice(good.indexOf("  - name"));
  assert.match(complaint(twice), /named twice/);
});

test("an http issuer needs the development flag, and requireTls needs a certificate", () => {
  assert.match(complaint(good.replace("allowInsecure: true", "allowInsecure: false")), /https/);
  assert.match(complaint(good.replace("requireTls: false", "requireTls: true")), /needs gateway\.tls/);
});

test("text that is not YAML, or has a key twice, is refused with its line", () => {
  assert.match(complaint("tenant: [unclosed"), /throughline\.yaml:1/);
  assert.match(complaint(`${good}\ntenant: other\n`), /throughline\.yaml:25/);
});

test("client certificates need their CA, whose path is made absolute; another word for optional is refused", () => {
  const tls = (more: string) =>
    good.replace("requireTls: false", `requireTls: true, tls: { certFile: a, keyFile: b${more} }`);
  assert.match(complaint(tls(", clientCertificate: required")), /gateway\.tls\.clientCertificate: needs clientCaFile/);
  assert.match(complaint(tls(", clientCaFile: c, clientCertificate: maybe")), /must be optional or required/);
  assert.deepEqual(readConfig(tls(", clientCaFile: c, clientCertificate: required"), "/etc/tl/x.yaml").gateway.tls, {
    certFile: "/etc/tl/a",
    keyFile: "/etc/tl/b",
    clientCaFile: "/etc/tl/c",
    clientCertificate: "required",
  });
});
