import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Journal, openJournal } from "../../infra/log/journal.ts";
import type { Appender } from "../../infra/log/log.ts";
import { readSources } from "../../infra/log/sources.ts";
import { verifyExport } from "../../infra/log/verify-export.ts";
import { type House, openHouse } from "./house.ts";

describe("exports", () => {
  let folder: string;
  let journal: Journal;
  let house: House;
  let gateway: Appender;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "throughline-export-"));
    const fatal = (error: Error): never => {
      throw error;
    };
    journal = await openJournal({ folder, tenant: "test", name: "test", now: Date.now, fatal });
    gateway = await journal.appender("gateway", "test");
    for (let n = 0; n < 20; n += 1)
      gateway.append({ type: "grant.expired", subject: { session: `s${n % 2}` }, data: { grant: `g${n}` } });
    const opened = { data: { keyId: "key-s0" } };
    house = await openHouse({
      journal,
      store: { timeline: async ({ session }) => (session === "s0" ? ([opened] as never) : []) },
    });
    house.keys.set("key-s0", new Uint8Array(32).fill(5));
  });
  after(async () => {
    await house.close();
    await journal.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function taken(query = ""): Promise<{ lines: string[]; last: Record<string, unknown> }> {
    const ivan = await house.as("ivan");
    const { status, text } = await ivan(`GET /api/export${query}`);
    assert.equal(status, 200);
    const lines = text.split("\n").filter(Boolean);
    return { last: JSON.parse(lines.pop() ?? "") as Record<string, unknown>, lines };
  }

  async function said(type: string): Promise<Record<string, unknown>[]> {
    const found: Record<string, unknown>[] = [];
    const following = journal.follow({ after: null, streams: ["steps", "events"] }, (records) => {
      for (const record of records) if (record.type === type) found.push({ ...record.envelope.data });
    });
    await following.caughtUp;
    await following.close();
    return found;
  }

  test("verify by the registry's keys, and are recorded with the manifest's digest", async () => {
    const { lines, last } = await taken();
    const manifest = last.manifest as { count: number };
    assert.equal(manifest.count, lines.length);
    assert.equal(last.keys, undefined);
    const report = await verifyExport({ lines, manifest: last.manifest, trusted: readSources(folder).known });
    assert.equal(report.ok, true, JSON.stringify(report));
    const recorded = (await said("audit.exported")).at(-1);
    assert.equal(recorded?.records, lines.length);
    assert.equal(recorded?.withText, false);
    assert.equal(recorded?.manifest, createHash("sha256").update(JSON.stringify(last.manifest)).digest("hex"));
  });

  test("bring keys only with text, and that is recorded", async () => {
    const { last } = await taken("?withText=true");
    assert.deepEqual(last.keys, [{ session: "s0", keyId: "key-s0", key: Buffer.alloc(32, 5).toString("base64") }]);
    assert.equal((await said("audit.exported")).at(-1)?.withText, true);
  });

  test("are refused to who may only investigate or nothing, and for times that are none", async () => {
    assert.equal((await (await house.as("olga"))("GET /api/export")).status, 403);
    const ivan = await house.as("ivan");
    assert.equal((await ivan("GET /api/export?since=yesterday")).status, 400);
    assert.equal((await ivan("GET /api/export?since=2&until=1")).status, 400);
  });
});
