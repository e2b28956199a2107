/** `rules run --pipelines`: of plain events the same is exempt as live, and the program takes the file. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { stringify } from "yaml";
import type { PipelineText } from "../../schemas/pipeline.ts";
import { runRules } from "../../services/correlator/offline.ts";
import { readScene } from "../../services/correlator/scene.ts";
import { type Dice, seeded } from "../correlator/dice.ts";
import { catalog, steps } from "../correlator/play.ts";
import { clean, copy, extract, night, report, rule } from "./night.ts";

const zeroMs = Date.UTC(2026, 0, 1);

/** The lines of a scene as events of a file; their ids are their places. */
function eventsOf(scene: string): string[] {
  return readScene(scene).map(({ atMs, account, operation, reads, writes, keys }, at) =>
    JSON.stringify({
      ...{ id: String(at), time: zeroMs + atMs, identity: keys.get("identity") ?? account, account, operation },
      ...{ reads, writes, ends: [], target: "orders", fingerprint: keys.get("fingerprint") },
      ...{ address: keys.get("address"), role: keys.get("role"), onBehalfOf: keys.get("onbehalfof")?.split(",") },
      ...{ rows: Number(keys.get("rows") ?? 1), opaque: keys.get("opaque") === "true", outcome: "ok" },
    }),
  );
}

async function plainly(scene: string, pipelines: readonly PipelineText[] | null = [report]): Promise<string[]> {
  const files = [
    { name: "steps.yml", text: steps },
    { name: "z.yml", text: rule() },
  ];
  const declared = pipelines === null ? null : { name: "pipelines.yaml", text: stringify(pipelines) };
  const run = { rules: files, catalog: { name: "catalog.yaml", text: catalog }, pipelines: declared };
  const found: string[] = [];
  for await (const { chain } of runRules({ ...run, events: eventsOf(scene) })) found.push(chain.join(" "));
  return found;
}

/** The same, played as a gateway would record it. */
function live(scene: string): string[] {
  const played = night();
  const from = played.entries.length;
  played.run(scene);
  const places = new Map<string, number>();
  for (const entry of played.entries.slice(from))
    if (entry.type === "command.decided") places.set(entry.id, places.size);
  return played.outputs.flatMap((output) =>
    output.type === "chain.completed" ? [output.data.chain.steps.map(({ event }) => places.get(event)).join(" ")] : [],
  );
}

const run = [extract("2h"), copy("130m"), clean("140m")].join("\n");

test("a run as it is declared is exempt, and without the file it is not", async () => {
  assert.deepEqual(await plainly(run), []);
  assert.deepEqual(await plainly(run, null), ["0 1 2"]);
});

test("what deviates is told: another statement, a stranger's step, too many rows, the wrong hour", async () => {
  const other = [extract("2h"), copy("130m", "fingerprint=dddd"), clean("140m")].join("\n");
  const stranger = [extract("2h"), copy("130m"), clean("140m", "identity=eve")].join("\n");
  const many = [extract("2h", "rows=1001"), copy("130m"), clean("140m")].join("\n");
  const late = [extract("5h"), copy("310m"), clean("320m")].join("\n");
  for (const scene of [other, stranger, many, late]) assert.deepEqual(await plainly(scene), ["0 1 2"], scene);
});

const more = ["fingerprint=dddd", "identity=eve", "address=10.9.0.1", "opaque=true", "role=other"];

function randomScene(dice: Dice): string {
  const lines: string[] = [];
  let [atMs, next] = [2 * 3_600_000, 0];
  for (let count = 3 + dice(14); count > 0; count -= 1) {
    const at = `${atMs}ms`;
    const what = dice(9) > 0 ? next % 3 : dice(5);
    const rest = `${dice(9) > 0 ? "" : more[dice(more.length)]} ${what < 2 && dice(20) === 0 ? "rows=1001" : ""}`;
    if (what < 3) lines.push([extract, copy, clean][what]!(at, rest));
    else if (what === 3) lines.push(`${at} bob transform orders/public.customers -> orders/public.report`);
    else lines.push(`${at} report read orders/public.misc identity=svc-report fingerprint=ffff address=10.2.0.1`);
    next = what < 3 ? what + 1 : next;
    atMs += 1 + dice(dice(6) === 0 ? 20 * 3_600_000 : 900_000);
  }
  return lines.join("\n");
}

test("random nights: the same chains are found live and in a file", async () => {
  let [found, exempt] = [0, 0];
  for (let seed = 1; seed <= 120; seed += 1) {
    const scene = randomScene(seeded(seed * 7_368_787));
    const plain = await plainly(scene);
    assert.deepEqual(plain, live(scene), `seed ${seed}:\n${scene}`);
    found += plain.length;
    exempt += (await plainly(scene, null)).length - plain.length;
  }
  assert.ok(found > 100 && exempt > 20, `${found} chains, ${exempt} exempt: too few to mean anything`);
});

test("the program takes --pipelines; a rule that names a pipeline nobody declared is an error there", async () => {
  const folder = await mkdtemp(join(tmpdir(), "throughline-pipelines-"));
  try {
    const files = {
      "rules.yml": [steps, rule()].join("---\n"),
      "catalog.yaml": catalog,
      "pipelines.yaml": stringify([report]),
      "none.yaml": "[]",
      "events.ndjson": eventsOf(run).join("\n"),
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const program = async (...words: string[]) => {
      const main = join(import.meta.dirname, "../../services/main.ts");
      const about = ["rules", "run", "rules.yml", "--catalog", "catalog.yaml", ...words, "events.ndjson"];
      return await promisify(execFile)(process.execPath, [main, ...about], { cwd: folder });
    };
    assert.equal((await program("--pipelines", "pipelines.yaml")).stdout, "");
    const without = await program();
    assert.match(without.stdout, /"rule":"chain","event":"2"/);
    assert.match(without.stderr, /nothing is exempt here, where no pipeline is declared: chain/);
    await assert.rejects(program("--pipelines", "none.yaml"), /declares no "nightly-report"/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
