/**
 * Steps as they are kept, a million of them: what steps have in common (effects, tags, lineage, what they match) is one object
 * for all of them, and what a step says of itself alone is one text (packing.ts) once its command is over and nobody has
 * asked for it lately. A reader sees a Step either way.
 */
import { type FieldValue, type Late, NoEffect } from "../../infra/rules/field.ts";
import type { Effect } from "../../schemas/command.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Subject } from "../../schemas/event.ts";
import { type Own, Packing } from "./packing.ts";
import { allSized, sized } from "./sized.ts";
import { type Alike, ownCommand, type Step, type StepEffect, type StepParts } from "./step.ts";

/** What many steps share. Never changed where it is shared: a step that changes gets one of its own. */
interface Common {
  readonly pool: Pool | null;
  readonly isShared: boolean;
  readonly kind: string;
  readonly source: string;
  readonly opaque: boolean;
  readonly undoable: boolean;
  readonly commit: boolean;
  readonly effects: readonly StepEffect[];
  readonly details: Step["details"];
  readonly lineage: readonly string[];
  readonly hits: readonly number[];
  readonly sure: readonly number[];
}

/** What few steps have for long: it is asked, it runs, it may be undone. */
interface Odd {
  readonly decidedAt: number;
  readonly lostAt: number;
}

const never = Number.POSITIVE_INFINITY;
/** Times are kept as two whole numbers, which need no object of their own. */
const lowMs = 2 ** 30;

export class CompactStep implements Step {
  at: number;
  #highMs: number;
  #lowMs: number;
  /** Twice the distance to its end, -2 = never, and one more when it is settled. */
  #end: number;
  #odd: Odd | null;
  #own: Own | string;
  #common: Common;
  alike: Alike | null;

  constructor(step: StepParts) {
    const { id, command, subject, late, more } = step;
    const { kind, source, opaque, undoable, commit, effects, details, lineage, hits, sure } = step;
    this.at = step.at;
    this.#highMs = Math.floor(step.atMs / lowMs);
    this.#lowMs = step.atMs - this.#highMs * lowMs;
    this.#end = endOf(step.at, step.finishedAt, step.settled);
    this.#odd = oddOf(step.at, step.decidedAt, step.lostAt);
    this.#own = { id, command, subject, late, more };
    const words = { kind, source, opaque, undoable, commit };
    this.#common = { pool: null, isShared: false, ...words, effects, details, lineage, hits, sure };
    this.alike = step.alike;
  }

  static blank(): CompactStep {
    const none: readonly never[] = [];
    return new CompactStep({
      ...{ id: "", at: 0, atMs: 0, subject: {}, command: "", source: "", kind: "", opaque: false, undoable: false },
      ...{ commit: false, effects: none, more: null, details: null, decidedAt: 0, finishedAt: 0, lostAt: never },
      ...{ late: null, settled: false, lineage: none, hits: none, sure: none, alike: null },
    });
  }

  get atMs(): number {
    return this.#highMs * lowMs + this.#lowMs;
  }

  get id(): string {
    return this.#said().id;
  }

  get command(): string {
    const own = this.#own;
    return typeof own === "string" ? (this.#common.pool?.commandOf(own) ?? "") : own.command;
  }

  get subject(): Subject {
    return this.#said().subject;
  }

  get late(): Late | null {
    return this.#said().late;
  }

  set late(late: Late | null) {
    this.#own = { ...this.#said(), late: late === null ? null : lateOf(late) };
  }

  get more(): Readonly<Record<string, FieldValue>> | null {
    return this.#said().more;
  }

  set more(more: Readonly<Record<string, FieldValue>> | null) {
    this.#own = { ...this.#said(), more };
  }

  get source(): string {
    return this.#common.source;
  }

  get kind(): string {
    return this.#common.kind;
  }

  get opaque(): boolean {
    return this.#common.opaque;
  }

  get undoable(): boolean {
    return this.#common.undoable;
  }

  get commit(): boolean {
    return this.#common.commit;
  }

  get effects(): readonly StepEffect[] {
    return this.#common.effects;
  }

  get details(): Step["details"] {
    return this.#common.details;
  }

  get lineage(): readonly string[] {
    return this.#common.lineage;
  }

  set lineage(lineage: readonly string[]) {
    if (!isSame(this.#common.lineage, lineage)) this.#change({ lineage });
  }

  get hits(): readonly number[] {
    return this.#common.hits;
  }

  set hits(hits: readonly number[]) {
    if (!isSame(this.#common.hits, hits)) this.#change({ hits });
  }

  get sure(): readonly number[] {
    return this.#common.sure;
  }

  set sure(sure: readonly number[]) {
    if (!isSame(this.#common.sure, sure)) this.#change({ sure });
  }

  tag(tags: readonly (readonly string[])[]): void {
    const { effects } = this.#common;
    // By the effects themselves: they stay shared where something else of the step changed, and in a snapshot.
    const isShared = effects.some(({ of }) => of === ownCommand);
    if (!isShared) for (const [index, effect] of effects.entries()) effect.tags = tags[index] ?? [];
    else if (effects.some((effect, index) => !isSame(effect.tags, tags[index] ?? [])))
      this.#change({ effects: effects.map((effect, index) => ({ ...effect, tags: tags[index] ?? [] })) });
  }

  get decidedAt(): number {
    return this.#odd === null ? this.at : this.#odd.decidedAt;
  }

  set decidedAt(at: number) {
    this.#odd = oddOf(this.at, at, this.lostAt);
  }

  get lostAt(): number {
    return this.#odd === null ? never : this.#odd.lostAt;
  }

  set lostAt(at: number) {
    this.#odd = oddOf(this.at, this.decidedAt, at);
  }

  get finishedAt(): number {
    const distance = Math.floor(this.#end / 2);
    return distance === -1 ? never : this.at + distance;
  }

  set finishedAt(at: number) {
    this.#end = endOf(this.at, at, this.settled);
  }

  get settled(): boolean {
    return Math.abs(this.#end % 2) === 1;
  }

  set settled(settled: boolean) {
    this.#end = endOf(this.at, this.finishedAt, settled);
    if (settled) this.#common.pool?.warm(this);
  }

  #said(): Own {
    const own = this.#own;
    if (typeof own !== "string") return own;
    const said = this.#unpacked(own);
    this.#own = said;
    this.#common.pool?.warm(this);
    return said;
  }

  #unpacked(text: string): Own {
    const { pool } = this.#common;
    if (pool === null) throw new ThroughlineError("internal.bug", "only what is kept is packed");
    return pool.unpack(text);
  }

  /** Of one that was made before what it consists of was read (graph.ts). */
  become(parts: StepParts): void {
    const made = new CompactStep(parts);
    this.at = made.at;
    this.#highMs = made.#highMs;
    this.#lowMs = made.#lowMs;
    this.#end = made.#end;
    this.#odd = made.#odd;
    this.#own = made.#own;
    this.#common = made.#common;
  }

  #change(change: Partial<Common>): void {
    this.#common = { ...this.#common, ...change, isShared: false };
    if (this.settled) this.#common.pool?.warm(this);
  }

  /** From here on it is kept. */
  join(pool: Pool): void {
    if (this.#common.pool === pool) return;
    this.#said();
    this.#common = { ...this.#common, pool, isShared: false };
    if (this.settled) pool.warm(this);
  }

  /** Nobody has asked for it lately. */
  cool(): void {
    const { pool } = this.#common;
    if (pool === null || !this.settled) return;
    if (!this.#common.isShared) this.#common = pool.share(this.#common, this.command);
    if (typeof this.#own !== "string") this.#own = pool.pack(this.#own) ?? this.#own;
  }

  /** For a snapshot: all that makes it, as a plain object. */
  parts(): StepParts {
    const own = this.#own;
    const { id, command, subject, late, more } = typeof own === "string" ? this.#unpacked(own) : own;
    const { kind, source, opaque, undoable, commit, effects, details, lineage, hits, sure } = this.#common;
    const { at, atMs, decidedAt, finishedAt, lostAt, settled } = this;
    return {
      ...{ id, at, atMs, subject, command, source, kind, opaque, undoable, commit, effects, more, details },
      ...{ decidedAt, finishedAt, lostAt, late, settled, lineage, hits, sure, alike: null },
    };
  }
}

export function makeStep(parts: StepParts): Step {
  return new CompactStep(parts);
}

function endOf(at: number, finishedAt: number, settled: boolean): number {
  return 2 * (finishedAt === never ? -1 : finishedAt - at) + (settled ? 1 : 0);
}

function oddOf(at: number, decidedAt: number, lostAt: number): Odd | null {
  return decidedAt === at && lostAt === never ? null : { decidedAt, lostAt };
}

/** Of all that is said when a command has finished, what rules can ask for. */
function lateOf({ rows, outcome, bytes, durationUs, shown, tag, code }: Late): Late {
  return { rows, outcome, bytes, durationUs, shown, tag, code };
}

function isSame<T>(one: readonly T[], other: readonly T[]): boolean {
  return one === other || (one.length === other.length && one.every((member, index) => member === other[index]));
}

/** What steps have in common is looked for among so many; beyond, it starts anew. */
const commonsMax = 65_536;
/** Longer lists are the same only where they are one object. */
const comparedMax = 16;

/** What the kept steps share. */
export class Pool {
  readonly #packing = new Packing();
  readonly #commons = new Map<string, Common>();
  readonly #numbers = new WeakMap<object, number>();
  #numbered = 0;
  readonly #warm: CompactStep[] = [];
  readonly #warmMax: number;
  #next = 0;

  /** @param warmMax steps asked for lately, which are not packed */
  constructor(warmMax: number) {
    this.#warmMax = warmMax;
  }

  admit(step: Step): void {
    if (step instanceof CompactStep) step.join(this);
  }

  /** It was just asked for: the one that was so longest ago is packed. */
  warm(step: CompactStep): void {
    const cold = this.#warm[this.#next];
    this.#warm[this.#next] = step;
    this.#next = (this.#next + 1) % this.#warmMax;
    cold?.cool();
  }

  pack(own: Own): string | null {
    return this.#packing.pack(own);
  }

  unpack(text: string): Own {
    return this.#packing.unpack(text);
  }

  commandOf(text: string): string {
    return this.#packing.commandOf(text);
  }

  /** @returns one for all that are equal; the given one where that cannot be */
  share(common: Common, command: string): Common {
    const { kind, source, opaque, undoable, commit, effects, details, lineage, hits, sure } = common;
    if (commit || !effects.every((effect) => isOrdinary(effect, command))) return common;
    const flags = (opaque ? 1 : 0) + (undoable ? 2 : 0);
    let key = `${flags}${sized(kind)}${sized(source)}${hits}\n${sure}\n${this.#text(lineage)}\n${typeof details === "object" ? this.#number(details) : typeof details}`;
    for (const { effect, tags, withdrawn } of effects)
      key += `\n${withdrawn ? "-" : "+"}${this.#effect(effect)}\n${this.#text(tags)}`;
    const known = this.#commons.get(key);
    if (known !== undefined) return known;
    if (this.#commons.size >= commonsMax) this.#commons.clear();
    const shared = { ...common, isShared: true, effects: effects.map((effect) => ({ ...effect, of: ownCommand })) };
    this.#commons.set(key, shared);
    return shared;
  }

  #effect(effect: Effect): string {
    const { operation, reads, writes, ends, destroys, flows, renames } = effect;
    if (effect instanceof NoEffect || flows !== undefined || renames !== undefined) return `#${this.#number(effect)}`;
    return `${operation} ${destroys} ${this.#text(reads)}<${this.#text(writes)}>${this.#text(ends)}`;
  }

  #text(names: readonly string[]): string {
    return names.length > comparedMax ? `#${this.#number(names)}` : allSized(names);
  }

  #number(object: object | null): number {
    if (object === null) return 0;
    let number = this.#numbers.get(object);
    if (number === undefined) {
      this.#numbered += 1;
      number = this.#numbered;
      this.#numbers.set(object, number);
    }
    return number;
  }
}

/** Of the command itself, and no approval changed what it means. */
function isOrdinary({ of, approved, details }: StepEffect, command: string): boolean {
  return (of === command || of === ownCommand) && approved.length === 0 && details === undefined;
}
