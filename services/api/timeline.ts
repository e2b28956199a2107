/** The audit as people read it: the timeline and single events. */
import type { Store } from "../../infra/store/store.ts";
import { timelinePageSchema, timelineQuerySchema } from "../../schemas/api.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { type TimelineRow, timelineRowSchema } from "../../schemas/timeline.ts";
import type { Desk } from "./desk.ts";
import { type Route, route } from "./route.ts";

const rowsByDefault = 100;

export function timelineRoutes(desk: Desk, store: Store): Route[] {
  return [
    route(
      "GET /api/timeline",
      "Events that match every filter, newest first unless ordered otherwise",
      { query: timelineQuerySchema, answer: timelinePageSchema },
      async ({ caller, query }) => {
        desk.permits.expect(caller, "investigate");
        const { limit = rowsByDefault, ...filter } = query;
        const rows = await store.timeline(filter, limit);
        await desk.reads.record(caller, "timeline", filter, idsUnlessOwnReads(rows, caller.identity.key));
        return { rows, next: rows.length === limit ? (rows.at(-1)?.position ?? null) : null };
      },
    ),
    route("GET /api/events/:id", "One event", { answer: timelineRowSchema }, async ({ caller, id }) => {
      desk.permits.expect(caller, "investigate");
      const row = await store.event(id);
      await desk.reads.record(caller, "event", { id }, row ? [row.id] : []);
      if (!row) throw new ThroughlineError("not.found", `No event has the id ${id}`);
      return row;
    }),
  ];
}

/** The record of a read is a new row for the next read: it must not by itself make that read a new one. */
function idsUnlessOwnReads(rows: readonly TimelineRow[], identity: string): string[] {
  return rows.filter((row) => row.type !== "audit.read" || row.identity !== identity).map((row) => row.id);
}
