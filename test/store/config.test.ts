/** What the configuration of a store may say. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "../../infra/config.ts";

const read = (store: string) =>
  readConfig(
    `
tenant: demo
name: one
data: ./data
policy: policy.cedar
catalog: catalog.yaml
rules: rules
gateway: { postgres: "127.0.0.1:6432", requireTls: false }
api: { listen: "127.0.0.1:8080", url: "http://127.0.0.1:8080", sessionHours: 8 }
identity: { issuer: "https://id.example", clientId: c, audience: a, groupsClaim: groups, allowInsecure: false }
grants: { hours: 8 }
holds: { mode: wait, waitSeconds: 60, approvers: [owners] }
targets:
  - { name: orders, kind: postgres, address: "127.0.0.1:5432", database: orders, tls: disable, catalogAccount: o, opaque: hold, mode: enforce, accounts: { o: { user: o } } }
store: ${store}
`,
    "/etc/tl/throughline.yaml",
  ).store;

const server = (url: string, more = "") =>
  `{ server: { url: "${url}", database: throughline_demo, user: u, passwordFile: secret/store${more} } }`;

test("a server is named with files relative to the configuration; retention stands beside it or alone", () => {
  const found = read(server("https://ch.example:8443", ", caFile: ca.pem, cluster: main"));
  assert.equal(found?.server?.passwordFile, "/etc/tl/secret/store");
  assert.equal(found?.server?.caFile, "/etc/tl/ca.pem");
  assert.deepEqual(read("{ retention: { activityDays: 400 } }"), { retention: { activityDays: 400 } });
});

test("clear text does not cross a network without TLS unless somebody says so", () => {
  assert.throws(() => read(server("http://ch.example:8123")), /store\.server\.url: clear text .* https/);
  assert.throws(() => read(server("http://127.0.0.1.example:8123")), /https/);
  assert.ok(read(server("http://127.0.0.1:8123"))?.server);
  assert.ok(read(server("http://ch.example:8123", ", allowInsecure: true"))?.server);
});

test("a name that would become part of a statement has no room for more than a name", () => {
  assert.throws(() => read(server("https://ch.example", ', cluster: "x\' ON"')), /store\.server\.cluster/);
  assert.throws(
    () => read(server("https://ch.example").replace("throughline_demo", "'a`b'")),
    /store\.server\.database/,
  );
  assert.throws(() => read(server("https://user:secret@ch.example")), /store\.server\.url/);
});
