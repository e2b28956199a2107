/**
 * Traces a share of the commands on their way: judged by the gate (with what the correlator was asked), held, recorded,
 * known to the shared log, run by the target, shown. It looks on from outside the gate and keeps nothing of a command but
 * its id and kind. Where tracing is off this is not there.
 */
import { type Trace, type Tracer, traceparentOf } from "../../infra/observe/trace.ts";
import type { Judgement, Outcome, RunningGate } from "./gate.ts";
import type { Session } from "./session.ts";

interface Way {
  readonly trace: Trace;
  readonly session: Session;
  /** When the last thing about it happened, milliseconds since the epoch. */
  sinceMs: number;
  judgement: Judgement | null;
  /** Set while its record is waited for. */
  recordedFromMs: number | null;
  ended: { readonly atMs: number; readonly outcome: Outcome } | null;
}

/** Ways that are open at once: a command without an end (its session broke) is ended when others need the place. */
const openMax = 500;

/** @param now milliseconds since the epoch, with fractions */
export function traced(gate: RunningGate, tracer: Tracer, now: () => number): RunningGate {
  const ways = new Map<string, Way>();
  const finish = (id: string, way: Way): void => {
    ways.delete(id);
    const { judgement, ended, trace } = way;
    const outcome = ended?.outcome.outcome ?? (judgement?.verdict.ruling === "block" ? "refused" : "unknown");
    const attributes = { "throughline.command": id, "throughline.outcome": outcome };
    trace.end(now(), attributes, outcome === "error" || outcome === "unknown");
  };
  const look = (): void => {
    for (const [id, way] of ways) {
      const { judgement, recordedFromMs, session } = way;
      if (judgement === null || recordedFromMs === null || !gate.isDurable(session, judgement.ticket)) continue;
      way.trace.span("record", recordedFromMs, now());
      way.recordedFromMs = null;
      shown(way, now());
      if (way.ended !== null || judgement.verdict.ruling === "block") finish(id, way);
    }
  };
  gate.onDurable(() => {
    if (ways.size > 0) look();
  });
  const judged = (id: string, way: Way, judgement: Judgement): Judgement => {
    const atMs = now();
    const { verdict, command } = judgement;
    way.trace.span("gate", way.sinceMs, atMs, {
      "throughline.ruling": verdict.ruling,
      "throughline.stage": verdict.stage,
      "throughline.kind": command.kind,
    });
    Object.assign(way, { judgement, sinceMs: atMs, recordedFromMs: judgement.ticket > 0 ? atMs : null });
    if (judgement.ticket === 0) finish(id, way);
    return judgement;
  };
  return {
    ...gate,
    judge(session, command, commits, inTransaction) {
      const way = ways.get(command.id) ?? begin(session, command.text, command.id);
      if (way === null) return gate.judge(session, command, commits, inTransaction);
      // Judged before: it was held, and now asks again.
      if (way.judgement !== null) way.trace.span("hold", way.sinceMs, now());
      way.sinceMs = now();
      const given = gate.judge(session, command, commits, inTransaction);
      return given instanceof Promise
        ? given.then((done) => judged(command.id, way, done))
        : judged(command.id, way, given);
    },
    finished(session, judgement, outcome) {
      gate.finished(session, judgement, outcome);
      const { id } = judgement.command;
      const way = ways.size > 0 ? ways.get(id) : undefined;
      if (way === undefined) return;
      const atMs = now();
      way.trace.span("target", atMs - outcome.durationUs / 1_000, atMs, { "throughline.rows": outcome.rows });
      way.ended = { atMs, outcome };
      if (way.recordedFromMs !== null) return;
      shown(way, atMs);
      finish(id, way);
    },
  };

  function begin(session: Session, text: string, id: string): Way | null {
    const trace = tracer.begin("command", now(), traceparentOf(text));
    if (trace === null) return null;
    if (ways.size >= openMax) for (const [oldest, way] of [...ways].slice(0, 1)) finish(oldest, way);
    const way: Way = { trace, session, sinceMs: now(), judgement: null, recordedFromMs: null, ended: null };
    ways.set(id, way);
    return way;
  }
}

/** What the target had answered waited for the record until now. */
function shown({ trace, ended }: Way, atMs: number): void {
  if (ended !== null) trace.span("result", ended.atMs, atMs, { "throughline.bytes": ended.outcome.bytes });
}
