import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Disk, realDisk } from "../../infra/log/disk.ts";
import { frameLength, lastOfGroup } from "../../infra/log/frame.ts";
import { segmentPaths } from "../../infra/log/segment.ts";
import { readSources } from "../../infra/log/sources.ts";
import { verifyFolder } from "../../infra/log/verify-folder.ts";
import { isCode } from "./contract.ts";
import { all, finished, intended, type World, world } from "./world.ts";

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(async () => {
  await here.end();
});

/** Appends commands one group at a time, then closes. @returns the only segment */
async function write(groups: number): Promise<string> {
  const journal = await here.open();
  const gateway = await journal.appender("gateway", "one");
  for (let i = 0; i < groups; i++) {
    gateway.append(intended(`c${i}`));
    await gateway.synced(gateway.append(finished(`c${i}`)));
  }
  await journal.close();
  const [path] = segmentPaths(join(here.folder, "log"));
  assert.ok(path);
  return path;
}

/** Offsets of the records of a segment. */
function offsets(path: string): number[] {
  const bytes = readFileSync(path);
  const found: number[] = [];
  for (let at = bytes.indexOf(10) + 1; at < bytes.length; at += frameLength(bytes, at, bytes.length)) found.push(at);
  return found;
}

function steps(from: number, to: number, by: number): number[] {
  return Array.from({ length: Math.ceil((to - from) / by) }, (_, i) => from + i * by);
}

/** Offsets behind the last record of each group. */
function groupEnds(path: string): number[] {
  const bytes = readFileSync(path);
  const ends = offsets(path).filter((at) => (bytes[at + 9] ?? 0) & lastOfGroup);
  return [bytes.indexOf(10) + 1, ...ends.map((at) => at + bytes.readUInt32LE(at))];
}

describe("a torn tail", () => {
  it("is cut at whatever byte it was torn, back to the last whole group, and said in the log", async () => {
    const path = await write(4);
    const starts = offsets(path);
    // The last three commands' records and the checkpoints behind them.
    const from = starts[2] ?? 0;
    const ends = groupEnds(path);
    const { size } = statSync(path);
    const kept = join(here.folder, "kept");
    copyFileSync(path, kept);
    for (const end of [...ends.slice(2), ...steps(from, size, 97)]) {
      copyFileSync(kept, path);
      truncateSync(path, end);
      const journal = await here.open();
      await journal.drained();
      const records = await all(journal, true);
      const commands = records.filter((record) => record.type.startsWith("command."));
      const whole = ends.filter((groupEnd) => groupEnd <= end).length - 1;
      assert.equal(commands.length, Math.min(whole, 4) * 2, `cut at ${end}`);
      const gap = records.find((record) => record.type === "log.gap");
      assert.equal(gap === undefined, ends.includes(end), `cut at ${end}`);
      const gateway = await journal.appender("gateway", "one");
      await gateway.synced(gateway.append(intended("after")));
      await journal.close();
      const report = verifyFolder(here.folder, readSources(here.folder).known);
      assert.equal(report.problem, null);
    }
  });

  it("is also a group of which later pages came to the disk and earlier ones did not", async () => {
    const path = await write(3);
    const bytes = readFileSync(path);
    const journal = await here.open();
    const gateway = await journal.appender("gateway", "one");
    for (let i = 0; i < 50; i++) gateway.append(intended(`last${i}`));
    await gateway.synced(50);
    const grown = readFileSync(path);
    await journal.close();
    // As after a power cut: the group's first bytes are zeros, the rest is there.
    grown.fill(0, bytes.length + 10, bytes.length + 1000);
    writeFileSync(path, grown);
    const again = await here.open();
    const commands = (await all(again)).filter((record) => record.type.startsWith("command."));
    assert.equal(commands.length, 6);
  });
});

describe("damage", () => {
  it("of any acknowledged record that later ones follow is refused, with segment and offset, and nothing is cut", async () => {
    const path = await write(4);
    const good = readFileSync(path);
    const starts = offsets(path);
    for (const start of starts.slice(0, 6)) {
      for (const at of [start, start + 5, start + 12, start + 60]) {
        const bytes = Buffer.from(good);
        bytes[at] = (bytes[at] ?? 0) ^ 0x10;
        writeFileSync(path, bytes);
        await assert.rejects(
          here.open(),
          (error: Error) => isCode("log.damaged")(error) && error.message.includes(`${path}:${start} `),
        );
        assert.equal(statSync(path).size, good.length);
      }
    }
  });

  it("in an older segment is found by whoever reads it", async () => {
    const journal = await here.open({ limits: { segmentBytesMax: 4096 } });
    const gateway = await journal.appender("gateway", "one");
    for (let i = 0; i < 30; i++) await gateway.synced(gateway.append(intended(`c${i}`)));
    await journal.close();
    const path = segmentPaths(join(here.folder, "log"))[1] ?? "";
    const bytes = readFileSync(path);
    const at = offsets(path)[2] ?? 0;
    bytes[at + 100] = (bytes[at + 100] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const again = await here.open();
    await assert.rejects(
      again.replay(() => {}),
      (error: Error) => isCode("log.damaged")(error) && error.message.includes(`${path}:${at} `),
    );
    const following = again.follow({ after: null, streams: ["steps"] }, () => {});
    await assert.rejects(following.ended, isCode("log.damaged"));
  });
});

describe("kill -9", () => {
  const kills = Number(process.env.THROUGHLINE_KILLS ?? 6);
  it(`loses no acknowledged record, ${kills} times at random moments`, async () => {
    let seed = Number(process.env.THROUGHLINE_SEED ?? Date.now() % 100_000);
    const random = () => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed / 2147483648;
    };
    const acknowledged = new Set<string>();
    for (let round = 0; round < kills; round++) {
      const child: ChildProcess = fork(new URL("./hammer.ts", import.meta.url), [here.folder, String(round)], {
        stdio: "inherit",
      });
      const enough = Math.floor(random() * 40) + 1;
      let told = 0;
      child.on("message", (ids: string[]) => {
        for (const id of ids) acknowledged.add(id);
        told++;
        if (told === enough) child.kill("SIGKILL");
      });
      await once(child, "exit");
      const journal = await here.open();
      const found = new Set((await all(journal)).map((record) => record.envelope.command));
      for (const id of acknowledged) assert.ok(found.has(id), `seed ${seed}: ${id} was acknowledged and is lost`);
      await journal.close();
    }
    assert.ok(acknowledged.size > kills);
    const journal = await here.open();
    await journal.close();
    assert.equal(verifyFolder(here.folder, readSources(here.folder).known).problem, null);
  });
});

/** A disk with room for a number of bytes. */
function smallDisk(room: number): Disk & { room: number } {
  const disk: Disk & { room: number } = {
    room,
    sync: realDisk.sync,
    write: (fd, bytes, at, length, offset) => {
      if (length > disk.room) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
      disk.room -= length;
      return realDisk.write(fd, bytes, at, length, offset);
    },
  };
  return disk;
}

describe("a full disk", () => {
  const isRoot = process.getuid?.() === 0;

  it("refuses new commands, still takes what ends running ones, and goes on when there is space", {
    skip: isRoot ? false : "mounting a small tmpfs needs root: run as root to see it",
  }, async () => {
    const mount = mkdtempSync(join(tmpdir(), "throughline-full-"));
    execFileSync("/bin/mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", mount]);
    here.defer(() => {
      execFileSync("/bin/umount", [mount]);
      rmSync(mount, { recursive: true });
    });
    const limits = { reservedBytes: 1024 * 1024 };
    const journal = await here.open({ folder: mount, limits });
    const gateway = await journal.appender("gateway", "one");
    let last = 0;
    const fill = async () => {
      for (let i = 0; i < 100_000; i++) {
        last = gateway.append(intended(`c${i}`));
        if (i % 64 === 0) await gateway.synced(last);
      }
    };
    await assert.rejects(fill(), isCode("log.full"));
    await gateway.synced(gateway.durable + 1 > last ? gateway.durable : last);
    for (let i = 0; i < 50; i++) last = gateway.append(finished(`c${i}`));
    gateway.append({ type: "output.masked", subject: {}, data: { columns: [] } });
    gateway.append({ type: "approval.refused", subject: {}, data: { approval: "a", by: "b", reason: "linked" } });
    await gateway.synced(last);
    assert.throws(() => gateway.append(intended("refused")), isCode("log.full"));
    const commands = (await all(journal)).filter((record) => record.type === "command.intended");
    assert.equal(commands.length, commands.at(-1)?.sequence);
    // Space comes back.
    execFileSync("/bin/mount", ["-o", "remount,size=8m", mount]);
    const recovered = new Promise<void>((resolve) => {
      journal.fold((entry) => {
        if (entry.type === "sink.recovered" && entry.data.count > 0) resolve();
      });
    });
    await recovered;
    await gateway.synced(gateway.append(intended("again")));
    assert.ok((await all(journal)).some((record) => record.type === "sink.failed"));
    await journal.close();
    assert.equal(verifyFolder(mount, readSources(mount).known).problem, null);
    assert.equal(here.fatal.length, 0);
  });

  it("ends the process when not even the reserve helps, and what it acknowledged is there", async () => {
    const disk = smallDisk(20_000);
    const journal = await here.open({ disk });
    const gateway = await journal.appender("gateway", "one");
    let acknowledged = 0;
    const fill = async () => {
      for (;;) {
        await gateway.synced(gateway.append(intended("c")));
        acknowledged++;
      }
    };
    await assert.rejects(fill(), isCode("log.sync_failed"));
    assert.ok(here.fatal.length > 0);
    await journal.close().catch(() => {});
    const again = await here.open();
    const commands = (await all(again)).filter((record) => record.type === "command.intended");
    assert.ok(acknowledged > 10 && commands.length >= acknowledged);
  });
});

describe("a reserve that is nearly used up", () => {
  // What is left of it after the first write: less than two of the largest records need.
  for (const reservedBytes of [70, 100, 130].map((kib) => kib * 1024))
    it(`ends nothing, and is whole again when there is space: ${reservedBytes} bytes`, {
      timeout: 20_000,
    }, async () => {
      const disk = smallDisk(1_000_000);
      const journal = await here.open({ disk, limits: { reservedBytes } });
      const gateway = await journal.appender("gateway", "one");
      await gateway.synced(gateway.append(intended("before")));
      disk.room = 0;
      const write = disk.write;
      const last = gateway.append(intended("the last"));
      // One write takes from the reserve; then there is space again, and only the log does not know it yet.
      disk.write = (...parameters) => {
        disk.write = realDisk.write;
        return write(...parameters);
      };
      await gateway.synced(last);
      assert.equal(journal.figures.full, true);
      while (journal.figures.full) await new Promise((resolve) => setTimeout(resolve, 20));
      await gateway.synced(gateway.append(intended("again")));
      const told = (await all(journal)).filter(({ type }) => type.startsWith("sink."));
      assert.deepEqual(
        told.map(({ type }) => type),
        ["sink.failed", "sink.recovered"],
      );
      assert.deepEqual(here.fatal, []);
    });
});

describe("a copy of the folder", () => {
  it("opens beside the first: nothing in it is bound to its path", async () => {
    await write(2);
    const copy = mkdtempSync(join(tmpdir(), "throughline-copy-"));
    here.defer(() => rmSync(copy, { recursive: true }));
    cpSync(here.folder, copy, { recursive: true });
    const journal = await here.open({ folder: copy });
    assert.equal((await all(journal)).length, 4);
  });
});
