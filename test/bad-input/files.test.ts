/** A file of the operator's with an error: the program says where, and what to do, ends, and has made nothing. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { secretsOf, writeFiles } from "../demo/files.ts";
import { attempt } from "./attempt.ts";

let folder: string;
let good: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "throughline-files-"));
  good = join(folder, "good");
  const ports = { postgres: 1, gateway: 2, api: 3, provider: 4, alerts: 5, operations: 6, apiOperations: 7 };
  await cp(join(import.meta.dirname, "..", "..", "infra/deploy/demo/policy.cedar"), join(good, "policy.cedar"));
  await writeFiles({
    folder: good,
    ports,
    secrets: await secretsOf(good),
    issuer: "http://127.0.0.1:4",
    api: "http://127.0.0.1:3",
    holdSeconds: 60,
  });
  await change(join(good, "throughline.yaml"), (text) => text.replace(/^policy: .*$/m, "policy: policy.cedar"));
});
after(() => rm(folder, { recursive: true }));

async function change(file: string, how: (text: string) => string): Promise<void> {
  const text = await readFile(file, "utf8");
  const changed = how(text);
  assert.notEqual(changed, text, `nothing was changed in ${file}`);
  await writeFile(file, changed);
}

const rule = "rules/read-transform-delete.yml";
const errors: readonly [name: string, file: string, how: (text: string) => string, said: RegExp][] = [
  [
    "throughline.yaml with a mistyped key",
    "throughline.yaml",
    (text) => text.replace("  requireTls:", "  requireTLS:"),
    /config\.invalid: [\s\S]*throughline\.yaml:10: gateway\.requireTLS: .*did you mean "requireTls"/,
  ],
  [
    "throughline.yaml that is no YAML",
    "throughline.yaml",
    (text) => text.replace("targets:", "targets: [}"),
    /config\.invalid: .*throughline\.yaml:\d+:\d*:? /,
  ],
  [
    "throughline.yaml with a value of another kind",
    "throughline.yaml",
    (text) => text.replace("waitSeconds: 60", "waitSeconds: soon"),
    /config\.invalid: .*throughline\.yaml:\d+: holds\.waitSeconds: /,
  ],
  [
    "a policy that does not parse",
    "policy.cedar",
    (text) => text.replace('@id("investigators")\npermit (', '@id("investigators")\npermitt ('),
    /policy\.invalid: .*policy\.cedar:\d+/,
  ],
  [
    "a policy with an attribute that does not exist",
    "policy.cedar",
    (text) => text.replace("context.account ==", "context.acount =="),
    /policy\.invalid: .*policy\.cedar:\d+/,
  ],
  [
    "a catalog with an unknown key",
    "catalog.yaml",
    (text) => text.replace("tags:", "tag:"),
    /catalog\.invalid: .*catalog\.yaml:\d+/,
  ],
  ["a catalog that is no YAML", "catalog.yaml", (text) => `${text}\n- {`, /catalog\.invalid: .*catalog\.yaml:\d+/],
  ["a rule with a mistyped key", rule, (text) => text.replace("timespan:", "timespam:"), /rule\.invalid: .*yml:\d+/],
  ["a rule that is no YAML", rule, (text) => `${text}\n  : [`, /rule\.invalid: .*yml:\d+/],
  [
    "a rule that names a rule that is not there",
    rule,
    (text) => text.replace("rules: [pii_read, ", "rules: [pii_reed, "),
    /rule\.invalid: .*yml:\d+.*pii_reed/,
  ],
];

for (const [name, file, how, said] of errors) {
  test(`${name}: exit 1, the place and what to do on the error output, nothing made`, async () => {
    const bad = await mkdtemp(join(folder, "bad-"));
    await cp(good, bad, { recursive: true });
    await change(join(bad, file), how);
    const config = join(bad, "throughline.yaml");
    const [{ code, out, err }, check] = await Promise.all([
      attempt("gateway", "correlator", "--config", config),
      attempt("config", "check", config),
    ]);
    assert.equal(code, 1, err);
    assert.equal(out, "");
    assert.match(err, said);
    assert.match(err, /\n {2}\S.*/, "a hint");
    assert.doesNotMatch(err, /\n\s+at /, "no stack: it is the operator's mistake, not a bug");
    assert.ok(!existsSync(join(bad, "throughline")), "the data folder was made");
    assert.equal(check.code, 1, "config check finds it too");
    assert.match(check.out + check.err, new RegExp(`${basename(file).replaceAll(".", "\\.")}:\\d+`));
  });
}

test("a configuration file that is not there", async () => {
  const { code, err } = await attempt("gateway", "correlator", "--config", join(folder, "none.yaml"));
  assert.equal(code, 1);
  assert.match(err, /config\.unreadable: .*none\.yaml/);
});

test("roles that do not run together", async () => {
  const { code, err } = await attempt("gateway", "api", "--config", join(good, "throughline.yaml"));
  assert.equal(code, 1);
  assert.match(err, /config\.invalid: .*gateway correlator/);
});
