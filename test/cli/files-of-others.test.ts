/** `throughline rules run` over files as other tools and other systems write them. */
import assert from "node:assert/strict";
import { type ExecFileException, execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";

const program = join(import.meta.dirname, "..", "..", "services/main.ts");
const detection = (name: string) =>
  `title: ${name}\nname: ${name}\nlogsource: { product: throughline, category: command }\ndetection: { s: { operation: ${name} }, condition: s }\n`;
const rules = [
  detection("read"),
  detection("delete"),
  "title: both\nname: both\ncorrelation: { type: temporal_ordered, rules: [read, delete], timespan: 1m }\n",
].join("---\n");
const event = (id: string, operation: string) =>
  JSON.stringify({ id, time: "2026-01-01T00:00:00Z", identity: "zoë", account: "a\u2028b", operation });
const [read, remove] = [event("e1", "read"), event("e2", "delete")];
const fired = '{"rule":"both","event":"e2","action":"alert","chain":["e1","e2"]}\n';

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "throughline-files-"));
});
after(() => rm(folder, { recursive: true }));

interface Given {
  readonly events?: string | Uint8Array;
  readonly name?: string;
  readonly rules?: string;
  readonly catalog?: string;
}

async function outcome(given: Given): Promise<string> {
  const {
    events = `${read}\n${remove}\n`,
    name = "events.ndjson",
    catalog = "- { resource: t, tags: [pii] }\n",
  } = given;
  const paths = ["rules.yml", "catalog.yaml", name].map((file) => join(folder, file));
  const [rulesAt = "", catalogAt = "", eventsAt = ""] = paths;
  await writeFile(rulesAt, given.rules ?? rules);
  await writeFile(catalogAt, catalog);
  if (name !== "-") await writeFile(eventsAt, events);
  const words = [program, "rules", "run", rulesAt, "--catalog", catalogAt, name === "-" ? "-" : eventsAt];
  return await new Promise((done) => {
    const told = (error: ExecFileException | null, out: string, err: string) => done(error === null ? out : err);
    const child = execFile(process.execPath, words, told);
    child.stdin?.end(name === "-" ? events : "");
  });
}

test("Windows line ends, byte order marks and empty lines are no part of what is read, in any of the three files", async () => {
  const windows = (text: string) => `\uFEFF${text.replaceAll("\n", "\r\n")}`;
  const given = {
    events: windows(`${read}\n\n  \n${remove}`),
    rules: windows(rules),
    catalog: windows("- { resource: t, tags: [pii] }\n"),
  };
  assert.equal(await outcome(given), fired);
});

test("events come from standard input too, and packed", async () => {
  assert.equal(await outcome({ name: "-" }), fired);
  assert.equal(await outcome({ name: "events.ndjson.gz", events: gzipSync(`${read}\n${remove}\n`) }), fired);
  const cut = gzipSync(`${read}\n${remove}\n`).subarray(0, -9);
  assert.match(await outcome({ name: "cut.ndjson.gz", events: cut }), /cut\.ndjson\.gz cannot be read/);
});

test("bytes that are no UTF-8 are refused with their line: two names must not become one", async () => {
  const latin = Buffer.from(`${read}\n${remove}\n`.replaceAll("\u2028", ""), "latin1");
  assert.match(await outcome({ events: latin }), /line 1 or soon after: is not UTF-8/);
});
