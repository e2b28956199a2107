import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { nextHead } from "../../infra/log/chain.ts";
import { type ExportLine, type ExportManifest, type ExportRange, exportLog, frameOf } from "../../infra/log/export.ts";
import { closeFrame } from "../../infra/log/frame.ts";
import type { Journal } from "../../infra/log/journal.ts";
import { segmentPaths } from "../../infra/log/segment.ts";
import { readSources } from "../../infra/log/sources.ts";
import type { TrustedKeys } from "../../infra/log/verify.ts";
import { verifyExport } from "../../infra/log/verify-export.ts";
import { verifyFolder } from "../../infra/log/verify-folder.ts";
import { isCode } from "./contract.ts";
import { finished, intended, masked, type World, world } from "./world.ts";

let here: World;
let journal: Journal;
let trusted: TrustedKeys;
const always: ExportRange = { sinceMs: null, untilMs: null };

beforeEach(async () => {
  here = world();
  let clock = 1_000_000;
  // Signed when it is closed, and never in between: each record has the same place in every run.
  const bounds = { segmentBytesMax: 8192, checkpointMsMax: 3_600_000 };
  journal = await here.open({ now: () => clock++, limits: bounds });
  const gateway = await journal.appender("gateway", "one");
  for (let i = 0; i < 40; i++) {
    gateway.append(intended(`c${i}`));
    gateway.append(masked(`c${i}`));
    const last = gateway.append(finished(`c${i}`));
    if (i % 3 === 0) await gateway.synced(last);
  }
  await journal.close();
  journal = await here.open({ now: () => clock++, limits: bounds });
  trusted = readSources(here.folder).known;
});
afterEach(async () => {
  await here.end();
});

interface Exported {
  lines: ExportLine[];
  manifest: ExportManifest;
}

async function exported(range: ExportRange = always): Promise<Exported> {
  const { lines, manifest } = exportLog({ log: journal, tenant: "demo", writer: "log/one" }, range);
  const found: ExportLine[] = [];
  for await (const line of lines) found.push(JSON.parse(line));
  return { lines: found, manifest: manifest() };
}

const verify = ({ lines, manifest }: Exported, keys: TrustedKeys = trusted) =>
  verifyExport({ lines: lines.map((line) => JSON.stringify(line)), manifest, trusted: keys });

/** What a forger does who can recompute everything but signatures: crc and manifest are made to fit again. */
function refit({ lines, manifest }: Exported): Exported {
  const fitted = lines.map((line) => ({ ...line, crc: frameOf(line).readUInt32LE(4) }));
  const text = fitted.map((line) => `${JSON.stringify(line)}\n`).join("");
  const sha256 = createHash("sha256").update(text).digest("hex");
  return { lines: fitted, manifest: { ...manifest, count: lines.length, sha256 } };
}

describe("verify of an export", () => {
  it("passes untouched records, names the keys it trusted, and says what it cannot know", async () => {
    const report = await verify(await exported());
    assert.equal(report.problem, null);
    assert.ok(report.ok && report.records > 120);
    const gateway = report.trusted.find(({ source }) => source === "gateway/one");
    assert.ok(gateway && gateway.signatures >= 2 && gateway.fingerprint.length === 64);
    assert.match(report.cannotKnow.join("\n"), /cut off/);
    // Nothing but the last checkpoints is unsigned.
    assert.ok(report.unsigned.every(({ count }) => count <= 4));
  });

  it("fails without a key given from outside, and with another log's keys", async () => {
    const made = await exported();
    assert.match((await verify(made, new Map())).problem?.what ?? "", /no key was given/);
    const other = world();
    try {
      await (await other.open()).close();
      const report = await verify(made, readSources(other.folder).known);
      assert.equal(report.ok, false);
      assert.match(report.problem?.what ?? "", /signed with the key/);
    } finally {
      await other.end();
    }
  });

  it("names a changed record", async () => {
    const made = await exported();
    const line = made.lines[30];
    assert.ok(line);
    made.lines[30] = { ...line, json: line.json.replace("T-1", "T-2"), step: null };
    const { problem } = await verify(made);
    assert.equal(problem?.position, line.position);
    assert.equal(problem?.source, line.source);
    assert.equal(problem?.sequence, line.sequence);
  });

  it("finds a change by a forger who makes everything fit again but the signatures", async () => {
    const changed = (lines: ExportLine[], by: (line: ExportLine) => ExportLine) => {
      const at = lines.findIndex((line, i) => i >= 30 && line.type === "output.masked");
      return lines.map((line, i) => (i === at ? by(line) : line));
    };
    const changes: ((lines: ExportLine[]) => ExportLine[])[] = [
      (lines) => changed(lines, (line) => ({ ...line, json: line.json.replace("pii.email", "pii.emai1") })),
      (lines) => lines.toSpliced(33, 1),
      (lines) => changed(lines, (line) => ({ ...line, flags: line.flags ^ 1 })),
      (lines) => lines.map((line, i) => (i > 20 && i < 24 ? { ...line, atMs: line.atMs + 1 } : line)),
      (lines) => changed(lines, (line) => ({ ...line, synced: line.synced + 1 })),
    ];
    for (const [index, change] of changes.entries()) {
      const made = await exported();
      const forged = refit({ ...made, lines: change(made.lines) });
      const report = await verify(forged);
      assert.equal(report.ok, false, `change ${index}`);
      assert.ok(Number(report.problem?.position) >= 20, `change ${index}: ${JSON.stringify(report.problem)}`);
    }
  });

  it("does not believe a signed head whose signature is another, also in the unsigned tail", async () => {
    const made = await exported();
    const at = made.lines.findLastIndex(({ type }) => type === "log.checkpoint");
    const line = made.lines[at];
    assert.ok(line);
    const envelope = JSON.parse(line.json);
    const signature = Buffer.alloc(64, 9).toString("base64");
    const json = JSON.stringify({ ...envelope, data: { ...envelope.data, signature } });
    const report = await verify(refit({ ...made, lines: made.lines.with(at, { ...line, json }) }));
    assert.equal(report.problem?.position, line.position);
    assert.match(report.problem?.what ?? "", /signature is wrong/);
  });

  it("finds records that were swapped and renumbered", async () => {
    const made = await exported();
    const [a, b] = [made.lines[30], made.lines[33]];
    assert.ok(a && b && a.stream === b.stream && a.source === b.source && a.type === b.type);
    const swapped = made.lines
      .with(30, { ...a, json: b.json, step: b.step })
      .with(33, { ...b, json: a.json, step: a.step });
    const report = await verify(refit({ ...made, lines: swapped }));
    assert.equal(report.ok, false);
    assert.equal(report.problem?.position, a.position);
  });

  it("finds the first record that is missing, and its sequence", async () => {
    const made = await exported();
    const line = made.lines[50];
    assert.ok(line);
    const report = await verify({ ...made, lines: made.lines.toSpliced(50, 1) });
    assert.match(report.problem?.what ?? "", new RegExp(`position ${Number(line.position)} is missing`));
  });

  it("cannot know a tail that was cut, and says so; what is left of it is named as unsigned", async () => {
    const made = await exported();
    const report = await verify(refit({ ...made, lines: made.lines.slice(0, 61) }));
    assert.equal(report.ok, false, "nothing in the first half is signed: everything was written within one checkpoint");
    const whole = await exported();
    const last = whole.lines.findLastIndex((line) => line.type !== "log.checkpoint");
    const signed = whole.lines.findIndex((line, i) => i > last && line.source === "log/one");
    const cut = await verify(refit({ ...whole, lines: whole.lines.slice(0, signed + 1) }));
    assert.equal(cut.problem, null);
    assert.match(cut.cannotKnow.join("\n"), /were cut off/);
  });

  it("works for a range in the middle, with what is needed before and behind it as context", async () => {
    const full = await exported();
    const at = (index: number) => full.lines[index]?.atMs ?? 0;
    const middle = await exported({ sinceMs: at(40), untilMs: at(80) });
    assert.ok(Number(middle.manifest.first) > 1);
    const inside = middle.lines.filter((line) => !line.context);
    assert.deepEqual(
      inside.map((line) => line.position),
      full.lines.filter((line) => line.atMs >= at(40) && line.atMs <= at(80)).map((line) => line.position),
    );
    const report = await verify(middle);
    assert.equal(report.problem, null);
    const covered = report.unsigned.find(({ stream, source }) => stream === "steps" && source === "gateway/one");
    assert.equal(covered, undefined);
    const forged = { ...middle.manifest, heads: { ...middle.manifest.heads, head: "00".repeat(32) } };
    assert.equal((await verify({ ...middle, manifest: forged })).ok, false);
  });

  it("refuses what has not the form of an export", async () => {
    const made = await exported();
    await assert.rejects(
      verify({ ...made, manifest: { ...made.manifest, format: "x" } as never }),
      isCode("export.damaged"),
    );
    await assert.rejects(verifyExport({ ...made, lines: ["{"], trusted }), isCode("export.damaged"));
    assert.equal((await verify({ ...made, manifest: { ...made.manifest, count: 3 } })).ok, false);
  });
});

describe("verify of a folder", () => {
  it("passes all segments, also while the log is open", () => {
    const report = verifyFolder(here.folder, trusted);
    assert.equal(report.problem, null);
    assert.ok(report.ok && report.records > 120);
  });

  it("finds every flipped byte, and every changed record whose crc and heads fit", async () => {
    await journal.close();
    const paths = segmentPaths(join(here.folder, "log"));
    const path = paths[1] ?? "";
    const good = readFileSync(path);
    for (let at = 0; at < good.length; at += 211) {
      const bytes = Buffer.from(good);
      bytes[at] = (bytes[at] ?? 0) ^ 4;
      writeFileSync(path, bytes);
      let found = false;
      try {
        found = !verifyFolder(here.folder, trusted).ok;
      } catch (error) {
        found = isCode("log.damaged")(error);
      }
      assert.ok(found, `byte ${at}`);
    }
    const start = good.indexOf(10) + 1;
    const text = good.indexOf("pii.email", start);
    let record = start;
    while (record + good.readUInt32LE(record) < text) record += good.readUInt32LE(record);
    const forged = Buffer.from(good);
    forged.write("pii.emai1", text);
    closeFrame(forged, record);
    writeFileSync(path, forged);
    const report = verifyFolder(here.folder, trusted);
    assert.equal(report.ok, false);
    assert.ok(Number(report.problem?.position) > 1);
    writeFileSync(path, good);
    assert.equal(verifyFolder(here.folder, trusted).ok, true);
  });
});

describe("a chain", () => {
  it("depends on every byte before its head and on where batches end", () => {
    const zero = Buffer.alloc(32);
    const one = nextHead(zero, Buffer.alloc(32, 1));
    assert.notDeepEqual(nextHead(one, zero), nextHead(zero, one));
  });
});
