/** `throughline rules run` as an analyst runs it: the program itself, files on disk, one line per firing. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "..", "..");
const run = (...words: string[]) =>
  promisify(execFile)(process.execPath, [join(root, "services/main.ts"), "rules", ...words]);

const event = (
  id: string,
  minute: number,
  account: string,
  operation: string,
  reads: string[],
  writes: string[],
  more = {},
) =>
  JSON.stringify({
    id,
    time: `2026-01-01T00:0${minute}:00Z`,
    identity: `i-${account}`,
    account,
    task: `t-${account}`,
    operation,
    reads,
    writes,
    ends: [],
    rows: 5,
    outcome: "ok",
    ...more,
  });
const customers = "orders/public.customers";
const staging = "orders/public.staging";
const chain = [
  event("e1", 0, "extract", "read", [customers], []),
  event("e2", 1, "transform", "transform", [customers], [staging]),
  event("e3", 5, "load", "delete", [], [staging]),
];

async function firings(lines: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "throughline-rules-"));
  try {
    await writeFile(join(folder, "catalog.yaml"), `- { resource: "${customers}", tags: [pii] }\n`);
    await writeFile(join(folder, "events.ndjson"), `${lines.join("\n")}\n`);
    const words = [
      join(root, "schemas/rules"),
      "--catalog",
      join(folder, "catalog.yaml"),
      join(folder, "events.ndjson"),
    ];
    return (await run("run", ...words)).stdout;
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("rules run prints one JSON line per firing, with the chain in step order", async () => {
  const expected = { rule: "read_transform_delete", event: "e3", action: "hold", chain: ["e1", "e2", "e3"] };
  assert.equal(await firings(chain), `${JSON.stringify(expected)}\n`);
});

test("two of the three steps, and a last step that failed, fire nothing", async () => {
  assert.equal(await firings(chain.slice(1)), "");
  const failed = event("e3", 5, "load", "delete", [], [staging], { outcome: "error", rows: 0 });
  assert.equal(await firings([...chain.slice(0, 2), failed]), "");
});

test("rules test tries every shipped rule on both sides", async () => {
  const { stdout } = await run("test");
  assert.match(stdout, /read_transform_delete/);
  assert.doesNotMatch(stdout, /failed/i);
});
