/**
 * What a correlator has folded of the shared log, kept in its data folder, so that it starts from there and not from the first
 * step. Written and read by the same release only; whatever is odd about it, and everything is folded again. It carries a
 * digest and no signature: who can write into this folder holds the key.
 *
 *     {"version":"0.3.0","topic":"throughline.acme.steps","steps":{"offset":7,…}}
 *     ["o","engine","6",…]
 *     …
 *     sha256 of all that stands before, hex
 */
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import type { StepsState } from "../infra/log/steps-follow.ts";
import { ThroughlineError } from "../schemas/errors.ts";

export interface CorrelatorFile {
  readonly file: string;
  /** The release: what another one has kept may mean something else. */
  readonly version: string;
  /** The steps topic. */
  readonly topic: string;
}

export interface CorrelatorSnapshot {
  /** Up to where it had folded. */
  readonly steps: StepsState;
  readonly lines: Iterable<string>;
}

const chunkBytes = 1024 * 1024;

/** Not synced: a torn one is not read. Half a one is taken away: it may be what fills the disk. */
export function writeState({ file, version, topic }: CorrelatorFile, snapshot: CorrelatorSnapshot): void {
  try {
    writeBeside({ file, version, topic }, snapshot);
    renameSync(`${file}.new`, file);
  } catch (error) {
    rmSync(`${file}.new`, { force: true });
    throw error;
  }
}

/** Line by line: a state may be longer than a text can be. */
function writeBeside({ file, version, topic }: CorrelatorFile, { steps, lines }: CorrelatorSnapshot): void {
  const digest = createHash("sha256");
  const descriptor = openSync(`${file}.new`, "w", 0o600);
  try {
    let chunk = `${JSON.stringify({ version, topic, steps })}\n`;
    const flush = () => {
      digest.update(chunk);
      writeWhole(descriptor, Buffer.from(chunk));
      chunk = "";
    };
    for (const line of lines) {
      chunk += `${line}\n`;
      if (chunk.length >= chunkBytes) flush();
    }
    flush();
    writeWhole(descriptor, Buffer.from(digest.digest("hex")));
  } finally {
    closeSync(descriptor);
  }
}

function writeWhole(descriptor: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

/** @returns null where there is none of this release. @throws ThroughlineError `log.damaged` */
export function readState({ file, version, topic }: CorrelatorFile): CorrelatorSnapshot | null {
  if (!existsSync(file)) return null;
  const whole = readFileSync(file);
  const end = whole.lastIndexOf("\n") + 1;
  const digest = createHash("sha256").update(whole.subarray(0, end)).digest("hex");
  if (end === 0 || whole.subarray(end).toString("utf8") !== digest)
    throw new ThroughlineError("log.damaged", `${file} is not whole; everything is folded again`);
  const first = whole.indexOf("\n") + 1;
  const head = JSON.parse(whole.subarray(0, first).toString("utf8")) as CorrelatorFile & { readonly steps: StepsState };
  if (head.version !== version || head.topic !== topic) return null;
  return { steps: head.steps, lines: linesOf(whole.subarray(first, end)) };
}

function* linesOf(bytes: Buffer): Generator<string> {
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf("\n", at);
    yield bytes.subarray(at, end).toString("utf8");
    at = end + 1;
  }
}
