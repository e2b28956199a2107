import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Journal, openJournal } from "../../infra/log/journal.ts";
import type { Appender } from "../../infra/log/log.ts";
import { readSources } from "../../infra/log/sources.ts";
import { verifyExport } from "../../infra/log/verify-export.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { WholeLog } from "../../services/api/whole-log.ts";
import { type House, logIn, openHouse, origin } from "./house.ts";

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

  test("and lineage are a few at a time: each follows the log, which its owner allows a connection only so often", async () => {
    for (let n = 0; n < 500; n += 1)
      gateway.append({ type: "grant.expired", subject: { session: "s9" }, data: { grant: `more${n}` } });
    const cookie = await logIn(house.api, "ivan", "ivan's secret");
    const begun = async (path: string) => {
      const ask = { method: "GET", url: `/api/${path}`, headers: { cookie, origin }, payloadAsStream: true } as const;
      const answer = await house.api.inject(ask);
      return { status: answer.statusCode, stream: answer.stream() };
    };
    const running = [await begun("export"), await begun("export"), await begun("export"), await begun("export")];
    assert.deepEqual(
      running.map(({ status }) => status),
      [200, 200, 200, 200],
    );
    assert.equal((await begun("lineage")).status, 429);
    assert.equal((await begun("export")).status, 429);
    for (const { stream } of running) {
      stream.resume();
      await once(stream, "end");
    }
    const after = await begun("export");
    assert.equal(after.status, 200);
    after.stream.resume();
    await once(after.stream, "end");
  });
});

describe("answers that read the whole log", () => {
  async function* text(): AsyncGenerator<string> {
    yield "a";
    yield "b";
  }
  const begin = async () => text();
  const full = (whole: WholeLog) =>
    assert.rejects(
      whole.stream(new AbortController().signal, begin),
      (error) => error instanceof ThroughlineError && error.code === "request.rate",
    );

  test("give their place back at their end, when broken off, when nobody began to read, and when they never began", async () => {
    const whole = new WholeLog();
    const gone = new AbortController();
    const running = await Promise.all([1, 2, 3, 4].map(() => whole.stream(gone.signal, begin)));
    await full(whole);
    const [first, second] = running.map((one) => one[Symbol.asyncIterator]());
    while (!(await first?.next())?.done);
    await whole.stream(new AbortController().signal, begin);
    await full(whole);
    await second?.next();
    await second?.return?.();
    await assert.rejects(
      whole.stream(gone.signal, () => Promise.reject(new Error("the log is away"))),
      /away/,
    );
    await whole.stream(new AbortController().signal, begin);
    await full(whole);
    // Two were never read, and their clients went away.
    gone.abort();
    await whole.stream(gone.signal, begin);
    await whole.stream(new AbortController().signal, begin);
    await whole.stream(new AbortController().signal, begin);
    await full(whole);
  });
});
