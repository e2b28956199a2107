/**
 * Judges what a run left behind, by other code than the product's: the promises of DESIGN §3 as counts of what broke them.
 * Whether a command completed a chain is asked of the brute-force definition (unapproved.ts), in the order of the log.
 */
import type { EventData } from "../../schemas/event-data.ts";
import type { Attempt, Evidence, Logged } from "./evidence.ts";
import { unapproved } from "./unapproved.ts";

export interface Findings {
  /** Completing steps that were asked. */
  readonly chains: number;
  readonly unapproved: readonly string[];
  readonly unrecorded: readonly string[];
  readonly lost: readonly string[];
  readonly duplicates: readonly string[];
  readonly gaps: readonly string[];
  /** What else must not be: values that were shown, correlators that differ. */
  readonly besides: readonly string[];
}

/** Broker, target and clients read one clock, in whole milliseconds. */
const clockMs = 1;

export function judge(evidence: Evidence): Findings {
  const decisions = decisionsOf(evidence.log);
  return {
    chains: evidence.attempts.filter(({ completing }) => completing).length,
    unapproved: [...ranUnasked(evidence), ...approvalsMisused(evidence.log), ...unapproved(evidence.log)],
    unrecorded: unrecorded(evidence, decisions),
    lost: lost(evidence),
    duplicates: duplicates(evidence),
    gaps: gaps(evidence.log),
    besides: [...leaks(evidence), ...differences(evidence.log)],
  };
}

type Decisions = ReadonlyMap<string, readonly Logged[]>;

const rulingOf = ({ data }: Logged) => (data as EventData["command.decided"]).ruling;
const runs = (decision: Logged) => rulingOf(decision) === "allow" || rulingOf(decision) === "mask";

function decisionsOf(log: readonly Logged[]): Decisions {
  const found = new Map<string, Logged[]>();
  for (const one of log)
    if (one.type === "command.decided")
      for (const mark of one.marks) found.set(mark, [...(found.get(mark) ?? []), one]);
  return found;
}

function unrecorded({ attempts, given, lasting }: Evidence, decisions: Decisions): string[] {
  const found: string[] = [];
  const of = (mark: string) => decisions.get(mark) ?? [];
  for (const attempt of attempts) {
    const why = receivedUnrecorded(attempt, of(attempt.mark));
    if (why !== null) found.push(`${attempt.mark} (${attempt.lot}): ${why}`);
  }
  const asked = new Map(attempts.map((attempt) => [attempt.mark, attempt]));
  const times = new Map<string, number[]>();
  for (const { mark, atMs } of given) times.set(mark, [...(times.get(mark) ?? []), atMs]);
  for (const [mark, atMs] of times) {
    const attempt = asked.get(mark);
    if (!attempt?.strict) continue;
    const allowed = of(mark).filter(runs);
    if (allowed.length < atMs.length)
      found.push(`${mark}: the target was given it ${atMs.length} times, allowed ${allowed.length}`);
    else if (attempt.shared && (allowed[0]?.atMs ?? 0) > (atMs[0] ?? 0) + clockMs)
      found.push(
        `${mark}: the target was given it ${(allowed[0]?.atMs ?? 0) - (atMs[0] ?? 0)} ms before the shared log`,
      );
  }
  for (const mark of lasting) if (!of(mark).some(runs)) found.push(`${mark}: its row lasts, and no record allows it`);
  return found;
}

/** Errors that the target raises before it reads any data (a failed transaction): nothing of anybody's is in them. */
const beforeData = /^25P02$/;

/** @returns what is missing, or null */
function receivedUnrecorded(attempt: Attempt, decisions: readonly Logged[]): string | null {
  const { outcome, code, shared, relaxed, receivedMs } = attempt;
  if (outcome === "refused") {
    const isLock = code === "55P03" || code === "57014";
    return isLock || decisions.length > 0 ? null : `refused (${attempt.because.slice(0, 80)}), and no record of it`;
  }
  if (relaxed || (outcome !== "ok" && outcome !== "error" && receivedMs === null)) return null;
  if (outcome !== "ok" && outcome !== "error") return null;
  // A Parse that failed: its mark may stand in parameters that were never bound.
  if (outcome === "error" && beforeData.test(code)) return null;
  const allowed = decisions.filter(runs);
  if (allowed.length === 0)
    return `its client got ${outcome === "ok" ? "rows or a count" : `error ${code}`}, and no record allows it`;
  const first = Math.min(...allowed.map(({ atMs }) => atMs));
  if (shared && receivedMs !== null && first > receivedMs + clockMs)
    return `its client got the answer ${first - receivedMs} ms before the shared log had the record`;
  return null;
}

/** By what the clients themselves had been told: no need to believe any log. */
function ranUnasked({ attempts }: Evidence): string[] {
  const ran = attempts.filter(
    ({ completing, outcome, approval }) => completing && outcome === "ok" && approval === null,
  );
  const uses = new Map<string, Attempt[]>();
  for (const one of attempts)
    if (one.outcome === "ok" && one.approval !== null) uses.set(one.approval, [...(uses.get(one.approval) ?? []), one]);
  const twice = [...uses].filter(([, of]) => of.length > 1);
  return [
    ...ran.map(({ mark, lot }) => `${mark} (${lot}): completed a chain and ran, and nobody had approved it`),
    ...twice.map(
      ([approval, of]) =>
        `approval ${approval} let ${of.length} commands run: ${of.map(({ mark }) => mark).join(", ")}`,
    ),
  ];
}

function approvalsMisused(log: readonly Logged[]): string[] {
  const found: string[] = [];
  const answered = new Set<string>();
  const spent = new Set<string>();
  for (const one of log) {
    if (one.type === "approval.answered") {
      const { approval, answer } = one.data as EventData["approval.answered"];
      if (answer === "approve") answered.add(approval);
    }
    if (one.type !== "command.decided" || !runs(one)) continue;
    const { approval } = one.data as EventData["command.decided"];
    if (approval === null) continue;
    if (!answered.has(approval)) found.push(`${one.id}: allowed under approval ${approval}, which nobody had given`);
    if (spent.has(approval)) found.push(`${one.id}: allowed under approval ${approval}, which was used before`);
    spent.add(approval);
  }
  return found;
}

const laneOf = ({ source, stream }: Pick<Logged, "source" | "stream">) => `${source} ${stream}`;

function lost({ spools, log }: Evidence): string[] {
  const there = new Map(log.map((one) => [`${laneOf(one)} ${one.sequence}`, one.digest]));
  return spools.flatMap((said) => {
    const name = `${laneOf(said)} ${said.sequence}`;
    const digest = there.get(name);
    if (digest === undefined) return [`${name} stands in its spool and not in the archive`];
    return digest === said.digest ? [] : [`${name} is another in the archive`];
  });
}

function duplicates({ log, timeline }: Evidence): string[] {
  const again = (names: readonly string[], where: string) => {
    const seen = new Set<string>();
    return names.flatMap((name) => (seen.size === seen.add(name).size ? [`${name} stands twice in ${where}`] : []));
  };
  return [
    ...again(
      log.map((one) => `${laneOf(one)} ${one.sequence}`),
      "the archive",
    ),
    ...again(timeline, "the timeline"),
  ];
}

function gaps(log: readonly Logged[]): string[] {
  const lanes = new Map<string, Set<number>>();
  const told = new Map<string, [from: number, until: number][]>();
  for (const one of log) {
    lanes.set(laneOf(one), (lanes.get(laneOf(one)) ?? new Set()).add(one.sequence));
    if (one.type !== "log.gap") continue;
    const { source, stream, from, until } = one.data as EventData["log.gap"];
    const name = `${source} ${stream}`;
    told.set(name, [...(told.get(name) ?? []), [Number(from), Number(until)]]);
  }
  const found: string[] = [];
  for (const [name, sequences] of lanes) {
    const isTold = (sequence: number) => told.get(name)?.some(([from, until]) => from <= sequence && sequence <= until);
    const last = Math.max(...[...sequences].slice(-10_000), sequences.size);
    for (let sequence = 1; sequence <= last; sequence += 1)
      if (!sequences.has(sequence) && !isTold(sequence))
        found.push(`${name} ${sequence} is missing, and nothing says so`);
  }
  return found;
}

function leaks({ attempts }: Evidence): string[] {
  return attempts.filter(({ leaked }) => leaked).map(({ mark, lot }) => `${mark} (${lot}): was shown what is masked`);
}

/** Both correlators, whatever happened to them, say the same under the same id. */
function differences(log: readonly Logged[]): string[] {
  const first = new Map<string, Logged>();
  return log.flatMap((one) => {
    if (!one.source.startsWith("correlator/") || one.id.includes("/")) return [];
    const other = first.get(one.id) ?? one;
    first.set(one.id, other);
    return JSON.stringify(other.data) === JSON.stringify(one.data)
      ? []
      : [`${one.id}: ${one.source} and ${other.source} say different things (${one.type})`];
  });
}
