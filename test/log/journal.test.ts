import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { type Disk, realDisk } from "../../infra/log/disk.ts";
import type { Entry } from "../../infra/log/entry.ts";
import type { LogRecord } from "../../infra/log/log.ts";
import type { EventType } from "../../schemas/event.ts";
import { isCode } from "./contract.ts";
import { all, finished, intended, masked, type World, world } from "./world.ts";

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(async () => {
  await here.end();
});

/** A disk whose syncs wait until they are let through. */
function heldDisk(): Disk & { readonly waiting: ((error?: Error) => void)[]; asked(): Promise<void>; free(): void } {
  const waiting: ((error?: Error) => void)[] = [];
  let asked = Promise.withResolvers<void>();
  let held = true;
  return {
    waiting,
    write: realDisk.write,
    sync: (fd, done) => {
      const go = (error?: Error) => (error ? done(error) : realDisk.sync(fd, done));
      if (!held) return go();
      waiting.push(go);
      asked.resolve();
    },
    asked: async () => {
      await asked.promise;
      asked = Promise.withResolvers();
    },
    free: () => {
      held = false;
      for (const go of waiting.splice(0)) go();
    },
  };
}

describe("durability", () => {
  it("gives nothing to a follower or a ticket before its sync has returned, but everything to a fold", async () => {
    const disk = heldDisk();
    const journal = await here.open({ disk });
    const gateway = await journal.appender("gateway", "one");
    const followed: LogRecord[] = [];
    const folded: EventType[] = [];
    journal.fold((entry) => folded.push(entry.type));
    const following = journal.follow({ after: null, streams: ["steps"] }, (records) => void followed.push(...records));
    await following.caughtUp;
    let durable = false;
    const synced = gateway.synced(gateway.append(intended("c1"))).then(() => {
      durable = true;
    });
    assert.deepEqual(folded, ["command.intended"]);
    await disk.asked();
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(durable, false);
    assert.equal(gateway.durable, 0);
    assert.equal(followed.length, 0);
    assert.equal(await journal.head(), null);
    // Nor does one that starts now, though the bytes are in the file already.
    const late = journal.follow({ after: null, streams: ["steps"] }, (records) => void followed.push(...records));
    await late.caughtUp;
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    await late.close();
    assert.equal(followed.length, 0);
    disk.waiting.shift()?.();
    await synced;
    assert.equal(gateway.durable, 1);
    disk.free();
    await following.close();
  });

  it("does not count as durable what is said because that very sync found the disk full", async () => {
    let full = false;
    const write: Disk["write"] = (...parameters) => {
      if (!full) return realDisk.write(...parameters);
      full = false;
      throw Object.assign(new Error("no space"), { code: "ENOSPC" });
    };
    const journal = await here.open({ disk: { write, sync: realDisk.sync } });
    const gateway = await journal.appender("gateway", "one");
    const correlator = await journal.appender("correlator", "one");
    journal.fold(({ type }) => {
      if (type === "sink.failed") correlator.append({ type: "clock.ticked", subject: {}, data: {} });
    });
    let figures = journal.figures;
    correlator.onDurable(() => {
      figures = journal.figures;
    });
    full = true;
    await gateway.synced(gateway.append(intended("the last that fits")));
    await correlator.synced(1);
    assert.deepEqual([figures.durable, figures.appended], [3, 3]);
  });

  it("gathers what comes during a sync into the next group: two syncs for a thousand appends", async () => {
    const disk = heldDisk();
    const journal = await here.open({ disk, limits: { checkpointMsMax: 60_000 } });
    const gateway = await journal.appender("gateway", "one");
    gateway.append(intended("first"));
    await disk.asked();
    for (let i = 0; i < 999; i++) gateway.append(masked(`c${i}`));
    assert.equal(disk.waiting.length, 1);
    disk.waiting.shift()?.();
    await disk.asked();
    assert.equal(gateway.durable, 1);
    disk.waiting.shift()?.();
    await gateway.synced(1000);
    assert.equal(gateway.durable, 1000);
    disk.free();
  });

  it("ends the process when a sync fails, and acknowledges nothing after it", async () => {
    const disk = heldDisk();
    const journal = await here.open({ disk });
    const gateway = await journal.appender("gateway", "one");
    const ticket = gateway.append(intended("c1"));
    await disk.asked();
    disk.waiting.shift()?.(new Error("EIO"));
    await assert.rejects(gateway.synced(ticket), isCode("log.sync_failed"));
    assert.equal(here.fatal.length, 1);
    assert.throws(() => gateway.append(intended("c2")), isCode("log.sync_failed"));
    assert.equal(gateway.durable, 0);
  });
});

describe("folds", () => {
  it("see what another fold appends behind what it answers, in the log's order, in one group", async () => {
    const disk = heldDisk();
    const journal = await here.open({ disk });
    const gateway = await journal.appender("gateway", "one");
    const correlator = await journal.appender("correlator", "one");
    const seen: string[] = [];
    journal.fold((entry) => {
      if (entry.type !== "command.intended") return;
      const data = {
        intent: entry.id,
        ruling: "allow" as const,
        enforced: [],
        observed: [],
        excluded: [],
        sentence: "",
      };
      correlator.append({ type: "command.answered", subject: entry.subject, data });
    });
    journal.fold((entry) => seen.push(entry.type));
    gateway.append(intended("c1"));
    gateway.append(finished("c1"));
    assert.deepEqual(seen, ["command.intended", "command.answered", "command.finished"]);
    await disk.asked();
    disk.free();
    await gateway.synced(2);
    const types = (await all(journal)).map((record) => record.type);
    assert.deepEqual(types, seen);
  });

  it("get on replay exactly what they got live, from every source, also across a restart", async () => {
    const drafts = fc.array(fc.tuple(fc.constantFrom(intended, finished, masked), fc.string({ maxLength: 9 })), {
      minLength: 1,
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(drafts, async (said) => {
        const own = world();
        try {
          const journal = await own.open({ limits: { segmentBytesMax: 4096 } });
          const gateway = await journal.appender("gateway", "one");
          const live: Entry[] = [];
          const stop = await journal.foldFromStart((entry) => live.push(entry));
          for (const [draft, text] of said) {
            gateway.append(draft(text));
            if (text.length > 6) await gateway.synced(gateway.append(finished(text)));
          }
          const now: Entry[] = [];
          await journal.replay((entry) => now.push(entry));
          assert.deepStrictEqual(now, live.slice(0, now.length));
          assert.ok(now.length >= said.length);
          await journal.close();
          stop();
          const again = await own.open();
          const replayed: Entry[] = [];
          await again.replay((entry) => replayed.push(entry));
          assert.deepStrictEqual(replayed, live);
        } finally {
          await own.end();
        }
      }),
      { numRuns: 15 },
    );
  });

  it("end the process when one throws", async () => {
    const journal = await here.open();
    const gateway = await journal.appender("gateway", "one");
    journal.fold(() => {
      throw new Error("fold");
    });
    assert.throws(() => gateway.append(intended("c1")), isCode("internal.bug"));
    assert.equal(here.fatal.length, 1);
  });
});

describe("the folder", () => {
  it("belongs to one process at a time, and the other is told which", async () => {
    await here.open();
    await assert.rejects(
      here.open(),
      (error: Error) => isCode("log.locked")(error) && error.message.includes(`${process.pid}`),
    );
    const child = fork(new URL("./opener.ts", import.meta.url), [here.folder], { stdio: "pipe" });
    here.defer(() => child.kill());
    const [message] = await once(child, "message");
    assert.match(String(message), new RegExp(`^log.locked .*process ${process.pid}`));
  });

  it("is free again after a kill -9, and after its process id belongs to another program", async () => {
    const child = fork(new URL("./opener.ts", import.meta.url), [here.folder], { stdio: "pipe" });
    here.defer(() => child.kill());
    const [message] = await once(child, "message");
    assert.equal(message, "open");
    await assert.rejects(here.open(), (error: Error) => error.message.includes(`process ${child.pid}`));
    child.kill("SIGKILL");
    await once(child, "exit");
    // The owner file still names it; the kernel's lock is what counts.
    assert.equal(readFileSync(join(here.folder, "log", "lock.owner"), "utf8"), String(child.pid));
    await here.open();
  });

  it("starts a new segment when one is full, and reads through all of them", async () => {
    const journal = await here.open({ limits: { segmentBytesMax: 8192 } });
    const gateway = await journal.appender("gateway", "one");
    for (let i = 0; i < 100; i++) await gateway.synced(gateway.append(intended(`c${i}`)));
    const segments = readdirSync(join(here.folder, "log")).filter((file) => file.endsWith(".log"));
    assert.ok(segments.length > 5);
    const mine = (await all(journal)).filter((record) => record.type === "command.intended");
    assert.equal(mine.length, 100);
    const middle = mine[60]?.position;
    assert.ok(middle);
    const rest: number[] = [];
    const following = journal.follow(
      { after: middle, streams: ["steps"] },
      (batch) => void rest.push(...batch.map((record) => record.sequence)),
    );
    await following.caughtUp;
    await following.close();
    assert.deepEqual(
      rest,
      Array.from({ length: 39 }, (_, i) => i + 62),
    );
  });

  it("is readable by its user alone", async () => {
    const journal = await here.open();
    const gateway = await journal.appender("gateway", "one");
    await gateway.synced(gateway.append(intended("c")));
    for (const folder of ["log", "keys"])
      for (const file of readdirSync(join(here.folder, folder))) {
        const { mode } = statSync(join(here.folder, folder, file));
        assert.equal(mode & 0o077, 0, `${folder}/${file}`);
      }
  });

  it("refuses to make new keys for a log that has some already", async () => {
    const journal = await here.open();
    await journal.close();
    rmSync(join(here.folder, "keys", "sources.json"));
    await assert.rejects(here.open(), isCode("log.refused"));
  });
});
