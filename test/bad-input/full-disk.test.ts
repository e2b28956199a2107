/**
 * A full disk under the log, and space again. As root on a small tmpfs of its own; where mounting is not permitted, the
 * gateway's process runs with a write call that fails with ENOSPC beyond a size, which is said.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { TimelinePage } from "../../schemas/api.ts";
import {
  type Actor,
  comesBack,
  connect,
  eventually,
  type Grant,
  granted,
  type Player,
  person,
  workload,
} from "../demo/cast.ts";
import { direct, makeSchema } from "../demo/database.ts";
import { recordedTexts } from "../demo/recorded.ts";
import { startWorld, type World } from "../demo/world.ts";

const schema = "shortage";
const spaceBytes = 12 * 1024 * 1024;

let folder: string;
let log: string;
let world: World;
let disk: Disk;
let grant: Grant;
let ivan: Player;

interface Disk {
  readonly how: string;
  /** Leaves next to nothing. */
  fill(): Promise<void>;
  free(): Promise<void>;
  close(): void;
}

/** @returns null where this user may not mount */
function tmpfs(): Disk | null {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${spaceBytes},mode=0700`, "tmpfs", log], { stdio: "pipe" });
  } catch {
    return null;
  }
  const filler = join(log, "filler");
  return {
    how: "a tmpfs of its own",
    async fill() {
      const { bavail, bsize } = await statfs(log);
      await writeFile(filler, Buffer.alloc(bavail * bsize - 64 * 1024));
    },
    free: () => rm(filler),
    close: () => void execFileSync("umount", [log]),
  };
}

/** A module that is loaded before the gateway: the size up to which its log folder may grow stands in a file. */
async function injected(): Promise<Disk> {
  const limit = join(folder, "limit");
  const before = join(folder, "before.mjs");
  await writeFile(
    before,
    `import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module";
const write = fs.writeSync;
fs.writeSync = (fd, ...rest) => {
  if (fs.existsSync(${JSON.stringify(limit)}) && fs.readlinkSync("/proc/self/fd/" + fd).startsWith(${JSON.stringify(log)})) {
    const used = fs.readdirSync(${JSON.stringify(log)}).reduce((sum, name) => sum + fs.statSync(${JSON.stringify(`${log}/`)} + name).size, 0);
    if (used + (rest[2] ?? rest[0].length) > Number(fs.readFileSync(${JSON.stringify(limit)}))) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
  }
  return write(fd, ...rest);
};
syncBuiltinESMExports();`,
  );
  process.env.NODE_OPTIONS = `--import=${before}`;
  return {
    how: "a write call that fails: mounting a tmpfs needs root",
    fill: () => writeFile(limit, String(used() + 64 * 1024)),
    free: () => rm(limit),
    close: () => {
      process.env.NODE_OPTIONS = "";
    },
  };
}

function used(): number {
  return Number(execFileSync("du", ["-sb", "--apparent-size", log]).toString().split("\t")[0]);
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "throughline-full-"));
  log = join(folder, "throughline", "log");
  await mkdir(log, { recursive: true, mode: 0o700 });
  disk = tmpfs() ?? (await injected());
  console.log(`the full disk is ${disk.how}`);
  world = await startWorld({ folder });
  await makeSchema(world.postgres, schema);
  await direct(world.postgres, "orders", (owner) =>
    owner.query(`SET ROLE load; CREATE TABLE ${schema}.marks (mark text)`),
  );
  grant = await granted(await workload(world, "load"), "load", "a full disk");
  ivan = await person(world, "ivan");
});
after(async () => {
  await world?.stop();
  disk?.close();
  await rm(folder, { recursive: true });
});

/** Writes marks until one is refused. @returns those that were acknowledged, and the refusal */
async function untilRefused(
  actor: Actor,
  name: string,
): Promise<{ done: string[]; error: { code?: string; message: string } }> {
  const done: string[] = [];
  const ballast = "x".repeat(4_000);
  for (let at = 0; at < 5_000; at += 1) {
    const mark = `c${name}-${at}`;
    try {
      await actor.client.query(`INSERT INTO marks VALUES ('${mark}') /* ${ballast} */`);
      done.push(mark);
    } catch (error) {
      return { done, error: error as { code?: string; message: string } };
    }
  }
  throw new Error("the disk never was full");
}

const received: string[] = [];

/** More than are written down one by one: the rest are counted, and told at the end. */
async function wrongLogins(): Promise<void> {
  for (let n = 0; n < 40; n += 1) await connect({ ...grant, user: `load~g1-nobody${n}` }, schema).catch(() => {});
}

test("a full disk: a new command is refused with 53100 in the client's protocol, and the processes live", async () => {
  const [gateway, store] = [world.pid("gateway"), world.pid("store")];
  const writer = await connect(grant, schema);
  const idle = await connect(grant, schema);
  await disk.fill();
  const { done, error } = await untilRefused(writer, "1");
  received.push(...done);
  assert.equal(error.code, "53100", error.message);
  assert.match(error.message, /disk|full/i);
  const again = await idle.client.query("SELECT 1").then(
    () => assert.fail("a command ran on a full disk"),
    (refused: { code?: string }) => refused,
  );
  assert.equal(again.code, "53100");
  const login = await connect(grant, schema).then(
    () => assert.fail("a session was opened on a full disk"),
    (refused: { code?: string; message: string }) => refused,
  );
  assert.match(login.code ?? "", /^53/, login.message);
  await wrongLogins();
  process.kill(gateway, 0);
  process.kill(store, 0);
  await writer.end().catch(() => {});
  await idle.end().catch(() => {});
});

test("with space again work goes on by itself; the shortage and what it refused are events; nothing acknowledged is lost", async () => {
  await disk.free();
  const actor = await comesBack("a session with space again", () => connect(grant, schema));
  await actor.client.query("INSERT INTO marks VALUES ('c2-0')");
  received.push("c2-0");
  await actor.end();
  const told = async (type: string) => {
    const { body } = await ivan.api("GET", `/api/timeline?type=${type}&limit=50`);
    return (body as unknown as TimelinePage).rows.find(({ data }) => (data as { sink: string }).sink === "log");
  };
  await eventually("sink.failed of the log", () => told("sink.failed"));
  const recovered = await eventually("sink.recovered of the log", () => told("sink.recovered"));
  assert.ok((recovered.data as { count: number }).count >= 2);
  await stoppedWhileFull();
  const rows = await direct(world.postgres, "orders", async (owner) =>
    (await owner.query<{ mark: string }>(`SELECT mark FROM ${schema}.marks`)).rows.map(({ mark }) => mark),
  );
  await world.stop();
  const recorded = await recordedTexts(world);
  assert.deepEqual(
    received.filter((mark) => !recorded.has(mark)),
    [],
    "acknowledged without a record",
  );
  assert.deepEqual(
    rows.filter((mark) => !recorded.has(mark)),
    [],
    "lasting without a record",
  );
});

/** Even then the gateway ends as it should: it says so in the log, and what it could not write down ends nothing. */
async function stoppedWhileFull(): Promise<void> {
  const actor = await connect(grant, schema);
  await disk.fill();
  received.push(...(await untilRefused(actor, "3")).done);
  await actor.end().catch(() => {});
  await wrongLogins();
  await world.kill("gateway", "SIGTERM");
  await disk.free();
  await world.start("gateway");
  await eventually("service.stopped of the gateway", async () => {
    const { body } = await ivan.api("GET", "/api/timeline?type=service.stopped&limit=5");
    return (body as unknown as TimelinePage).rows.some(({ data }) => (data as { role: string }).role === "gateway");
  });
}
