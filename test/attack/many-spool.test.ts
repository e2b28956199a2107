/** A machine that lost its disk, or got an old one back, says so instead of speaking to nobody. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { MemoryBrokers } from "../log/memory-bus.ts";
import { sharedWorld } from "../log/shared-world.ts";
import { intended, lifted } from "../log/world.ts";

async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 2));
}

function stage(t: TestContext) {
  const here = sharedWorld(["one", "two"]);
  t.after(here.end);
  return { here, brokers: new MemoryBrokers(Date.now) };
}

describe("a process whose spool is gone", () => {
  it("is told that the shared log has more of it, by its steps", async (t) => {
    const { here, brokers } = stage(t);
    const machine = here.machine("one");
    const before = await here.share(machine, brokers.connect());
    for (const name of ["a", "b", "c"]) (await before.appender("gateway", "one")).append(intended(name));
    await before.close();
    rmSync(join(machine.folder, "spool"), { recursive: true });
    const after = await here.share(machine, brokers.connect());
    (await after.appender("gateway", "one")).append(intended("again"));
    const following = after.follow(() => {});
    here.defer(() => following.close());
    await following.caughtUp();
    assert.throws(() => after.expectWhole("steps", following.state.last), { code: "log.refused" });
    // A whole one is none the wiser.
    const two = await here.share(here.machine("two"), brokers.connect());
    await two.appender("gateway", "two");
    two.expectWhole("steps", following.state.last);
  });

  it("ends where people are served: what they say would be dropped", async (t) => {
    const { here, brokers } = stage(t);
    const machine = here.machine("one");
    const before = await here.archive(machine, brokers.connect());
    const api = await before.appender("api", "one");
    for (const name of ["a", "b", "c"]) await api.synced(api.append(lifted(name)));
    await before.close();
    rmSync(join(machine.folder, "spool"), { recursive: true });
    const after = await here.archive(machine, brokers.connect());
    await after.appender("api", "one");
    await until(() => here.fatal.length > 0);
    assert.match(String(here.fatal[0]), /api\/one, steps, up to 3; the spool here ends at 0/);
  });
});
