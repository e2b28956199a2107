/** `throughline store rebuild`: the timelines of a log, made again from it, whatever stood in the store before. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { openKeys } from "../../infra/keys/keys-folder.ts";
import { seal } from "../../infra/keys/seal.ts";
import { type Journal, openJournal } from "../../infra/log/journal.ts";
import type { Draft, LogRecord } from "../../infra/log/log.ts";
import { encodePosition } from "../../infra/log/position.ts";
import { openSocketHost } from "../../infra/log/socket-host.ts";
import { openConfiguredStore } from "../../infra/store/open.ts";
import type { Store } from "../../infra/store/store.ts";
import { rebuildStore } from "../../services/main-rebuild.ts";
import { type MemoryLog, memoryLog } from "./memory-log.ts";
import { decide, effect, openSession } from "./night.ts";
import { startServer } from "./server.ts";

const tenant = "demo";
const commands = 40;
const main = join(import.meta.dirname, "../../services/main.ts");

const yaml = (data: string, store: string) => `
tenant: ${tenant}
name: one
data: ${data}
policy: policy.cedar
catalog: catalog.yaml
rules: rules
${store}
gateway: { postgres: "127.0.0.1:6432", requireTls: false }
api: { listen: "127.0.0.1:8080", url: "http://127.0.0.1:8080", sessionHours: 8 }
identity: { issuer: "http://127.0.0.1:9000", clientId: console, audience: throughline, groupsClaim: groups, allowInsecure: true }
grants: { hours: 8 }
holds: { mode: wait, waitSeconds: 60, approvers: [owners] }
targets:
  - name: orders
    kind: postgres
    address: 127.0.0.1:5432
    database: orders
    tls: disable
    catalogAccount: owner
    opaque: hold
    mode: enforce
    accounts: { owner: { user: owner } }
`;

describe("a store that is made again from the log", () => {
  let folder: string;
  let server: Awaited<ReturnType<typeof startServer>>;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "throughline-rebuild-"));
    server = await startServer();
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const open = (data: string): Promise<Journal> =>
    openJournal({ folder: data, tenant, name: "one", now: Date.now, fatal: (error) => assert.fail(error) });

  /** A data folder with one session of forty commands, its texts sealed with a real key. */
  async function logOf(data: string): Promise<readonly LogRecord[]> {
    await mkdir(data, { recursive: true });
    const journal = await open(data);
    const keys = await openKeys(data);
    const key = await keys.create("key-s1");
    const drafts: MemoryLog = memoryLog(Date.now, tenant);
    openSession(drafts, "extract", "s1", "key-s1");
    for (let n = 1; n <= commands; n += 1) {
      const text = { sealed: seal(key, `SELECT ${n}`), bytes: 9, hash: "00" };
      decide(drafts, "extract", "s1", `c${n}`, [effect("read", ["orders/public.customers"], [])], { text });
    }
    const gateway = await journal.appender("gateway", "one");
    let ticket = 0;
    for (const { envelope } of drafts.records) {
      const { type, data, session, command, identity, account, task, target } = envelope;
      const named = { session, command, identity, account, task, target };
      const subject = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
      ticket = gateway.append({ type, data, subject } as Draft);
    }
    await gateway.synced(ticket);
    await keys.close();
    const records: LogRecord[] = [];
    const following = journal.follow(
      { after: null, streams: ["steps", "events"] },
      (some) => void records.push(...some),
    );
    await following.caughtUp;
    await following.close();
    await journal.close();
    return records;
  }

  async function configOn(data: string): Promise<string> {
    const { server: at } = server.config(tenant).store ?? {};
    const file = join(data, "throughline.yaml");
    const store = `store: { server: { url: "${at?.url}", database: ${at?.database}, user: projector, passwordFile: "${at?.passwordFile}" } }`;
    await writeFile(file, yaml(data, store));
    return file;
  }

  const complaints: string[] = [];
  const run = (file: string, progress: (records: number) => void = () => {}) =>
    rebuildStore({
      file,
      now: () => 1,
      progress: ({ records }) => progress(records),
      complain: (what) => void complaints.push(what),
      fatal: (error) => assert.fail(error),
    });

  async function assertWhole(store: Store): Promise<void> {
    const rows = await store.timeline({ session: "s1", type: "command.decided", order: "oldest" }, 100);
    assert.deepEqual(
      rows.map(({ text }) => text),
      Array.from({ length: commands }, (_, index) => `SELECT ${index + 1}`),
    );
  }

  test("on a server: what was wrong is gone, what was interrupted goes on, a running service is left alone", async () => {
    const data = join(folder, "many");
    const records = await logOf(data);
    const file = await configOn(data);
    const config = { ...server.config(tenant), data };

    const wrong = await openConfiguredStore(config, encodePosition);
    const { source, role, type, stream, sequence, json, step, envelope, atMs } = records[3]!;
    const position = 999_999 as unknown as LogRecord["position"];
    const lie = { position, source, role, type, stream, sequence, json, step, envelope, atMs };
    await wrong.write([...records.slice(0, 3), lie], new Map());
    await assert.rejects(run(file), { code: "log.locked" });
    await wrong.close();

    const written = await run(file);
    assert.ok(written >= commands + 1);
    const store = await openConfiguredStore(config, encodePosition);
    await assertWhole(store);
    assert.ok(((await store.writtenUpTo()) ?? "") < encodePosition(999_999 as never));
    await store.close();

    // Each opening of the log signs its head, which is a record more.
    assert.ok((await run(file)) >= written, "a rebuild that was finished begins anew");

    const half = await server.openEmptied(tenant);
    await half.write(records.slice(0, 20), new Map());
    await half.close();
    assert.ok((await run(file)) < written, "a rebuild that was interrupted goes on");
    assert.deepEqual(complaints, []);
  });

  test("when the server fails meanwhile it says so and goes on when it is back", async () => {
    const file = await configOn(join(folder, "many"));
    await server.fail({ match: "^INSERT INTO events ", how: "error", code: 243, text: "no space", times: 2 });
    await run(file);
    assert.deepEqual(
      complaints.map((line) => line.split(" ")[0]),
      ["sink.failed", "sink.recovered"],
    );
    const store = await openConfiguredStore({ ...server.config(tenant), data: join(folder, "many") }, encodePosition);
    await assertWhole(store);
    await store.close();
  });

  test("by the command line on one machine, also while its gateway runs", async () => {
    const data = join(folder, "one");
    await logOf(data);
    const file = join(data, "throughline.yaml");
    await writeFile(file, yaml(data, ""));
    const journal = await open(data);
    const host = await openSocketHost(journal, data, Date.now);
    const words = [main, "store", "rebuild", "--config", file];
    const before = await promisify(execFile)(process.execPath, words);
    await host.close();
    await journal.close();
    const after = await promisify(execFile)(process.execPath, words);
    for (const { stdout, stderr } of [before, after]) {
      assert.match(stdout, /The store holds what the log does: \d+ records written/);
      assert.match(stderr, /100 % {2}\d+ records/);
    }
    const store = await openConfiguredStore({ data, tenant }, encodePosition);
    await assertWhole(store);
    await store.close();
  });
});
