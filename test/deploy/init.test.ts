/** What the compose file's `init` makes: everybody's own, nobody else's, and the same again when it runs again. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, test } from "node:test";
import { root } from "./files.ts";

const out = mkdtempSync(join(tmpdir(), "throughline-init-"));
after(() => rmSync(out, { recursive: true }));
const run = (what: string) =>
  execFileSync(process.execPath, [join(root, "infra/deploy/docker/init.ts"), out, what], { encoding: "utf8" });

/** Path → content. */
function found(): Map<string, string> {
  const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).toSorted();
  return new Map(paths.map((path) => [relative(out, path), readFileSync(path, "latin1")]));
}

const of = (name: string) =>
  [...found().keys()].filter((path) => path.startsWith(`${name}/`)).map((path) => path.slice(name.length + 1));

test("it says nothing, and what it made stays when it runs again", () => {
  assert.equal(run("make"), "");
  const first = found();
  assert.equal(run("make"), "");
  assert.deepEqual(found(), first);
});

test("each process finds its own signing keys, and the passwords of what its roles reach", () => {
  const shared = ["objects/access-key", "objects/secret-key", "sources.json"];
  const targets = ["analyst", "catalog", "extract", "load", "transform"].map((account) => `targets/${account}`);
  for (const name of ["gw1", "gw2"])
    assert.deepEqual(of(name), [
      `keys/gateway-${name}.pem`,
      "keys/grant.keys",
      `keys/log-${name}.pem`,
      "keys/master.key",
      ...shared,
      ...targets,
    ]);
  for (const name of ["c1", "c2"])
    assert.deepEqual(of(name), [`keys/correlator-${name}.pem`, `keys/log-${name}.pem`, "sources.json"]);
  const keys = ["api-p1.pem", "grant.keys", "log-p1-archive.pem", "log-p1.pem", "master.key", "projector-p1.pem"];
  assert.deepEqual(of("p1"), [...keys.map((key) => `keys/${key}`), ...shared, "timelines/password"]);
});

test("no two passwords are the same, no private key is in two containers, and only the owner may read", () => {
  const files = found();
  const accounts = [...files]
    .filter(([path]) => /^orders\/|^trust\/(timelines|secret-key)$/.test(path))
    .map(([, text]) => text);
  assert.equal(accounts.length, 8);
  assert.equal(new Set(accounts).size, accounts.length);
  for (const text of accounts) assert.ok(text.length >= 32);
  const keys = [...files]
    .filter(([path]) => path.endsWith(".pem") && !path.startsWith("trust/"))
    .map(([, text]) => text);
  assert.equal(new Set(keys).size, keys.length);
  for (const path of files.keys())
    if (path !== join("trust", "sources.json")) assert.equal(statSync(join(out, path)).mode & 0o077, 0, path);
});

test("the server of timelines is told a hash and the rights of one database; the storage those of one bucket", () => {
  const files = found();
  const xml = files.get("timelines/throughline.xml") ?? "";
  const password = files.get("p1/timelines/password") ?? "";
  assert.ok(xml.includes(createHash("sha256").update(password).digest("hex")));
  assert.equal(xml.includes(password), false);
  assert.match(xml, /<default remove="remove"\/>/);
  assert.match(xml, /<query>GRANT [A-Z, ]+ ON throughline_demo\.\*<\/query>/);
  assert.doesNotMatch(xml, /ON \*\.\*|GRANT OPTION|access_management/);
  const { identities } = JSON.parse(files.get("objects/s3.json") ?? "") as { identities: { actions: string[] }[] };
  assert.deepEqual(
    identities.map(({ actions }) => actions),
    [["Read:throughline", "Write:throughline", "List:throughline"]],
  );
});

test("the realm has a public client with PKCE, jobs with secrets of their own, and no administrator", () => {
  const text = found().get("identity/throughline-realm.json") ?? "";
  const realm = JSON.parse(text) as {
    clients: {
      clientId: string;
      publicClient: boolean;
      secret?: string;
      directAccessGrantsEnabled: boolean;
      attributes?: Record<string, string>;
    }[];
    users: { username: string; realmRoles?: string[]; credentials?: { value: string }[] }[];
  };
  const [first, ...jobs] = realm.clients;
  assert.equal(first?.publicClient, true);
  assert.equal(first?.attributes?.["pkce.code.challenge.method"], "S256");
  for (const { directAccessGrantsEnabled } of realm.clients) assert.equal(directAccessGrantsEnabled, false);
  assert.deepEqual(
    jobs.map(({ clientId }) => clientId),
    ["extract", "transform", "load"],
  );
  const secrets = [
    ...jobs.map(({ secret }) => secret),
    ...realm.users.flatMap(({ credentials = [] }) => credentials.map(({ value }) => value)),
  ];
  assert.equal(new Set(secrets).size, 7);
  assert.doesNotMatch(text, /realm-admin|"admin"/);
  const shown = run("passwords");
  for (const secret of secrets) assert.ok(secret && shown.includes(secret));
});
