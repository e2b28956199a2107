/** Sessions, and one session played back: its statements in order, each with what was decided and what came of it. */
import type { Store } from "../../infra/store/store.ts";
import { replaySchema, type Statement, sessionsPageSchema } from "../../schemas/api.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { closed, Type } from "../../schemas/shape.ts";
import { storyOf } from "../../schemas/story.ts";
import { type SessionSummary, sessionFilterSchema, type TimelineRow } from "../../schemas/timeline.ts";
import type { Desk } from "./desk.ts";
import { type Route, route } from "./route.ts";

const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 }));
const sessionsQuerySchema = closed({ ...sessionFilterSchema.properties, limit });
const replayQuerySchema = closed({ after: Type.Optional(Type.String({ minLength: 1, maxLength: 40 })), limit });

const sessionsByDefault = 50;
const statementsByDefault = 1_000;
const rowsAtOnce = 1_000;
/** Rows read for one page of statements; a command makes two to five. */
const rowsMax = 10_000;

export function sessionRoutes(desk: Desk, store: Store): Route[] {
  return [
    route(
      "GET /api/sessions",
      "Sessions, newest first",
      { query: sessionsQuerySchema, answer: sessionsPageSchema },
      async ({ caller, query }) => {
        desk.permits.expect(caller, "investigate");
        const { limit = sessionsByDefault, ...filter } = query;
        const sessions = await store.sessions(filter, limit);
        const given = sessions.map((one) => `${one.session} ${one.commands} ${one.closedAtMs}`);
        await desk.reads.record(caller, "sessions", filter, given);
        return { sessions, next: sessions.length === limit ? (sessions.at(-1)?.position ?? null) : null };
      },
    ),
    route(
      "GET /api/sessions/:id",
      "A session, statement by statement",
      { query: replayQuerySchema, answer: replaySchema },
      async ({ caller, id, query }) => {
        desk.permits.expect(caller, "investigate");
        const [session] = await store.sessions({ session: id }, 1);
        const page = session ? await statementsOf(store, session, query.after, query.limit) : null;
        const given = page?.statements.map((one) => `${one.event} ${one.outcome}`) ?? [];
        await desk.reads.record(caller, "session", { session: id, after: query.after }, given);
        if (!session || !page) throw new ThroughlineError("not.found", `No session has the id ${id}`);
        return { session, ...page };
      },
    ),
  ];
}

async function statementsOf(
  store: Store,
  session: SessionSummary,
  after: string | undefined,
  max = statementsByDefault,
): Promise<{ statements: Statement[]; next: string | null }> {
  const rows: TimelineRow[] = [];
  let before = after;
  let more = true;
  while (more && rows.length < rowsMax) {
    const filter = { session: session.session, order: "oldest" as const, ...(before ? { before } : {}) };
    const found = await store.timeline(filter, rowsAtOnce);
    rows.push(...found);
    before = found.at(-1)?.position;
    more = found.length === rowsAtOnce;
  }
  const all = statementsFrom(rows, session.closedAtMs !== null);
  const statements = all.slice(0, max);
  // A page that was cut begins again behind its last statement; what came of that one may be read twice, never missed.
  const cut = more || all.length > max;
  return { statements, next: cut ? (statements.at(-1)?.position ?? null) : null };
}

/** @param rows of one session, in order */
export function statementsFrom(rows: readonly TimelineRow[], isClosed: boolean): Statement[] {
  const byCommand = new Map<string, TimelineRow[]>();
  for (const row of rows)
    if (row.command !== "") byCommand.set(row.command, [...(byCommand.get(row.command) ?? []), row]);
  return [...byCommand.values()].flatMap((own) => {
    const decisions = own.filter((row) => row.type === "command.decided");
    const last = decisions.reduce<Statement | undefined>((sofar, row) => decided(row, sofar, isClosed), undefined);
    // What is asked of people stands before the decision, what came of it after.
    return last ? [own.reduce(followed, last)] : [];
  });
}

/** A command that was held and approved is decided twice; its place is where it was asked first. */
function decided(row: TimelineRow, earlier: Statement | undefined, isClosed: boolean): Statement {
  const data = row.data as EventData["command.decided"];
  const ran = data.ruling === "allow" || data.ruling === "mask";
  return {
    command: row.command,
    event: row.id,
    position: earlier?.position ?? row.position,
    atMs: earlier?.atMs ?? row.atMs,
    text: row.text,
    parameters: row.parameters,
    statements: data.statements,
    operations: row.operations,
    resources: row.resources,
    ruling: data.ruling,
    stage: data.stage,
    because: data.because,
    sentence: data.sentence || (earlier?.sentence ?? ""),
    masks: data.masks.map((resource) => ({ resource, tag: "", count: 0 })),
    chains: earlier?.chains ?? row.chains,
    approval: data.approval ?? earlier?.approval ?? null,
    outcome: ran ? (isClosed ? "unknown" : "running") : "not-run",
    rows: null,
    bytes: null,
    tag: "",
    code: null,
    durationUs: null,
  };
}

function followed(statement: Statement, row: TimelineRow): Statement {
  const chains = [...new Set([...statement.chains, ...row.chains])];
  if (row.type === "command.finished") {
    const { outcome, rows, bytes, tag, code, durationUs } = row.data as EventData["command.finished"];
    return { ...statement, chains, outcome, rows, bytes, tag, code, durationUs };
  }
  if (row.type === "output.masked") {
    const { columns } = row.data as EventData["output.masked"];
    const counted = new Set(columns.map((column) => column.resource));
    return { ...statement, masks: [...columns, ...statement.masks.filter((mask) => !counted.has(mask.resource))] };
  }
  if (row.type === "command.held" || row.type === "approval.asked") {
    const { approval } = row.data as { approval: string };
    return { ...statement, chains, approval };
  }
  if (row.type === "approval.answered" || row.type === "approval.expired")
    return { ...statement, chains, answer: storyOf(row.type, row.data) };
  return { ...statement, chains };
}
