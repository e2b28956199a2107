/** The log as a second process has it: what it keeps, and what it says, while the owner goes away and comes back. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Journal } from "../../infra/log/journal.ts";
import type { LogRecord } from "../../infra/log/log.ts";
import { openSocketLog, type SocketLog } from "../../infra/log/socket-client.ts";
import { openSocketHost, type SocketHost } from "../../infra/log/socket-host.ts";
import { limits } from "../../schemas/limits.ts";
import { isCode } from "./contract.ts";
import { all, intended, lifted, read, type World, world } from "./world.ts";

let here: World;
let journal: Journal;
let host: SocketHost;
beforeEach(async () => {
  here = world();
  journal = await here.open();
  host = await openSocketHost(journal, here.folder, () => 0);
  here.defer(() => host.close());
});
afterEach(async () => {
  await here.end();
});

const patient = 60_000;

async function connect(...roles: ("api" | "projector" | "gateway")[]): Promise<SocketLog> {
  return connectFor(50, ...roles);
}

async function connectFor(closeWaitMs: number, ...roles: ("api" | "projector" | "gateway")[]): Promise<SocketLog> {
  const log = await openSocketLog({
    folder: here.folder,
    name: "one",
    roles,
    now: Date.now,
    retryMs: 5,
    closeWaitMs,
  });
  here.defer(() => log.close().catch(() => {}));
  return log;
}

describe("a second process", () => {
  it("is folded like the log's own, with the envelope's facts", async () => {
    const log = await connect("api");
    const api = await log.appender("api", "one");
    const folded = new Promise<string>((resolve) =>
      journal.fold((entry) => {
        if (entry.type === "block.lifted") resolve(`${entry.id} ${entry.role} ${entry.data.block}`);
      }),
    );
    api.append(lifted("b1"));
    assert.equal(await folded, "api/one/s/0000000000000001 api b1");
  });

  it("sends again what was not acknowledged when the owner comes back, without a duplicate or a hole", async () => {
    const log = await connect("api");
    const api = await log.appender("api", "one");
    const seen: LogRecord[] = [];
    const following = log.follow({ after: null, streams: ["steps"] }, (records) => void seen.push(...records));
    await api.synced(api.append(lifted("0")));
    let last = 0;
    for (let round = 1; round <= 5; round++) {
      for (let i = 0; i < 20; i++) last = api.append(lifted(`${round}.${i}`));
      await host.close();
      if (round % 2 === 0) {
        await journal.close();
        journal = await here.open();
      }
      for (let i = 0; i < 20; i++) last = api.append(lifted(`${round}.${i} away`));
      host = await openSocketHost(journal, here.folder, Date.now);
      const again = host;
      here.defer(() => again.close());
    }
    await api.synced(last);
    const mine = (await all(journal)).filter(({ type }) => type === "block.lifted");
    assert.deepEqual(
      mine.map(({ sequence }) => sequence),
      Array.from({ length: 201 }, (_, i) => i + 1),
    );
    const { promise, resolve } = Promise.withResolvers<void>();
    const poll = () => (seen.length >= 201 ? resolve() : setImmediate(poll));
    poll();
    await promise;
    assert.deepEqual(
      seen.filter(({ type }) => type === "block.lifted").map(({ sequence }) => sequence),
      mine.map(({ sequence }) => sequence),
    );
    await following.close();
  });

  it("says nothing on a new connection before it was greeted and has proven itself", async () => {
    const log = await connect("api", "projector");
    const api = await log.appender("api", "one");
    await host.close();
    // An owner that has just started: it listens, and is not yet at work.
    let heard = 0;
    const came = Promise.withResolvers<Socket>();
    const busy = createServer((socket) => {
      socket.on("data", (chunk) => {
        heard += chunk.length;
      });
      came.resolve(socket);
    });
    await new Promise<void>((listening) => busy.listen(host.path, listening));
    const socket = await came.promise;
    const asked = assert.rejects(log.head(), isCode("log.lost_connection"));
    const last = api.append(lifted("before the greeting"));
    const following = log.follow({ after: null, streams: ["steps"] }, () => {});
    await new Promise((done) => setTimeout(done, 20));
    socket.destroy();
    await asked;
    assert.equal(heard, 0);
    await new Promise((closed) => busy.close(closed));
    host = await openSocketHost(journal, here.folder, Date.now);
    here.defer(() => host.close());
    await api.synced(last);
    await following.caughtUp;
    assert.notEqual(await log.head(), null);
    await following.close();
  });

  it("does not take more than a batch's worth while the owner is away, and says why", async () => {
    const log = await connect("api");
    const api = await log.appender("api", "one");
    await host.close();
    const fill = () => {
      for (let i = 0; i < 100; i++) api.append(read("x".repeat(50_000)));
    };
    assert.throws(fill, isCode("log.lost_connection"));
  });

  it("closed while the owner is away, waits no longer than until it hears that all is there", {
    timeout: 10_000,
  }, async () => {
    const log = await connectFor(patient, "api");
    const api = await log.appender("api", "one");
    const signed = Promise.withResolvers<void>();
    journal.fold(({ type, source }) => type === "log.checkpoint" && source === "api/one" && signed.resolve());
    api.append(read("signed soon"));
    await signed.promise;
    // The last that was on its way is in the log, and the word of it is lost with the connection.
    await host.close();
    await journal.drained();
    const closing = log.close();
    host = await openSocketHost(journal, here.folder, Date.now);
    here.defer(() => host.close());
    await closing;
  });

  it("lives on when a signed head is due while the owner is away and nothing more is taken", async (t) => {
    const log = await connect("api");
    const api = await log.appender("api", "one");
    const heard = Promise.withResolvers<void>();
    journal.fold(({ type }) => type === "audit.read" && heard.resolve());
    t.mock.timers.enable({ apis: ["setTimeout"] });
    try {
      api.append(read("on its way"));
      await heard.promise;
      await host.close();
      const fill = () => {
        for (;;) api.append(read("x"));
      };
      assert.throws(fill, isCode("log.lost_connection"));
      // The signer's timer: what it throws, nobody catches.
      t.mock.timers.tick(limits.checkpointMsMax);
    } finally {
      t.mock.timers.reset();
    }
  });

  it("does not go on with a log that does not continue what was acknowledged", async () => {
    const log = await connect("api");
    const api = await log.appender("api", "one");
    await api.synced(api.append(lifted("1")));
    await host.close();
    await journal.close();
    rmSync(`${here.folder}/log/0000000000000001.log`);
    journal = await here.open();
    const ended = log.follow({ after: null, streams: ["steps"] }, () => {}).ended;
    host = await openSocketHost(journal, here.folder, Date.now);
    here.defer(() => host.close());
    await assert.rejects(ended, isCode("log.refused"));
    assert.throws(() => api.append(lifted("2")), isCode("log.refused"));
  });

  it("that follows slowly costs the owner one block, and gets everything", async () => {
    const gateway = await journal.appender("gateway", "one");
    const log = await connect("projector");
    let last = 0;
    for (let i = 0; i < 3000; i++) last = gateway.append(intended(`c${i}`));
    await gateway.synced(last);
    const sizes: number[] = [];
    const following = log.follow({ after: null, streams: ["steps"] }, async (records) => {
      sizes.push(records.reduce((sum, record) => sum + record.json.length, 0));
      await new Promise((resolve) => setImmediate(resolve));
    });
    await following.caughtUp;
    await following.close();
    assert.ok(sizes.length > 2);
    assert.ok(sizes.every((bytes) => bytes <= 512 * 1024));
  });

  it("does not believe whoever else answers on the socket", async () => {
    // Another log whose registry knows this api's public key; what it has not is this log's writer key.
    const other = world();
    here.defer(() => other.end());
    await (await other.open()).close();
    const registry = (folder: string) => JSON.parse(readFileSync(`${folder}/keys/sources.json`, "utf8"));
    const theirs = registry(other.folder);
    theirs.sources["api/one"] = registry(here.folder).sources["api/one"];
    writeFileSync(`${other.folder}/keys/sources.json`, JSON.stringify(theirs));
    const fake = await other.open();
    await host.close();
    const impostor = await openSocketHost(fake, other.folder, Date.now);
    other.defer(() => impostor.close());
    const mixed = `${here.folder}/mixed`;
    mkdirSync(`${mixed}/log`, { recursive: true });
    cpSync(`${here.folder}/keys`, `${mixed}/keys`, { recursive: true });
    symlinkSync(impostor.path, `${mixed}/log/socket`);
    await assert.rejects(
      openSocketLog({ folder: mixed, name: "one", roles: ["api"], now: Date.now }),
      (error: Error) => isCode("log.refused")(error) && /not the log's writer/.test(error.message),
    );
  });
});
