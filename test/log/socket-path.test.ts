import assert from "node:assert/strict";
import fs, { mkdirSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { openSocketLog } from "../../infra/log/socket-client.ts";
import { openSocketHost } from "../../infra/log/socket-host.ts";
import { socketAddress } from "../../infra/log/socket-path.ts";
import { isCode } from "./contract.ts";
import { all, lifted, type World, world } from "./world.ts";

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(() => here.end());

function openFolders(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // the one that listed them
    }
  });
}

describe("the log's socket in a folder whose path is longer than an address", () => {
  it("is reached, is private, and leaves nothing behind", { skip: process.platform !== "linux" }, async () => {
    const folder = join(here.folder, "d".repeat(200));
    mkdirSync(folder);
    const journal = await here.open({ folder });
    const host = await openSocketHost(journal, folder, () => 0);
    assert.ok(statSync(host.path).isSocket());
    assert.equal(statSync(host.path).mode & 0o777, 0o600);
    const common = { folder, name: "one", now: Date.now, retryMs: 5, closeWaitMs: 50 };
    const log = await openSocketLog({ ...common, roles: ["api"] });
    const appender = await log.appender("api", "one");
    await appender.synced(appender.append(lifted("b1")));
    assert.equal((await all(journal)).filter(({ type }) => type === "block.lifted").length, 1);
    await log.close();
    await host.close();
    assert.throws(() => statSync(host.path), { code: "ENOENT" });
    await journal.close();
    assert.ok(!openFolders().includes(join(folder, "log")), "no folder stays open");
  });

  it("is tried again when for a moment no more files may be open", {
    skip: process.platform !== "linux",
  }, async (t) => {
    const folder = join(here.folder, "d".repeat(200));
    mkdirSync(folder);
    const journal = await here.open({ folder });
    let host = await openSocketHost(journal, folder, () => 0);
    here.defer(() => host.close());
    const log = await openSocketLog({
      folder,
      name: "one",
      now: Date.now,
      retryMs: 5,
      closeWaitMs: 50,
      roles: ["api"],
    });
    here.defer(() => log.close().catch(() => {}));
    const tried = Promise.withResolvers<void>();
    t.mock.method(fs, "openSync", () => {
      tried.resolve();
      throw Object.assign(new Error("too many open files"), { code: "EMFILE" });
    });
    syncBuiltinESMExports();
    try {
      await host.close();
      await tried.promise;
    } finally {
      t.mock.restoreAll();
      syncBuiltinESMExports();
    }
    host = await openSocketHost(journal, folder, () => 0);
    const appender = await log.appender("api", "one");
    await appender.synced(appender.append(lifted("b1")));
  });

  it("is refused where folders have no short names, and an absent folder is as an absent socket", () => {
    const path = join(here.folder, "d".repeat(200), "log", "socket");
    assert.throws(() => socketAddress(path, "darwin"), isCode("config.invalid"));
    assert.match(socketAddress(path, "linux").path, /^\/proc\/self\/fd\/none\/socket$/);
    assert.equal(socketAddress("/short/socket", "darwin").path, "/short/socket");
  });
});
