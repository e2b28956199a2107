/** What a bench returns, and how it is measured: interleaved slices, medians, CPU from the kernel's own counters. */
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

export interface Figure {
  /** `P2.c32`; the part before the first dot is what ONLY= takes. */
  readonly name: string;
  readonly value: number;
  /** Unit and what it is a ratio of. */
  readonly text: string;
}

export interface Bench {
  readonly names: readonly string[];
  run(): Promise<Figure[]>;
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function quantile(numbers: readonly number[], q: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

/** utime + stime of a process so far, microseconds (the kernel counts in 10 ms). */
export function cpuUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** How long fdatasync of a small write takes in this folder right now, microseconds, sorted not. */
export function syncTimesUs(folder: string, times: number): number[] {
  const file = join(folder, "sync-probe");
  const descriptor = openSync(file, "w");
  const block = Buffer.alloc(4096, 1);
  const found: number[] = [];
  for (let index = 0; index < times; index += 1) {
    writeSync(descriptor, block);
    const from = process.hrtime.bigint();
    fdatasyncSync(descriptor);
    found.push(Number(process.hrtime.bigint() - from) / 1000);
  }
  closeSync(descriptor);
  rmSync(file);
  return found;
}
