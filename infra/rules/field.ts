/**
 * What a rule can read of an event: one effect at a time, fields by name (DETECTION §2.4, §6, §7).
 *
 * Refuses to read text and parameters: they are no rule fields. Cannot see what comes later: `rows`, `outcome` and the
 * like are unknown until a command has finished. Of an opaque command everything its account could do is possible, so
 * what it reads, writes and destroys is unknown too; its tags are a superset.
 */
import type { Effect } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";

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
  /** Further fields of a plain event (DETECTION §7). */
  readonly more: Readonly<Record<string, FieldValue>> | null;
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

/** Fields of which an opaque command has every possible value. */
export function isEffectField(field: string): boolean {
  return effectFields.has(field);
}

const known: Readonly<Record<string, Accessor>> = {
  session: ({ subject }) => subject.session ?? null,
  command: ({ subject }) => subject.command ?? null,
  identity: ({ subject }) => subject.identity ?? null,
  onbehalfof: ({ subject }) => (subject.onbehalfof ? subject.onbehalfof.split(" ") : null),
  account: ({ subject }) => subject.account ?? null,
  task: ({ subject }) => subject.task ?? null,
  target: ({ subject }) => subject.target ?? null,
  clientaddress: ({ subject }) => subject.clientaddress ?? null,
  address: ({ subject, more }) => hostOf(subject.clientaddress) ?? more?.address ?? null,
  grantid: ({ subject }) => subject.grantid ?? null,
  kind: ({ kind }) => kind,
  opaque: ({ opaque }) => opaque,
  undoable: ({ undoable }) => undoable,
  operation: ({ effect }) => effect.operation,
  reads: ({ effect }) => effect.reads,
  writes: ({ effect }) => effect.writes,
  ends: ({ effect }) => effect.ends,
  destroys: ({ effect }) => effect.destroys,
  resource: ({ effect }) => touches(effect),
  tags: (seen) => seen.tags(),
};

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

const lateAccessors: ReadonlyMap<string, Accessor> = new Map(lateFields.map((field) => [field, lateAccessor(field)]));

/** @returns how to read a field; a name that is not ours is a further field of a plain event. */
export function accessor(field: string): Accessor {
  const late = lateAccessors.get(field);
  if (late) return late;
  const own = Object.hasOwn(known, field) ? known[field] : undefined;
  if (own === undefined)
    return ({ more }) => (more !== null && Object.hasOwn(more, field) ? more[field] : null) ?? null;
  if (!isEffectField(field)) return own;
  return (seen) => (seen.opaque ? unknown : own(seen));
}
