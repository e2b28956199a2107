/** Plain events (DETECTION §7) as the rows that a hunt works on: read here once more, from the text of §6 and §7 alone. */
import { effectsMax, stride, type Tables } from "../../infra/hunt/tables.ts";
import { quoted, quotedList } from "../../infra/hunt/text.ts";
import type { Engine } from "../../infra/store/engine.ts";

export type PlainLine = Readonly<Record<string, unknown>>;

const lasting = new Set(["write", "transform", "delete", "define", "grant"]);
const structural = new Set([
  "onBehalfOf",
  "operation",
  "reads",
  "writes",
  "ends",
  "destroys",
  "effects",
  "flows",
  "renames",
]);

/** @param lines in log order */
export async function fillPlain(engine: Engine, t: Tables, lines: readonly PlainLine[]): Promise<void> {
  const rows = { commands: [] as string[], effects: [] as string[], merges: [] as string[], parents: [] as string[] };
  let nowMs = Number.NEGATIVE_INFINITY;
  for (const [index, line] of lines.entries()) {
    const at = (index + 1) * stride;
    const time = typeof line.time === "number" ? line.time : Date.parse(String(line.time));
    nowMs = Math.max(nowMs, time);
    const identity = line.identity === undefined || line.identity === null ? null : String(line.identity);
    const behalf = [line.onBehalfOf ?? line.onbehalfof ?? []].flat().map(String);
    if (identity !== null && behalf.length > 0) rows.merges.push(`(${at}, ${quotedList([identity, ...behalf])})`);
    if (typeof line.parentTask === "string" && line.task !== undefined)
      rows.parents.push(`(${at}, ${quoted(String(line.task))}, ${quoted(line.parentTask)})`);
    const effects = effectsOf(line);
    if (effects.length === 0) continue;
    if (effects.length > effectsMax) throw new Error("too many effects");
    rows.commands.push(commandRow(line, at, nowMs));
    for (const [part, effect] of effects.entries())
      rows.effects.push(effectRow(effect, line.opaque === true, at, part));
  }
  for (const table of ["commands", "effects", "merges", "parents"] as const)
    if (rows[table].length > 0) await engine.command(`INSERT INTO ${t[table]} VALUES ${rows[table].join(", ")}`);
}

function commandRow(line: PlainLine, at: number, ms: number): string {
  const fields = fieldsOf(line);
  const texts = Object.entries(fields).map(([name, values]) => `${quoted(name)}, ${quotedList(values.map(String))}`);
  const numbers = Object.entries(fields)
    .map(([name, values]) => [name, values.filter((value) => Number.isFinite(numberOf(value))).map(numberOf)] as const)
    .map(([name, values]) => `${quoted(name)}, [${values.map((value) => `${value}`).join(", ")}]::Array(Float64)`);
  const opaque = line.opaque === true ? 1 : 0;
  return `(${at}, ${ms}, ${quoted(String(line.id))}, ${opaque}, 0, ${at}, ${at}, ${at + stride - 1}, map(${texts.join(", ")}), map(${numbers.join(", ")}))`;
}

/** As events write numbers. */
const number = /^\s*[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\s*$/;

function numberOf(value: unknown): number {
  if (typeof value === "number") return value;
  return typeof value === "string" && number.test(value) ? Number(value) : Number.NaN;
}

function fieldsOf(line: PlainLine): Record<string, unknown[]> {
  const fields: Record<string, unknown[]> = {};
  const own = isCommand(line) ? structural : new Set(["onBehalfOf"]);
  for (const [name, value] of Object.entries(line))
    if (!own.has(name) && value !== null && value !== undefined) fields[name] = [value].flat();
  if (isCommand(line)) fields.opaque = [line.opaque === true];
  const behalf = [line.onBehalfOf ?? line.onbehalfof ?? []].flat();
  if (behalf.length > 0) fields.onbehalfof = behalf;
  return fields;
}

/** An event of another product has no operation. */
function isCommand(line: PlainLine): boolean {
  return (line.operation !== undefined && line.operation !== null) || Array.isArray(line.effects);
}

interface PlainEffect {
  readonly operation: string;
  readonly reads: string[];
  readonly writes: string[];
  readonly ends: string[];
  readonly destroys: boolean;
  readonly moves: (readonly [string, string])[];
  readonly renamed: string[];
}

const none: PlainEffect = { operation: "", reads: [], writes: [], ends: [], destroys: false, moves: [], renamed: [] };

/** Those that count: of an error only what it has shown. */
function effectsOf(line: PlainLine): PlainEffect[] {
  if (!isCommand(line)) return [none];
  const parts: PlainLine[] = Array.isArray(line.effects)
    ? (line.effects as PlainLine[])
    : [line.operation].flat().map((operation) => ({ ...line, operation }));
  const failed = line.outcome === "error";
  const shown = typeof line.rows === "number" && line.rows > 0;
  return parts
    .filter(({ operation }) => !failed || (shown && !lasting.has(String(operation))))
    .map((part) => effectOf(failed ? { ...part, writes: [], ends: [], renames: [] } : part, line.opaque === true));
}

function effectOf(part: PlainLine, opaque: boolean): PlainEffect {
  const names = (value: unknown) => [value ?? []].flat().map(String);
  const pairs = (value: unknown) => (Array.isArray(value) ? (value as [string, string][]) : []);
  const operation = String(part.operation);
  const [reads, ends] = [names(part.reads), names(part.ends)];
  const writes = [...new Set([...names(part.writes), ...ends])];
  const carries = operation === "write" || operation === "transform";
  const all = Array.isArray(part.flows)
    ? pairs(part.flows)
    : reads.flatMap((from) => writes.map((to) => [from, to] as const));
  const renames = pairs(part.renames);
  const isKnown = !opaque || [...reads, ...writes].every((name) => name.includes("/"));
  return {
    operation,
    reads,
    writes,
    ends,
    destroys: typeof part.destroys === "boolean" ? part.destroys : operation === "delete" || ends.length > 0,
    moves: isKnown ? [...renames, ...(carries ? all : [])] : [],
    renamed: renames.map(([old]) => old),
  };
}

function effectRow(effect: PlainEffect, opaque: boolean, at: number, part: number): string {
  const { operation, reads, writes, ends, destroys, moves, renamed } = effect;
  const pairs = moves.map(([from, to]) => `(${quoted(from)}, ${quoted(to)})`).join(", ");
  const ended = opaque ? [] : [...ends, ...renamed];
  return `(${at}, ${part}, ${quoted(operation)}, ${quotedList(reads)}, ${quotedList(writes)}, ${quotedList(ends)}, ${destroys ? 1 : 0}, [${pairs}]::Array(Tuple(String, String)), ${quotedList(ended)})`;
}
