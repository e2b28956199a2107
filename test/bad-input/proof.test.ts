/** Proof from end to end by the program itself: exported by an auditor, verified elsewhere with keys had another way. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { TimelinePage } from "../../schemas/api.ts";
import { eventually } from "../demo/cast.ts";
import { type Terminal, throughline } from "../demo/command-line.ts";
import { type Stage, setStage } from "../demo/play.ts";
import { startWorld, type World } from "../demo/world.ts";
import { attempt } from "./attempt.ts";

let folder: string;
let world: World;
let stage: Stage;
let auditor: Terminal;
let out: string;
let key: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "throughline-proof-"));
  world = await startWorld({ folder });
  stage = await setStage(world);
  for (let n = 0; n < 20; n += 1) await stage.actors.load.client.query(`SELECT ${n}`);
  auditor = await throughline(world, "ivan");
  out = join(folder, "out");
  key = join(folder, "sources.json");
  await copyFile(join(folder, "throughline", "keys", "sources.json"), key);
  await auditor.run("export", "--since", "1d", "--out", out);
});
after(async () => {
  await auditor?.close();
  await stage?.leave();
  await world?.stop();
  await rm(folder, { recursive: true });
});

const verified = (of: string) => attempt("verify", of, "--key", key);

/** A copy of the export whose lines were changed. */
async function changed(change: (lines: string[]) => string[]): Promise<string> {
  const copy = await mkdtemp(join(folder, "changed-"));
  await cp(out, copy, { recursive: true });
  const path = join(copy, "records.ndjson");
  const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
  await writeFile(path, `${change(lines).join("\n")}\n`);
  return copy;
}

test("an export as it came is intact, names the keys it trusted, and says what it cannot know", async () => {
  const { code, out: said, err } = await verified(out);
  assert.equal(code, 0, err);
  assert.match(said, /^intact {2}/);
  assert.match(said, /trusted +gateway\/one [0-9a-f]{64}/);
  assert.match(said, /cannot know {2}/);
});

const changes: readonly [name: string, change: (lines: string[]) => string[]][] = [
  [
    "one changed byte",
    (lines) =>
      lines.map((line, at) =>
        at === 30 ? line.replace(/[0-9](?=[^0-9]*$)/, (digit) => (digit === "1" ? "2" : "1")) : line,
      ),
  ],
  [
    "one changed byte inside an event",
    (lines) => lines.map((line) => line.replace(/\\"account\\":\\"load\\"/, '\\"account\\":\\"toad\\"')),
  ],
  ["one removed line", (lines) => lines.toSpliced(40, 1)],
  ["the first line removed", (lines) => lines.slice(1)],
  ["two swapped lines", (lines) => lines.toSpliced(40, 2, lines[41] ?? "", lines[40] ?? "")],
  ["a repeated line", (lines) => lines.toSpliced(40, 0, lines[40] ?? "")],
  ["a removed tail", (lines) => lines.slice(0, -25)],
  ["only the last line removed", (lines) => lines.slice(0, -1)],
  ["everything removed", () => []],
  ["a line that is no JSON", (lines) => lines.toSpliced(40, 1, "{")],
];

for (const [name, change] of changes) {
  test(`${name}: exit 1`, async () => {
    const { code, out: said, err } = await verified(await changed(change));
    assert.equal(code, 1, said);
    assert.match(err, /export\.damaged/);
    assert.doesNotMatch(said, /^intact/);
    assert.doesNotMatch(err, /\n\s+at /);
  });
}

test("a tail cut off by who makes the manifest anew is seen, or is said not to be knowable beyond the last position", async () => {
  for (const cut of [1, 5, 12, 25, 40]) {
    const copy = await changed((lines) => lines.slice(0, -cut));
    const path = join(copy, "manifest.json");
    const text = await readFile(join(copy, "records.ndjson"), "utf8");
    const lines = text.trimEnd().split("\n");
    const { position } = JSON.parse(lines.at(-1) ?? "") as { position: string };
    const manifest = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
    const sha256 = createHash("sha256").update(text).digest("hex");
    await writeFile(path, JSON.stringify({ ...manifest, count: lines.length, last: position, sha256 }));
    const { code, out: said } = await verified(copy);
    const knows = code === 0 && said.includes(`whether records after position ${position} were cut off`);
    assert.ok(code === 1 || knows, `${cut}: ${said}`);
  }
});

test("without a key, with no key's file, and with somebody else's there is no answer", async () => {
  assert.equal((await attempt("verify", out)).code, 2);
  assert.notEqual((await attempt("verify", out, "--key", join(folder, "none.json"))).code, 0);
  const registry = JSON.parse(await readFile(key, "utf8")) as { sources: Record<string, { publicKey: string }> };
  const [first, second] = Object.values(registry.sources);
  assert.ok(first && second);
  [first.publicKey, second.publicKey] = [second.publicKey, first.publicKey];
  const stranger = join(folder, "stranger.json");
  await writeFile(stranger, JSON.stringify(registry));
  const { code, out: said } = await attempt("verify", out, "--key", stranger);
  assert.equal(code, 1);
  assert.doesNotMatch(said, /^intact/);
});

test("an export with text brings the keys of its sessions and is an event; without, it opens nothing", async () => {
  assert.ok(!(await readdir(out)).includes("keys.json"));
  const open = join(folder, "open");
  await auditor.run("export", "--since", "1d", "--out", open, "--with-text");
  const keys = JSON.parse(await readFile(join(open, "keys.json"), "utf8")) as { session: string; key: string | null }[];
  assert.ok(keys.length >= 3 && keys.every(({ key: one }) => one !== null));
  const plain = await readFile(join(out, "records.ndjson"), "utf8");
  for (const { key: one } of keys) assert.ok(!plain.includes(one ?? ""));
  assert.equal((await verified(open)).code, 0);
  const events = await eventually("both exports in the audit", async () => {
    const { body } = await stage.players.ivan.api("GET", "/api/timeline?type=audit.exported&limit=10");
    const { rows } = body as unknown as TimelinePage;
    return rows.length >= 2 ? rows : null;
  });
  const told = events.map(({ data, identityName }) => [identityName, (data as { withText: boolean }).withText]);
  assert.deepEqual(told.slice(0, 2), [
    ["Ivan (investigator)", true],
    ["Ivan (investigator)", false],
  ]);
});

test("the data folder itself, while it is used, is verified as it lies there", async () => {
  const { code, out: said, err } = await verified(join(folder, "throughline"));
  assert.equal(code, 0, err);
  assert.match(said, /^intact/);
});
