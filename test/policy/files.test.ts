/** Policy, catalog, rules and configuration as they stand in files: nothing there is passed over or read as something else. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, open, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadConfig } from "../../infra/config.ts";
import { readPolicyFiles } from "../../services/main-policy.ts";

const root = new URL("../..", import.meta.url).pathname;
const rule = `title: r
logsource: { product: throughline, category: command }
detection: { s: { operation: read }, condition: s }
`;
const latin = Buffer.from("# Jörg\n", "latin1");

let folder: string;
let at: { policy: string; catalog: string; rules: string };

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "throughline-files-"));
  at = { policy: join(folder, "policy.cedar"), catalog: join(folder, "catalog.yaml"), rules: join(folder, "rules") };
  await cp(join(root, "infra/deploy/demo/policy.cedar"), at.policy);
  await cp(join(root, "infra/deploy/demo/catalog.yaml"), at.catalog);
  await mkdir(at.rules);
  await writeFile(join(at.rules, "r.yml"), rule);
});
after(() => rm(folder, { recursive: true }));

/** The file is there for one reading. */
async function refused(path: string, text: string | Uint8Array, code: string, message: RegExp): Promise<void> {
  const full = join(folder, path);
  await writeFile(full, text);
  await assert.rejects(readPolicyFiles(at), (error: Error & { code?: string }) => {
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
  await rm(full);
}

test("a rule file without a rule is refused by name; a folder without files has no rules", async () => {
  await refused("rules/cut.yml", "", "rule.invalid", /rules\/cut\.yml:1: holds no rule/);
  assert.equal((await readPolicyFiles(at)).rules.rules.length, 1);
  const rules = join(folder, "none");
  await mkdir(rules);
  assert.equal((await readPolicyFiles({ ...at, rules })).rules.rules.length, 0);
});

test("rules in a folder inside are refused, for they are not read; folders that begin with a dot are mounts", async () => {
  await mkdir(join(at.rules, "more/deep"), { recursive: true });
  assert.equal((await readPolicyFiles(at)).rules.rules.length, 1);
  await refused("rules/more/deep/r.yaml", rule, "rule.invalid", /rules\/more\/deep\/r\.yaml: is not read; move it to/);
  await mkdir(join(at.rules, "..data"));
  await writeFile(join(at.rules, "..data/mounted.yml"), rule.replace("title: r", "title: mounted"));
  await symlink("..data/mounted.yml", join(at.rules, "mounted.yml"));
  assert.equal((await readPolicyFiles(at)).rules.rules.length, 2);
});

test("what is not UTF-8 is refused with file and line, whichever file it is", async () => {
  await refused("rules/latin.yml", latin, "rule.invalid", /latin\.yml:1: is not UTF-8/);
  await refused("pipelines.yaml", latin, "pipeline.invalid", /pipelines\.yaml:1: is not UTF-8/);
  const other = join(folder, "other");
  await writeFile(other, Buffer.concat([Buffer.from("\n\n"), latin]));
  await assert.rejects(readPolicyFiles({ ...at, policy: other }), { code: "policy.invalid" });
  await assert.rejects(readPolicyFiles({ ...at, catalog: other }), /other:3: is not UTF-8/);
  await assert.rejects(loadConfig(other), {
    code: "config.invalid",
    message: `${other}:3: is not UTF-8: save the file as UTF-8`,
  });
});

test("files that are replaced while they are read make no set that nobody wrote", async () => {
  const policy = await readFile(at.policy, "utf8");
  const catalog = await readFile(at.catalog, "utf8");
  const [newPolicy, newCatalog] = [`${policy}\n// new\n`, `${catalog}\n# new\n`];
  await rm(at.catalog);
  execFileSync("mkfifo", ["-m", "600", at.catalog]);
  const read = readPolicyFiles(at);
  // Opened when its reader is there: by then the old policy has been read.
  const pipe = await open(at.catalog, "w");
  for (const [path, text] of [
    [at.policy, newPolicy],
    [at.catalog, newCatalog],
  ] as const) {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }
  await pipe.writeFile(newCatalog);
  await pipe.close();
  const { texts } = await read;
  assert.equal(texts["policy.cedar"], newPolicy);
  assert.equal(texts["catalog.yaml"], newCatalog);
});
