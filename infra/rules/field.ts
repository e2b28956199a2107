/**
 * What a rule can read of an event: one effect at a time, fields by name (DETECTION §2.4, §6, §7).
 *
 * Refuses to read text and parameters: they are no rule fields. Cannot see what comes later: `rows`, `outcome` and the
 * like are unknown until a command has finished. Of an opaque command everything its account could do is possible, so
 * what it reads, writes and destroys is unknown too; its tags are a superset.
 */
import type { Effect } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import type { CommandDetails } from "../../schemas/event-data.ts";
import { type FieldName, fieldNamed } from "../../schemas/fields.ts";

export type Scalar = string | number | boolean;
/** Null = the event has no such field. */
export type FieldValue = Scalar | readonly Scalar[] | null | typeof unknown;
/** A value that nobody can know yet; a comparison with it is neither true nor false. */
export const unknown = Symbol("unknown");

/** What is known when a command has finished. */
export interface Late {
  readonly rows: number;
  readonly outcome: string;
  readonly bytes: number;
  readonly durationUs: number;
  readonly shown: boolean;
  readonly tag: string;
  readonly code: string | null;
}

/** One effect of one event, as a rule sees it. */
export interface Seen {
  readonly subject: Subject;
  readonly kind: string;
  readonly opaque: boolean;
  readonly undoable: boolean;
  readonly effect: Effect;
  /** Null until the command has finished. */
  readonly late: Late | null;
  /** The log's time; absent = not known here (a gateway does not give it). */
  readonly timeMs?: number;
  /** Further fields of a plain event (DETECTION §7); null where there can be none. */
  readonly more: Readonly<Record<string, FieldValue>> | null;
  /** Of the command that the effect belongs to; null = a plain event, whose fields of these names are further ones. */
  readonly details: CommandDetails | typeof unknown | null;
  /** Tags that travelled may have gone back since (a ROLLBACK), as far as is known here: a gateway is not told. */
  readonly tagsMayBeGone?: true;
  /** Tags of what the effect touches, by catalog and by travel, with their ancestors. */
  tags(): readonly string[];
}

export type Accessor = (seen: Seen) => FieldValue;

const lateFields = ["rows", "outcome", "bytes", "durationUs", "shown", "tag", "code"] as const;
const effectFields = new Set(["operation", "reads", "writes", "ends", "destroys", "resource"]);

/** @returns reads ∪ writes, each once. */
export function touches(effect: Effect): readonly string[] {
  if (effect.reads.length === 0) return effect.writes;
  if (effect.writes.length === 0) return effect.reads;
  return [...new Set<string>([...effect.reads, ...effect.writes])];
}

export function isLate(field: string): boolean {
  return (lateFields as readonly string[]).includes(field);
}

/**
 * Of a command that brings values that were shown from tagged columns (content.brought): the events that say what was shown,
 * the tags of those columns, how many different values. Of a command that showed some: its own content.shown events.
 */
export const contentFields = ["content", "content.tags", "content.values"] as const;

export function isContentField(field: string): boolean {
  return (contentFields as readonly string[]).includes(field);
}

/** Fields of which an opaque command has every possible value. */
export function isEffectField(field: string): boolean {
  return effectFields.has(field);
}

/** In place of an effect, for an event of another product: it has no operation, and all its fields are further fields. */
export class NoEffect implements Effect {
  /** Not read by any rule; as harmless as an operation can be. */
  readonly operation = "execute";
  readonly reads = [];
  readonly writes = [];
  readonly ends = [];
  /** So that no shortcut leaves it out. */
  readonly destroys = true;
}

/** Of the envelope; a plain event may have a list or an object there, which is a field like any other. */
function named(field: Exclude<keyof Subject, "command" | "onbehalfof">): Accessor {
  return (seen) => seen.subject[field] ?? further(seen, field);
}

const known: Readonly<Record<FieldName, Accessor>> = {
  session: named("session"),
  // A plain event is called by its id; a command it has only where its line says one.
  command: (seen) => (seen.details === null ? further(seen, "command") : (seen.subject.command ?? null)),
  identity: named("identity"),
  onbehalfof: ({ subject }) => (subject.onbehalfof ? subject.onbehalfof.split(" ") : null),
  account: named("account"),
  task: named("task"),
  target: named("target"),
  clientaddress: named("clientaddress"),
  address: (seen) => further(seen, "address") ?? hostOf(seen.subject.clientaddress),
  grantid: named("grantid"),
  time: (seen) => further(seen, "time") ?? (seen.timeMs === undefined ? unknown : new Date(seen.timeMs).toISOString()),
  kind: ({ kind }) => (kind === "" ? null : kind),
  opaque: ({ opaque }) => opaque,
  undoable: (seen) => further(seen, "undoable") ?? seen.undoable,
  operation: ({ effect }) => effect.operation,
  reads: ({ effect }) => effect.reads,
  writes: ({ effect }) => effect.writes,
  ends: ({ effect }) => effect.ends,
  destroys: ({ effect }) => effect.destroys,
  resource: ({ effect }) => touches(effect),
  tags: (seen) => seen.tags(),
  rows: lateAccessor("rows"),
  outcome: lateAccessor("outcome"),
  bytes: lateAccessor("bytes"),
  durationUs: lateAccessor("durationUs"),
  shown: lateAccessor("shown"),
  tag: lateAccessor("tag"),
  code: lateAccessor("code"),
  statement: (seen) => detail(seen, "statement"),
  fingerprint: (seen) => detail(seen, "fingerprint"),
  role: (seen) => detail(seen, "role"),
  trace: (seen) => detail(seen, "trace"),
  content: (seen) => further(seen, "content"),
  "content.tags": (seen) => further(seen, "content.tags"),
  "content.values": (seen) => further(seen, "content.values"),
  parentTask: (seen) => further(seen, "parentTask"),
  id: (seen) => further(seen, "id"),
};

/** What only a command has; an event of another product may have a field of its own under the same name. */
const commandFields = new Set(["kind", "opaque", "undoable", "tags", ...effectFields]);

function detail(seen: Seen, name: "statement" | "fingerprint" | "role" | "trace"): FieldValue {
  const { details } = seen;
  if (details === null) return further(seen, name);
  if (details === unknown) return unknown;
  return (name === "statement" ? details.statements : details[name]) ?? null;
}

/** A field of a plain event, by its name. */
export function further({ more }: Seen, field: string): FieldValue {
  return more !== null && Object.hasOwn(more, field) ? (more[field] ?? null) : null;
}

function hostOf(address: string | undefined): string | null {
  if (address === undefined) return null;
  const colon = address.lastIndexOf(":");
  return colon === -1 ? address : address.slice(0, colon);
}

function lateAccessor(field: (typeof lateFields)[number]): Accessor {
  return ({ late, more }) => {
    const further = more?.[field];
    if (further !== undefined) return further;
    return late === null ? unknown : late[field];
  };
}

/** @returns how to read a field; a name that is not ours is a further field of a plain event. */
export function accessor(name: string): Accessor {
  const field = fieldNamed(name)?.name;
  if (field === undefined) return (seen) => further(seen, name);
  const own = known[field as FieldName];
  if (!commandFields.has(field)) return own;
  if (isEffectField(field))
    return (seen) => (seen.effect instanceof NoEffect ? further(seen, field) : seen.opaque ? unknown : own(seen));
  return (seen) => (seen.effect instanceof NoEffect ? further(seen, field) : own(seen));
}
