/**
 * Exports: the exact records of a stretch of the log, for who verifies them elsewhere. Asked and given are both events;
 * with text, the keys that open it come with the manifest.
 *
 * The asking is durable before the first record leaves, the giving (how many, the manifest's digest) before the manifest
 * does; an export that was broken off is recorded with what left until then.
 */
import { createHash } from "node:crypto";
import type { Keys } from "../../infra/keys/keys.ts";
import { type Exported, type ExportRange, exportLog } from "../../infra/log/export.ts";
import type { Store } from "../../infra/store/store.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { exportQuerySchema } from "../../schemas/exports.ts";
import { type Desk, subjectOfCaller } from "./desk.ts";
import { filterWords } from "./reads.ts";
import { type Caller, type Route, streamRoute } from "./route.ts";
import type { WholeLog } from "./whole-log.ts";

export interface ExportParts {
  readonly from: Exported;
  readonly keys: Pick<Keys, "get">;
  readonly store: Pick<Store, "timeline">;
  readonly whole: WholeLog;
}

export function exportRoutes(desk: Desk, parts: ExportParts): Route[] {
  return [
    streamRoute(
      "/api/export",
      "The exact records of the log as NDJSON, with a manifest",
      exportQuerySchema,
      async ({ caller, query, gone }) => {
        desk.permits.expect(caller, "export");
        const withText = query.withText === true;
        if (withText) desk.permits.expect(caller, "investigate");
        const range = rangeOf(query.since, query.until);
        const filter = filterWords(query);
        const data = { what: "export", filter, rows: 0 };
        const text = await parts.whole.stream(gone, async () => {
          await desk.state.said({ type: "audit.read", subject: subjectOfCaller(caller), data });
          return exported(desk, parts, { caller, range, withText, filter });
        });
        return { type: "application/x-ndjson", headers: { "cache-control": "no-store, no-transform" }, text };
      },
    ),
  ];
}

interface Order {
  readonly caller: Caller;
  readonly range: ExportRange;
  readonly withText: boolean;
  readonly filter: Record<string, string>;
}

async function* exported(desk: Desk, parts: ExportParts, order: Order): AsyncGenerator<string> {
  const { lines, manifest } = exportLog(parts.from, order.range);
  const sessions = new Set<string>();
  let records = 0;
  let isWhole = false;
  const done = (digest: string): Promise<string> => {
    const data = { filter: order.filter, records, withText: order.withText, manifest: digest };
    return desk.state.said({ type: "audit.exported", subject: subjectOfCaller(order.caller), data });
  };
  try {
    for await (const line of lines) {
      records += 1;
      if (order.withText) addSession(sessions, line);
      yield line;
    }
    const text = JSON.stringify(manifest());
    const keys = order.withText ? `,"keys":${JSON.stringify(await keysOf(parts, sessions))}` : "";
    isWhole = true;
    await done(createHash("sha256").update(text).digest("hex"));
    yield `{"manifest":${text}${keys}}\n`;
  } finally {
    if (!isWhole) await done("");
  }
}

function addSession(sessions: Set<string>, line: string): void {
  const { json } = JSON.parse(line) as { json: string };
  const { session } = JSON.parse(json) as { session?: string };
  if (session !== undefined) sessions.add(session);
}

async function keysOf(
  { store, keys }: ExportParts,
  sessions: ReadonlySet<string>,
): Promise<{ session: string; keyId: string; key: string | null }[]> {
  const found = [];
  for (const session of sessions) {
    const [opened] = await store.timeline({ session, type: "session.opened" }, 1);
    const { keyId } = (opened?.data ?? {}) as { keyId?: string };
    if (keyId === undefined) continue;
    const key = await keys.get(keyId);
    found.push({ session, keyId, key: key === null ? null : Buffer.from(key).toString("base64") });
  }
  return found;
}

/** `until` is exclusive here and inclusive in the log's range. @throws ThroughlineError `request.invalid` */
export function rangeOf(since: string | undefined, until: string | undefined): ExportRange {
  const sinceMs = momentOf(since);
  const untilMs = momentOf(until);
  if (sinceMs !== null && untilMs !== null && untilMs <= sinceMs)
    throw new ThroughlineError("request.invalid", "until must be after since");
  return { sinceMs, untilMs: untilMs === null ? null : untilMs - 1 };
}

function momentOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isSafeInteger(ms))
    throw new ThroughlineError("request.invalid", `"${text}" is neither RFC 3339 nor milliseconds`);
  return ms;
}
