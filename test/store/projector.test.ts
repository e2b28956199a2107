import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Blobs } from "../../infra/blobs/blobs.ts";
import type { Keys } from "../../infra/keys/keys.ts";
import { seal } from "../../infra/keys/seal.ts";
import type { Appender, LogRecord } from "../../infra/log/log.ts";
import { openChdbStore } from "../../infra/store/chdb.ts";
import type { Store } from "../../infra/store/store.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { type Projector, runProjector } from "../../services/projector/project.ts";
import { type MemoryLog, memoryLog } from "./memory-log.ts";
import { decide, effect, finish, openSession, subjectOf } from "./night.ts";

const key = new Uint8Array(32).fill(3);
const large = "SELECT large";
const read = [effect("read", ["orders/public.customers"], [])];

function sealed(text: string) {
  return { sealed: seal(key, text), bytes: text.length, hash: "00" };
}

describe("the projector", () => {
  let folder: string;
  let real: Store;
  let log: MemoryLog;
  const keys = new Map<string, Uint8Array | null>();
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "throughline-projector-"));
    real = await openChdbStore(folder, { tenant: "test", encodePosition: (position) => log.encodePosition(position) });
  });
  after(async () => {
    await real.close();
    await rm(folder, { recursive: true, force: true });
  });

  const kept: Keys = {
    create: () => Promise.reject(new Error("nobody makes keys here")),
    get: async (keyId) => {
      const found = keys.get(keyId);
      if (found === undefined) throw new ThroughlineError("keys.missing", `${keyId} never was here`);
      return found;
    },
    erase: async (keyId) => void keys.set(keyId, null),
    tenantKey: async () => key,
    close: async () => {},
  };
  /** How many times more a blob is not there. */
  const absent = new Map<string, number>();
  const blobs: Blobs = {
    put: () => Promise.reject(new Error("nobody puts here")),
    get: async (reference) => {
      const times = absent.get(reference) ?? 0;
      absent.set(reference, times - 1);
      const code = reference === "sha256:refused" ? "blobs.refused" : "not.found";
      if (times > 0) throw new ThroughlineError(code, `No blob ${reference}`);
      return Buffer.from(seal(key, large), "base64");
    },
    has: async () => true,
  };
  const start = async (store: Store = real, appender?: Pick<Appender, "append">): Promise<Projector> =>
    runProjector({
      log,
      tenant: "test",
      appender: appender ?? (await log.appender("projector", "test")),
      store,
      keys: kept,
      blobs,
      now: () => 1,
      wait: (_, signal) =>
        new Promise((resolve) => {
          setImmediate(resolve);
          signal.addEventListener("abort", () => resolve());
        }),
    });
  /** Everything said so far is in the store. */
  async function project(store: Store = real): Promise<void> {
    const projector = await start(store);
    await projector.caughtUp;
    await projector.close();
  }
  const said = (type: string) =>
    log.records
      .filter((record) => record.type === type)
      .map((record) => record.envelope.data as Record<string, unknown>);
  const textOf = async (command: string) => (await real.timeline({ command, type: "command.decided" }, 1))[0]?.text;

  test("writes what the log says, with clear text, also of texts that are too large for an event", async () => {
    log = memoryLog(() => 1_700_000_000_000);
    keys.set("key-s1", key);
    openSession(log, "extract", "s1");
    decide(log, "extract", "s1", "c1", read, { text: sealed("SELECT 1"), parameters: sealed('["a"]') });
    decide(log, "extract", "s1", "c2", read, { text: { reference: "sha256:00", bytes: 9, hash: "00" } });
    await project();
    assert.equal(await textOf("c1"), "SELECT 1");
    assert.equal(await textOf("c2"), large);
    assert.deepEqual((await real.timeline({ command: "c1" }, 1))[0]?.parameters, ["a"]);
  });

  test("goes on where it was, with the keys of sessions that were opened before", async () => {
    const writes: number[] = [];
    const counting: Store = Object.assign(Object.create(real) as Store, {
      write: (records: readonly LogRecord[], texts: never) => {
        writes.push(records.length);
        return real.write(records, texts);
      },
      writtenUpTo: () => real.writtenUpTo(),
      timeline: real.timeline.bind(real),
    });
    decide(log, "extract", "s1", "c3", read, { text: sealed("SELECT 3") });
    await project(counting);
    assert.deepEqual(writes, [1]);
    assert.equal(await textOf("c3"), "SELECT 3");
  });

  test("writes the same again after a crash without a second row", async () => {
    const crashing: Store = Object.assign(Object.create(real) as Store, {
      write: async (records: readonly LogRecord[], texts: never) => {
        await real.write(records, texts);
        throw new Error("power is gone");
      },
      writtenUpTo: () => real.writtenUpTo(),
      timeline: real.timeline.bind(real),
    });
    const upTo = await real.writtenUpTo();
    finish(log, "extract", "s1", "c3", 7);
    const projector = await start(crashing);
    await assert.rejects(projector.ended, /power/);
    await real.write(log.records.slice(Number(upTo) - 2), new Map());
    await project();
    assert.equal((await real.timeline({ command: "c3" }, 10)).length, 2);
  });

  test("keeps on trying when the store fails, and says from when until when", async () => {
    let failures = 3;
    const failing: Store = Object.assign(Object.create(real) as Store, {
      write: (records: readonly LogRecord[], texts: never) => {
        failures -= 1;
        if (failures >= 0) return Promise.reject(new ThroughlineError("store.unavailable", "The store is away"));
        return real.write(records, texts);
      },
      writtenUpTo: () => real.writtenUpTo(),
      timeline: real.timeline.bind(real),
    });
    decide(log, "extract", "s1", "c4", read, { text: sealed("SELECT 4") });
    await project(failing);
    assert.equal(await textOf("c4"), "SELECT 4");
    assert.deepEqual(
      said("sink.failed").map((data) => data.sink),
      ["store"],
    );
    assert.equal(said("sink.recovered").length, 1);
  });

  test("skips nothing when it is closed while the store fails, though the store is back at that moment", async () => {
    let isAway = true;
    const tried = Promise.withResolvers<void>();
    const away: Store = Object.assign(Object.create(real) as Store, {
      write: async (records: readonly LogRecord[], texts: never) => {
        tried.resolve();
        if (isAway) throw new ThroughlineError("store.unavailable", "away");
        await real.write(records, texts);
      },
      writtenUpTo: () => real.writtenUpTo(),
      timeline: real.timeline.bind(real),
      forgetText: real.forgetText.bind(real),
    });
    decide(log, "extract", "s1", "c5", read, { text: sealed("SELECT 5") });
    log.say("api/test", { type: "key.erased", subject: {}, data: { keyId: "key-other", by: "x", reason: "r" } });
    const projector = await start(away);
    await tried.promise;
    const closed = projector.close();
    isAway = false;
    await closed;
    await projector.ended;
    decide(log, "extract", "s1", "c6", read, { text: sealed("SELECT 6") });
    await project();
    assert.equal(await textOf("c5"), "SELECT 5");
    assert.equal(await textOf("c6"), "SELECT 6");
  });

  test("deletes the clear text of a session whose key was erased, before it has read further", async () => {
    keys.set("key-s1", null);
    const data = { keyId: "key-s1", by: "x", reason: "asked for" };
    log.say("api/test", { type: "key.erased", subject: {}, data });
    await project();
    for (const command of ["c1", "c2", "c3", "c4", "c5", "c6"]) assert.equal(await textOf(command), null);
    assert.deepEqual(await real.timeline({ text: "select" }, 10), []);
    decide(log, "extract", "s1", "c7", read, { text: sealed("SELECT 7") });
    await project();
    assert.equal(await textOf("c7"), null);
  });

  test("keeps a record whose text no key opens, and says so once per session", async () => {
    openSession(log, "load", "s9", "key-unknown");
    decide(log, "load", "s9", "c8", read, { text: sealed("SELECT 8") });
    decide(log, "load", "s9", "c9", read, { text: sealed("SELECT 9") });
    await project();
    assert.equal(await textOf("c8"), null);
    const failed = said("sink.failed").filter((data) => data.sink === "text");
    assert.equal(failed.length, 1);
    assert.doesNotMatch(JSON.stringify(failed), /SELECT/);
  });

  test("shows an event in the timeline while it runs, unasked", async () => {
    const projector = await start();
    await projector.caughtUp;
    const id = log.say("api/test", {
      type: "grant.revoked",
      subject: subjectOf("load", "s9"),
      data: { grant: "g", by: "x", reason: "r" },
    });
    while ((await real.event(id)) === null);
    await projector.close();
  });

  test("waits for a large text that the log names before it was put away, but not for one that never comes", async () => {
    keys.set("key-s-late", key);
    openSession(log, "extract", "s-late");
    decide(log, "extract", "s-late", "c2-late", read, { text: { reference: "sha256:late", bytes: 9, hash: "00" } });
    decide(log, "extract", "s-late", "c2-gone", read, { text: { reference: "sha256:gone", bytes: 9, hash: "00" } });
    const before = said("sink.failed").length;
    absent.set("sha256:late", 3).set("sha256:gone", Number.POSITIVE_INFINITY);
    await project();
    assert.equal(await textOf("c2-late"), large);
    assert.equal(await textOf("c2-gone"), null);
    assert.deepEqual(
      said("sink.failed")
        .slice(before)
        .map(({ sink }) => sink),
      ["text"],
    );
  });

  test("waits for a text that storage refuses while its credentials are exchanged", async () => {
    decide(log, "extract", "s-late", "c2-refused", read, {
      text: { reference: "sha256:refused", bytes: 9, hash: "00" },
    });
    absent.set("sha256:refused", 2);
    const before = said("sink.recovered").length;
    await project();
    assert.equal(await textOf("c2-refused"), large);
    assert.equal(said("sink.recovered").length, before + 1);
  });

  test("goes on when store and log fail together and nothing can be said about it", async () => {
    decide(log, "extract", "s-late", "c2-unsaid", read, { text: sealed("SELECT unsaid") });
    let failures = 2;
    const failing: Store = Object.assign(Object.create(real) as Store, {
      write: (records: readonly LogRecord[], texts: never) => {
        if (failures-- > 0) throw new ThroughlineError("store.unavailable", "The store could not write");
        return real.write(records, texts);
      },
      writtenUpTo: () => real.writtenUpTo(),
      timeline: real.timeline.bind(real),
    });
    const full = () => {
      throw new ThroughlineError("log.full", "The reserve of the log is used up");
    };
    const projector = await start(failing, { append: full });
    await projector.caughtUp;
    await projector.close();
    assert.equal(await textOf("c2-unsaid"), "SELECT unsaid");
  });

  test("finds a hole in a source's numbers and says which records are missing", async () => {
    finish(log, "load", "s9", "c8", 1);
    const records = log.records as LogRecord[];
    const at = records.length - 1;
    decide(log, "load", "s9", "c10", read);
    decide(log, "load", "s9", "c11", read);
    finish(log, "load", "s9", "c11", 1);
    const missing = records[at + 1]!.sequence;
    records.splice(at + 1, 2);
    await project();
    const [gap] = said("log.gap");
    assert.deepEqual(
      { ...gap, reason: "" },
      {
        source: "gateway/test",
        stream: "steps",
        from: String(missing),
        until: String(missing + 1),
        count: 2,
        reason: "",
      },
    );
  });
});
