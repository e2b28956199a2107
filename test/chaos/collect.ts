/** Reads what a run left: archive and spools from their folders, PostgreSQL's own log, the timeline from the api. */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { loadConfig } from "../../infra/config.ts";
import { openKeysFor } from "../../infra/keys/open.ts";
import { open } from "../../infra/keys/seal.ts";
import type { StoredRecord } from "../../infra/log/record.ts";
import { parseSources } from "../../infra/log/sources.ts";
import { verifyFolder } from "../../infra/log/verify-folder.ts";
import type { TimelinePage } from "../../schemas/api.ts";
import type { EventData, Sealed } from "../../schemas/event-data.ts";
import { configOf, dataOf, keysOf, members } from "../cluster/files.ts";
import type { Cluster } from "../cluster/world.ts";
import type { Player } from "../demo/cast.ts";
import type { Given, Logged, Said } from "./evidence.ts";
import { recordsOf } from "./records.ts";

const markPattern = /\bm\d+x\d+\b/g;

/** The archive of the process beside the store: verified against keys from elsewhere, texts decrypted. */
export async function archived(folder: string): Promise<Logged[]> {
  const data = dataOf(folder, "store");
  const { known } = parseSources(await readFile(join(keysOf(folder), "sources.json"), "utf8"));
  const report = verifyFolder(data, known);
  assert.ok(report.ok, `the archive does not verify: ${JSON.stringify(report.problem)}`);
  const keys = await openKeysFor(await loadConfig(configOf(folder, "store")), Date.now);
  const kept = new Map<string, Uint8Array | null>();
  const clear = async (session: string, sealed: Sealed | null): Promise<string> => {
    if (sealed?.sealed === undefined) return "";
    if (!kept.has(session)) kept.set(session, await keys.get(session));
    const key = kept.get(session);
    return key ? open(key, sealed.sealed) : "";
  };
  const found: Logged[] = [];
  for (const record of recordsOf(join(data, "log"))) {
    const { envelope } = record;
    const { session = "", command = "", identity = "", account = "", task = "" } = envelope;
    let text = "";
    if (record.type === "command.decided") {
      const said = envelope.data as EventData["command.decided"];
      text = `${await clear(session, said.text)} ${await clear(session, said.parameters)}`;
    }
    found.push({
      ...saidIn(record),
      position: record.number,
      atMs: record.atMs,
      id: envelope.id,
      type: record.type,
      subject: { session, command, identity, account, task },
      data: slim(record, envelope.data),
      marks: text.match(markPattern) ?? [],
    });
  }
  await keys.close();
  return found;
}

/** Sealed texts are read once and then only weigh. */
function slim({ type }: StoredRecord, data: unknown): unknown {
  if (type === "command.decided") return { ...(data as EventData["command.decided"]), text: null, parameters: null };
  return type === "approval.asked" ? null : data;
}

const saidIn = (record: StoredRecord): Said => ({
  source: record.source,
  stream: record.stream,
  sequence: record.sequence,
  digest: hash("sha256", record.said, "base64").slice(0, 16),
});

/** Everything that any process has said into its own spool. */
export function spooled(folder: string): Said[] {
  return members.flatMap((name) => [...recordsOf(join(dataOf(folder, name), "spool"))].map(saidIn));
}

/** What PostgreSQL wrote down of the statements it was given, by their marks. */
export async function given(file: string): Promise<Given[]> {
  const found: Given[] = [];
  const last = new Map<string, number>();
  for (const line of (await readFile(file, "utf8")).split("\n")) {
    const [, at, pid, account, kind, rest = ""] =
      /^(\d+\.\d+) \[(\d+)\] (\w*)@\w* (LOG|DETAIL): {2}(.*)/.exec(line) ?? [];
    if (at === undefined || pid === undefined || account === "postgres") continue;
    const isStatement = kind === "LOG" && /^(statement|execute)/.test(rest);
    if (kind === "LOG") last.set(pid, isStatement ? Math.round(Number(at) * 1000) : 0);
    const atMs = last.get(pid) ?? 0;
    const isParameters = kind === "DETAIL" && /^Parameters:/i.test(rest);
    if (atMs > 0 && (isStatement || isParameters))
      for (const mark of new Set(rest.match(markPattern))) found.push({ mark, atMs });
  }
  return found;
}

/** Waits until the store has projected what these processes said last. @returns false when it does not */
export async function projected(investigator: Player, names: readonly string[], waitMsMax: number): Promise<boolean> {
  for (const until = Date.now() + waitMsMax; Date.now() < until; ) {
    const { body } = await investigator.api("GET", "/api/timeline?type=service.stopped&limit=1000");
    const { rows = [] } = body as unknown as Partial<TimelinePage>;
    const ended = new Set(rows.map(({ source }) => source.slice(source.indexOf("/") + 1)));
    if (names.every((name) => ended.has(name))) return true;
    await new Promise((done) => setTimeout(done, 500));
  }
  return false;
}

/** Every id of the timeline, page by page, as an investigator would scroll. */
export async function timelineIds(investigator: Player): Promise<string[]> {
  const ids: string[] = [];
  for (let before: string | null = ""; before !== null; ) {
    const page = before === "" ? "" : `&before=${encodeURIComponent(before)}`;
    const { status, body } = await investigator.api("GET", `/api/timeline?limit=1000${page}`);
    assert.equal(status, 200, JSON.stringify(body).slice(0, 300));
    const { rows, next } = body as unknown as TimelinePage;
    ids.push(...rows.map(({ id }) => id));
    before = next;
  }
  return ids;
}

/** Waits until the archive holds whatever stands in the spools. @returns what is missing when it stays away */
export async function archivedAll(world: Cluster, spools: readonly Said[], waitMsMax: number): Promise<string[]> {
  const wanted = ends(spools);
  const until = Date.now() + waitMsMax;
  for (;;) {
    const there = ends([...recordsOf(join(dataOf(world.folder, "store"), "log"))].map(saidIn));
    const missing = [...wanted].filter(([lane, last]) => (there.get(lane) ?? 0) < last).map(([lane]) => lane);
    if (missing.length === 0 || Date.now() > until) return missing;
    await new Promise((done) => setTimeout(done, 500));
  }
}

function ends(said: readonly Said[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { source, stream, sequence } of said)
    found.set(`${source} ${stream}`, Math.max(sequence, found.get(`${source} ${stream}`) ?? 0));
  return found;
}
