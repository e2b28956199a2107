/**
 * Plain events (DETECTION §7): one JSON line is a command that was allowed and finished at once. Refuses what it cannot
 * read, with the line's number; time that goes back is read as the line before, with a warning.
 */
import { NoEffect } from "../../infra/rules/field.ts";
import { type Effect, type Operation, operations, type ResourceUri } from "../../schemas/command.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Subject } from "../../schemas/event.ts";
import { furtherFields, isCommand, isScalar, type Line } from "./plain-fields.ts";
import { isLasting, type StepEffect, type StepParts } from "./step.ts";

/** Fields of the envelope; all others stay under their own names. */
const subjectFields = ["session", "identity", "account", "task", "target", "clientaddress", "grantid"] as const;
const behalfKeys: ReadonlySet<string> = new Set(["onBehalfOf", "onbehalfof"]);
const subjectKeys: ReadonlySet<string> = new Set([...subjectFields, ...behalfKeys]);
/** What is read as the command's own shape. */
const commandKeys: ReadonlySet<string> = new Set([
  "kind",
  "opaque",
  "operation",
  "reads",
  "writes",
  "ends",
  "destroys",
  "effects",
  "flows",
  "renames",
]);

export interface PlainEvent {
  readonly step: StepParts;
  readonly time: number;
  readonly parentTask: string | null;
}

/** @param at its place in the order; @throws ThroughlineError `request.invalid` */
export function readPlain(text: string, number: number, at: number): PlainEvent {
  const wrong = (what: string, cause?: unknown) =>
    new ThroughlineError("request.invalid", `line ${number}: ${what}`, cause);
  let line: Line;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("not an object");
    line = value as Line;
  } catch (error) {
    throw wrong("is not a JSON object", error);
  }
  const time = timeOf(line.time);
  if (typeof line.id !== "string" || line.id === "") throw wrong("has no id");
  if (Number.isNaN(time)) throw wrong("has no time such as 2026-01-01T00:05:00Z");
  const effects = readEffects(line, line.id, wrong);
  return {
    step: toStep(line, line.id, at, effects, readMore(line, wrong)),
    time,
    parentTask: typeof line.parentTask === "string" ? line.parentTask : null,
  };
}

/**
 * Milliseconds; a number is that already. A text without a zone is UTC, or the machine's place would decide. What is
 * finer than a millisecond counts: a timespan is inclusive to the last digit.
 */
function timeOf(value: unknown): number {
  if (typeof value === "number") return value;
  const text = String(value).trim();
  const fine = /(:\d\d\.\d{3})(\d+)/.exec(text);
  const plain = fine === null ? text : text.replace(fine[0], fine[1] ?? "");
  const zoned = /\d:\d/.test(plain) && !/([a-z]|[+-]\d\d(:?\d\d)?)$/i.test(plain) ? `${plain}Z` : plain;
  return Date.parse(zoned) + (fine === null ? 0 : Number(`0.${fine[2]}`));
}

function readMore(line: Line, wrong: (what: string) => ThroughlineError): StepParts["more"] {
  try {
    return furtherFields(line, (name) =>
      subjectKeys.has(name) ? isScalar(line[name]) || behalfKeys.has(name) : isCommand(line) && commandKeys.has(name),
    );
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

function toStep(
  line: Line,
  id: string,
  at: number,
  effects: readonly StepEffect[],
  more: StepParts["more"],
): StepParts {
  const step: StepParts = {
    id,
    at,
    atMs: 0,
    subject: subjectOf(line, id),
    command: id,
    source: "",
    kind: typeof line.kind === "string" ? line.kind : "",
    opaque: isCommand(line) && (line.opaque === true || (typeof line.opaque === "string" && line.opaque !== "")),
    undoable: true,
    commit: false,
    effects,
    details: null,
    more,
    decidedAt: at,
    finishedAt: at,
    lostAt: Number.POSITIVE_INFINITY,
    late: null,
    settled: true,
    lineage: [],
    hits: [],
    sure: [],
    alike: null,
  };
  for (const effect of effects) effect.withdrawn = isWithdrawn(line, effect.effect);
  return step;
}

/** `outcome: error` withdraws what would have lasted, and what was read unless rows came. */
function isWithdrawn(line: Line, effect: Effect): boolean {
  if (line.outcome !== "error" || !isCommand(line)) return false;
  return isLasting(effect) || !(typeof line.rows === "number" && line.rows > 0);
}

function subjectOf(line: Line, id: string): Subject {
  const subject: Record<string, string> = { command: id };
  for (const field of subjectFields) if (isScalar(line[field])) subject[field] = String(line[field]);
  const behalf = line.onBehalfOf ?? line.onbehalfof;
  if (behalf !== undefined && behalf !== null) subject.onbehalfof = [behalf].flat().map(String).join(" ");
  return subject;
}

/** Several operations are several effects on the same resources; `effects` says more exactly. */
function readEffects(line: Line, id: string, wrong: (what: string) => ThroughlineError): StepEffect[] {
  if (!isCommand(line)) return [{ effect: new NoEffect(), of: id, approved: [], withdrawn: false, tags: [] }];
  const parts: Line[] = Array.isArray(line.effects)
    ? line.effects.filter((part): part is Line => typeof part === "object" && part !== null)
    : [line.operation ?? []].flat().map((operation) => ({ ...line, operation }));
  // An error withdraws the writes also of what it leaves: of a read, say, that has shown rows.
  const gone = line.outcome === "error" ? withoutWrites : null;
  return parts.map((part) => ({
    ...{ of: id, approved: [], withdrawn: false, tags: [] },
    effect: readEffect({ ...part, ...gone }, wrong),
  }));
}

const withoutWrites: Line = { writes: [], ends: [], flows: null, renames: null };

function readEffect(part: Line, wrong: (what: string) => ThroughlineError): Effect {
  const operation = operations.find((known) => known === part.operation);
  if (operation === undefined)
    throw wrong(
      `operation is one of ${operations.join(", ")}; an event of another product has none of reads, writes, ends, effects`,
    );
  const [reads, ends] = [uris(part.reads), uris(part.ends)];
  const writes = [...new Set([...uris(part.writes), ...ends])];
  const [flows, renames] = [pairs(part.flows), pairs(part.renames)];
  const destroys = typeof part.destroys === "boolean" ? part.destroys : isDestructive(operation, ends);
  return { operation, reads, writes, ends, destroys, ...(flows ? { flows } : {}), ...(renames ? { renames } : {}) };
}

/** Where the line does not say. */
function isDestructive(operation: Operation, ends: readonly string[]): boolean {
  return operation === "delete" || ends.length > 0;
}

function uris(value: unknown): ResourceUri[] {
  if (value === undefined || value === null) return [];
  return [value].flat().map((name) => String(name) as ResourceUri);
}

function pairs(value: unknown): (readonly [ResourceUri, ResourceUri])[] | null {
  if (!Array.isArray(value)) return null;
  return value.map((pair) => [String([pair].flat()[0]) as ResourceUri, String([pair].flat()[1]) as ResourceUri]);
}
