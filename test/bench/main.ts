/**
 * `make bench`: one line per figure, starting with its name and value; the same as JSON in bench/latest.json.
 * Nothing is asserted: shared machines drift, only ratios inside one run mean anything. ONLY=P2,P6 runs some.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { correlatorBench } from "./correlator.ts";
import { peersBench } from "./correlator-peers.ts";
import { decisionBench } from "./decision.ts";
import { differentialBench } from "./differential.ts";
import type { Bench, Figure } from "./figures.ts";
import { journalBench } from "./journal.ts";
import { pgbenchBench } from "./pgbench.ts";
import { storeBench } from "./store.ts";

const benches: readonly Bench[] = [
  journalBench,
  correlatorBench,
  peersBench,
  decisionBench,
  pgbenchBench,
  storeBench,
  differentialBench,
];
const only = process.argv
  .find((word) => word.startsWith("--only="))
  ?.slice(7)
  .split(",");
const wanted = benches.filter(({ names }) => !only || names.some((name) => only.includes(name)));

const figures: Figure[] = [];
for (const bench of wanted) {
  for (const figure of await bench.run()) {
    if (only && !only.includes(figure.name.split(".")[0] ?? "")) continue;
    figures.push(figure);
    console.log(`${figure.name} ${figure.value} ${figure.text}`);
  }
}

const root = join(import.meta.dirname, "..", "..");
const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: root, encoding: "utf8" }).trim();
const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`;
mkdirSync(join(root, "bench"), { recursive: true });
const report = { at: new Date().toISOString(), commit, machine, node: process.version, figures };
writeFileSync(join(root, "bench", "latest.json"), `${JSON.stringify(report, null, 2)}\n`);
