/**
 * A sender that is killed with -9 at any moment between a message and its cursor: every alert arrives, in order, and what
 * comes twice comes under the same id.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { receive } from "./receiver.ts";

const sender = new URL("./sender.ts", import.meta.url).pathname;

function start(...words: string[]): ChildProcess {
  return spawn(process.execPath, [sender, ...words], { stdio: ["ignore", "inherit", "inherit"] });
}

async function killed(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

test("a kill after the send and before the answer, or after the answer, skips no alert and keeps its id", async () => {
  const folder = await mkdtemp(join(tmpdir(), "throughline-alerts-"));
  let child: ChildProcess | null = null;
  const gone: Promise<void>[] = [];
  // Killed as the 2nd message arrives (no answer ever), and as the answer to the 4th leaves (the cursor may have moved or not).
  const soc = await receive((nth) => {
    if (nth === 2 && child) {
      gone.push(killed(child));
      return null;
    }
    if (nth === 4 && child) gone.push(killed(child));
    return 204;
  });
  const raised = ["a1", "a2", "a3", "a4", "a5"];
  try {
    child = start(folder, soc.url, raised.join(","));
    await soc.reached(2);
    await gone[0];
    child = start(folder, soc.url);
    await soc.reached(4);
    await gone[1];
    child = start(folder, soc.url);
    while (soc.got.at(-1)?.id !== "a5") await soc.reached(soc.got.length + 1);
    const ids = soc.got.map(({ id }) => id);
    assert.equal(ids[1], ids[2]);
    assert.deepEqual([...new Set(ids)], raised);
    assert.ok(
      ids.every((id, at) => at === 0 || id >= (ids[at - 1] ?? "")),
      ids.join(" "),
    );
  } finally {
    if (child && child.exitCode === null && child.signalCode === null) await killed(child);
    soc.close();
    await rm(folder, { recursive: true });
  }
});
