/**
 * What a gateway has folded of the shared log, kept in its data folder, so that it starts from there and not from the
 * first step. Made by the same process that reads it; another release, another tenant or a damaged file is not read, and
 * then everything is folded again.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { StepsState } from "../infra/log/steps-follow.ts";
import type { KeptPolicyParts, WholePolicy } from "../infra/policy/packed.ts";
import type { KeptFeed } from "./gateway/feed.ts";
import type { KeptDefinition } from "./gateway/postgres/foreign.ts";
import type { KeptGateway } from "./gateway/shared-view.ts";
import type { Proposed } from "./main-policy-answering.ts";

export interface FeedSnapshot {
  readonly steps: StepsState;
  readonly feed: KeptFeed;
  readonly gateways: readonly KeptGateway[];
  readonly definitions: readonly KeptDefinition[];
  readonly policy: WholePolicy | null;
  readonly parts: KeptPolicyParts;
  /** By which correlators may be answering. */
  readonly answering: readonly Proposed[];
}

export interface SnapshotFile {
  readonly file: string;
  /** The release: what another one has kept may mean something else. */
  readonly version: string;
  /** The steps topic. */
  readonly topic: string;
}

/** Not synced: a torn one is not read. Half a one is taken away: it may be what fills the disk. */
export function writeSnapshot({ file, version, topic }: SnapshotFile, snapshot: FeedSnapshot): void {
  const text = JSON.stringify({ version, topic, snapshot });
  try {
    writeFileSync(`${file}.new`, `${digestOf(text)}\n${text}`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } catch (error) {
    rmSync(`${file}.new`, { force: true });
    throw error;
  }
}

/** @returns null where there is none that this release may read */
export function readSnapshot({ file, version, topic }: SnapshotFile): FeedSnapshot | null {
  if (!existsSync(file)) return null;
  const whole = readFileSync(file, "utf8");
  const at = whole.indexOf("\n");
  const text = whole.slice(at + 1);
  if (at < 0 || whole.slice(0, at) !== digestOf(text)) return null;
  const kept = JSON.parse(text) as { version: string; topic: string; snapshot: FeedSnapshot };
  return kept.version === version && kept.topic === topic ? kept.snapshot : null;
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
