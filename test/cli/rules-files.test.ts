/** `throughline rules …` over files and folders as people leave them: nothing that was asked for is passed over in silence. */
import assert from "node:assert/strict";
import { type ExecFileException, execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";

const program = join(import.meta.dirname, "..", "..", "services/main.ts");
const detection = (name: string) =>
  `title: ${name}\nname: ${name}\nlogsource: { product: throughline, category: command }\ndetection: { s: { operation: ${name} }, condition: s }\n`;
const chain = `title: both
name: both
correlation: { type: temporal_ordered, rules: [read, delete], timespan: 1m }
tests:
  - { given: "0s a read o/p.x", when: "1s b delete o/p.x", expect: alert }
`;
const catalog = "- { resource: t, tags: [pii] }\n";
const events = ["read", "delete"]
  .map((operation, at) => JSON.stringify({ id: `e${at}`, time: "2026-01-01T00:00:00Z", account: "a", operation }))
  .join("\n");
const fired = '{"rule":"both","event":"e1","action":"alert","chain":["e0","e1"]}\n';

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "throughline-rules-files-"));
});
after(() => rm(folder, { recursive: true }));

/** Writes files in a folder of their own, by name. @returns what `throughline rules` says of the words, @ being that folder */
async function said(
  name: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  words: readonly string[],
): Promise<{ code: number; out: string; err: string }> {
  const at = join(folder, name);
  await mkdir(at, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(at, path)), { recursive: true });
    await writeFile(join(at, path), text);
  }
  const told = words.map((word) => word.replace("@", at));
  return await new Promise((done) => {
    const end = (error: ExecFileException | null, out: string, err: string) =>
      done({ code: Number(error?.code ?? 0), out, err: err.replaceAll(at, "@") });
    execFile(process.execPath, [program, "rules", ...told], end);
  });
}

const run = (...rules: string[]) => ["run", ...rules, "--catalog", "@/catalog.yaml", "@/events.ndjson"];
const usual = { "catalog.yaml": catalog, "events.ndjson": `${events}\n` };

test("rules test reads of the files beside only those that hold a rule which is named", async () => {
  const beside = {
    ...usual,
    "docker-compose.yml": "services: {}\n",
    "broken.yml": "title: [\n",
    "latin.yml": Buffer.from("title: Jörg\n", "latin1"),
    "both.yml": chain,
    "steps.yml": `${detection("read")}---\n${detection("delete")}`,
  };
  const { code, out, err } = await said("beside", beside, ["test", "@/both.yml"]);
  assert.deepEqual({ code, out, err }, { code: 0, out: "ok      both: 1\n", err: "" });
});

test("rules test says what it left out when a rule is missing", async () => {
  const broken = { "both.yml": chain, "latin.yml": Buffer.from([0xf6]) };
  const only = await said("broken", broken, ["test", "@/both.yml"]);
  assert.match(only.err, /^left out: @\/latin\.yml:1: is not UTF-8/);
  const { code, err } = await said("missing", { ...usual, ...broken }, ["test", "@/both.yml"]);
  assert.equal(code, 1);
  assert.match(err, /^left out: @\/catalog\.yaml: holds no rule\nleft out: @\/latin\.yml:1: is not UTF-8/);
  assert.match(err, /both\.yml:3: correlation\.rules\.0: no rule has the name or id "read" in the files given/);
});

test("a folder stands for the rules in it and below, but not in hidden ones", async () => {
  const files = {
    ...usual,
    "rules/both.yml": chain,
    "rules/steps/read.yml": detection("read"),
    "rules/steps/more/delete.yaml": detection("delete"),
    "rules/.git/x.yml": "title: [\n",
  };
  const { out, err } = await said("nested", files, run("@/rules"));
  assert.equal(out, fired, err);
});

test("a folder or a file without a rule is an error", async () => {
  const files = { ...usual, "none/readme.txt": "x", "empty.yml": "# nothing\n" };
  const none = await said("none", files, run("@/none"));
  assert.match(none.err, /@\/none: holds no rule file/);
  const empty = await said("none", files, ["explain", "@/empty.yml"]);
  assert.match(empty.err, /@\/empty\.yml:1: holds no rule: delete the file if none is meant/);
  assert.deepEqual([none.code, empty.code], [1, 1]);
});

test("what is not UTF-8 is refused in rules, catalog and events, each with its name", async () => {
  const good = { ...usual, "rules.yml": detection("read") };
  const latin = Buffer.from(`${detection("read")}author: Jörg\n`, "latin1");
  const cases: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ["rules.yml", latin, /rule\.invalid.*: @\/rules\.yml:5: is not UTF-8: save the file as UTF-8/],
    ["catalog.yaml", Buffer.from(`\uFEFF${catalog}`, "utf16le"), /catalog\.invalid.*: @\/catalog\.yaml:1: is UTF-16/],
    ["events.ndjson", Buffer.from(`\uFEFF${events}`, "utf16le"), /@\/events\.ndjson:1: is UTF-16: save it as UTF-8/],
    ["rules.yml", `${detection("read")}author: "\0"\n`, /@\/rules\.yml:5: holds a zero byte/],
  ];
  for (const [at, [name, bytes, message]] of cases.entries()) {
    const { code, err } = await said(`bytes${at}`, { ...good, [name]: bytes }, run("@/rules.yml"));
    assert.equal(code, 1);
    assert.match(err, message);
  }
});
