/**
 * Lineage for a catalog of data: the commands of a stretch of the log as OpenLineage run events, one per line; the last
 * line is `{"manifest": …}`. Asked and given are both events, as for exports.
 */
import { createHash } from "node:crypto";
import { type Exported, exportLog } from "../../infra/log/export.ts";
import type { Envelope } from "../../schemas/event.ts";
import { lineageQuerySchema } from "../../schemas/exports.ts";
import { type Desk, subjectOfCaller } from "./desk.ts";
import { rangeOf } from "./export.ts";
import { type LineageContext, LineageRuns } from "./openlineage.ts";
import { filterWords } from "./reads.ts";
import { type Route, streamRoute } from "./route.ts";
import type { WholeLog } from "./whole-log.ts";

export interface LineageParts extends LineageContext {
  readonly from: Exported;
  readonly whole: WholeLog;
}

interface Filter {
  readonly session?: string;
  readonly command?: string;
}

export function lineageRoutes(desk: Desk, parts: LineageParts): Route[] {
  return [
    streamRoute(
      "/api/lineage",
      "What commands moved, column by column, as OpenLineage run events (NDJSON)",
      lineageQuerySchema,
      async ({ caller, query, gone }) => {
        desk.permits.expect(caller, "export");
        const range = rangeOf(query.since, query.until);
        const filter = filterWords(query);
        const subject = subjectOfCaller(caller);
        const given = (records: number, manifest: string): Promise<string> =>
          desk.state.said({ type: "audit.exported", subject, data: { filter, records, withText: false, manifest } });
        const text = await parts.whole.stream(gone, async () => {
          await desk.state.said({ type: "audit.read", subject, data: { what: "lineage", filter, rows: 0 } });
          return told(exportLog(parts.from, range).lines, new LineageRuns(parts), query, given);
        });
        return { type: "application/x-ndjson", headers: { "cache-control": "no-store, no-transform" }, text };
      },
    ),
  ];
}

/** What was given is durable before the last line says that it is whole; broken off, it says what left until then. */
async function* told(
  lines: AsyncIterable<string>,
  runs: LineageRuns,
  filter: Filter,
  given: (records: number, manifest: string) => Promise<string>,
): AsyncGenerator<string> {
  const digest = createHash("sha256");
  let count = 0;
  let isWhole = false;
  try {
    for await (const line of lines) {
      const event = commandOf(line, filter);
      for (const run of event ? runs.add(event) : []) {
        const text = `${JSON.stringify(run)}\n`;
        digest.update(text);
        count += 1;
        yield text;
      }
    }
    const manifest = JSON.stringify({ format: "openlineage/2-0-2", count, sha256: digest.digest("hex") });
    isWhole = true;
    await given(count, createHash("sha256").update(manifest).digest("hex"));
    yield `{"manifest":${manifest}}\n`;
  } finally {
    if (!isWhole) await given(count, "");
  }
}

/** Lines in the range only; what surrounds them is there for verification. */
function commandOf(line: string, filter: Filter): Envelope<"command.decided"> | Envelope<"command.finished"> | null {
  const { type, context, json } = JSON.parse(line) as { type: string; context: boolean; json: string };
  if (context || (type !== "command.decided" && type !== "command.finished")) return null;
  const event = JSON.parse(json) as Envelope<"command.decided"> | Envelope<"command.finished">;
  const isAsked =
    (filter.session ?? event.session) === event.session &&
    // What another command of the transaction says of it later counts too.
    (filter.command === undefined || event.command === filter.command || event.type === "command.finished");
  return isAsked ? event : null;
}
