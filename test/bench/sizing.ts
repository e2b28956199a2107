/**
 * `make size`: what a command costs in bytes, and what is kept in memory; infra/deploy/SIZING.md is computed from these.
 * One line per figure; the same as JSON in bench/size.json. Nothing is asserted. `--without sessions` needs no Java.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import type { Figure } from "./figures.ts";
import { bytesPerCommand, bytesPerHeartbeat } from "./sizing-bytes.ts";
import { bytesPerChain, bytesPerSession, bytesPerStep } from "./sizing-memory.ts";

const figures: Figure[] = [];
const show = (found: readonly Figure[]): void => {
  for (const figure of found) {
    figures.push(figure);
    console.log(`${figure.name} ${figure.value} ${figure.text}`);
  }
};

show(bytesPerStep(200_000));
show([bytesPerChain(20_000)]);
show(await bytesPerCommand(100_032, 64, true));
show(await bytesPerCommand(4_000, 1, false));
show(await bytesPerHeartbeat(50));
if (!process.argv.includes("--without")) show(await bytesPerSession(300));

const folder = join(import.meta.dirname, "..", "..", "bench");
const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`;
mkdirSync(folder, { recursive: true });
const report = { at: new Date().toISOString(), machine, node: process.version, figures };
writeFileSync(join(folder, "size.json"), `${JSON.stringify(report, null, 2)}\n`);
