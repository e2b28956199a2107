/**
 * The content link at the gateway (DETECTION §2.7): values of tagged columns that are shown unmasked are remembered as keyed
 * hashes (content.shown); a command whose literals, parameters or COPY data hold such values says so (content.brought)
 * before it is asked about, so that a rule can tie it to who read them, wherever the data has been in between.
 *
 * Nothing is hashed unless a rule in force asks for content. Looks at values in memory only; it cannot see what was
 * encoded, encrypted or cut on the way.
 */
import type { Appender } from "../../infra/log/log.ts";
import { evidenceIn } from "../../infra/sketch/evidence.ts";
import { packHashes, Sketch, type SketchKey } from "../../infra/sketch/sketch.ts";
import type { Command, Reading } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import { type Limits, limits } from "../../schemas/limits.ts";
import { parameterTexts } from "./content-binary.ts";
import type { ContentIndex, Shown } from "./content-index.ts";
import { literalsIn } from "./content-text.ts";
import type { Session } from "./session.ts";

export interface ContentParts {
  readonly appender: Appender;
  readonly index: ContentIndex;
  /** Of the epochs in use, the present one first; empty: there are none, and nothing is looked at. */
  readonly keys: () => readonly SketchKey[];
  /** Whether a rule in force asks for content. */
  readonly isAsked: () => boolean;
  readonly now: () => number;
  /** Says what follows a command that runs already: a full log does not end it. */
  readonly follow: (append: () => void) => void;
  readonly bounds?: Pick<Limits, "contentHashesMax" | "contentSharedMin" | "contentPauseMsMax">;
}

/** What one command shows, by the tags of the columns. */
export interface Showing {
  /** A value of columns with these tags. */
  value(text: string, tags: readonly string[]): void;
  row(): void;
  /** Says what was not said yet, when it is worth an event; `last`: whatever there is. */
  say(last: boolean): void;
}

/** What COPY brings. */
export interface Bringing {
  value(text: string): void;
  row(): void;
  /** @param command that brings it @returns whether enough of it was shown to others to be said */
  say(command: Command): boolean;
}

/** Different sets of tags of one result; more are taken together. */
const tagSetsMax = 8;
/** Readings told of one command: the one it shares most with for each reader. */
const fromMax = 32;
/** Readings and values that a session is remembered to have brought. */
const readingsMax = 64;
const sharedMax = 10_000;
/** A first few hashes are worth an event; then as many as were told before. */
const freshMin = 1;

interface Brought {
  /** By event of the reading: the values shared with it. */
  readonly by: Map<Shown, Set<number>>;
  lastMs: number;
  /** Since BEGIN, for the COMMIT. */
  pending: Map<Shown, Set<number>>;
}

export class Content {
  readonly #parts: ContentParts;
  readonly #bounds: NonNullable<ContentParts["bounds"]>;
  readonly #brought = new WeakMap<Session, Brought>();
  /** The command that was looked at last: held and asked again, it brings nothing new. */
  readonly #looked = new WeakMap<Session, string>();

  constructor(parts: ContentParts) {
    this.#parts = parts;
    this.#bounds = parts.bounds ?? limits;
  }

  /** @returns null when nothing of this command's result is looked at */
  showing(session: Session, command: Command): Showing | null {
    const [key] = this.#parts.keys();
    if (key === undefined || !this.#parts.isAsked()) return null;
    const sketches = new Map<string, { readonly tags: readonly string[]; readonly sketch: Sketch }>();
    const of = (tags: readonly string[]): Sketch => {
      const name = tags.join(" ");
      const known = sketches.get(name) ?? (sketches.size >= tagSetsMax ? [...sketches.values()][0] : undefined);
      if (known !== undefined) return known.sketch;
      const sketch = new Sketch(key, this.#bounds.contentHashesMax);
      sketches.set(name, { tags, sketch });
      return sketch;
    };
    const subject = { ...session.subject, command: command.id };
    return {
      value: (text, tags) => evidenceIn(text, of(tags).add),
      row() {
        for (const { sketch } of sketches.values()) sketch.rows += 1;
      },
      say: (last) => {
        for (const { tags, sketch } of sketches.values())
          if (sketch.fresh > 0 && (last || sketch.fresh >= Math.max(freshMin, sketch.told)))
            this.#sayShown(subject, key.epoch, tags, sketch.take());
      },
    };
  }

  #sayShown(subject: Subject, epoch: number, tags: readonly string[], hashes: readonly number[]): void {
    const { contentHashesMax } = this.#bounds;
    for (let at = 0; at < hashes.length; at += contentHashesMax) {
      const data = { epoch, tags: [...tags], hashes: packHashes(hashes.slice(at, at + contentHashesMax)) };
      this.#parts.follow(() => void this.#parts.appender.append({ type: "content.shown", subject, data }));
    }
  }

  /** Looks at the literals and parameters of a command that writes; call before it is asked about. */
  bring(session: Session, command: Command): void {
    if (!this.#isOn() || this.#looked.get(session) === command.id) return;
    this.#looked.set(session, command.id);
    const { kind } = command.reading.transaction;
    if (kind === "commit" || kind === "prepare") {
      this.#commit(session, command);
      return;
    }
    if (kind === "rollback" || kind === "begin") this.#brought.get(session)?.pending.clear();
    if (!mayBring(command.reading)) return;
    const { keys, index } = this.#parts;
    const { epochs } = index;
    const used = keys().filter(({ epoch }) => epochs.includes(epoch));
    const bringing = this.#bringing(session, used);
    literalsIn(command.text, bringing.value);
    for (const parameter of command.parameters) if (parameter !== null) parameterTexts(parameter, bringing.value);
    bringing.say(command);
  }

  /** Of COPY FROM STDIN, which may begin before anything is shown. @returns null when nobody asks */
  bringing(session: Session): Bringing | null {
    const { keys, isAsked } = this.#parts;
    return isAsked() && keys().length > 0 ? this.#bringing(session, keys()) : null;
  }

  #isOn(): boolean {
    const { keys, isAsked, index } = this.#parts;
    return !index.isEmpty && keys().length > 0 && isAsked();
  }

  #bringing(session: Session, keys: readonly SketchKey[]): Bringing {
    const { index } = this.#parts;
    const sketches = keys.map((key) => ({ key, sketch: new Sketch(key, 2 * this.#bounds.contentHashesMax) }));
    return {
      value(text) {
        for (const { sketch } of sketches) evidenceIn(text, sketch.add);
      },
      row() {
        for (const { sketch } of sketches) sketch.rows += 1;
      },
      say: (command) => {
        const found = new Map<Shown, Set<number>>();
        for (const { key, sketch } of sketches)
          for (const hash of sketch.take())
            for (const shown of index.find(key.epoch, hash)) {
              const shared = found.get(shown) ?? new Set();
              found.set(shown, shared.add(hash));
            }
        return found.size > 0 && this.#sayBrought(session, command, this.#counted(session, found));
      },
    };
  }

  /** Together with what the session has brought before: one row at a time is as much as all at once. */
  #counted(session: Session, found: ReadonlyMap<Shown, ReadonlySet<number>>): ReadonlyMap<Shown, ReadonlySet<number>> {
    const nowMs = this.#parts.now();
    const before = this.#brought.get(session);
    const isOver = before === undefined || nowMs - before.lastMs > this.#bounds.contentPauseMsMax;
    const brought: Brought = isOver ? { by: new Map(), lastMs: nowMs, pending: new Map() } : before;
    this.#brought.set(session, brought);
    brought.lastMs = nowMs;
    const counted = new Map<Shown, ReadonlySet<number>>();
    for (const [shown, hashes] of found) {
      const known = brought.by.get(shown) ?? new Set();
      brought.by.delete(shown);
      brought.by.set(shown, known);
      for (const hash of hashes) if (known.size < sharedMax) known.add(hash);
      brought.pending.set(shown, known);
      counted.set(shown, known);
    }
    for (const shown of [...brought.by.keys()].slice(0, Math.max(0, brought.by.size - readingsMax))) {
      brought.by.delete(shown);
      brought.pending.delete(shown);
    }
    return counted;
  }

  #commit(session: Session, command: Command): void {
    const pending = this.#brought.get(session)?.pending;
    if (pending === undefined || pending.size === 0) return;
    this.#sayBrought(session, command, pending);
    pending.clear();
  }

  #sayBrought(session: Session, command: Command, found: ReadonlyMap<Shown, ReadonlySet<number>>): boolean {
    const from = told(found, this.#bounds.contentSharedMin);
    if (from.length === 0) return false;
    const values = new Set(from.flatMap(({ hashes }) => [...hashes])).size;
    const tags = [...new Set(from.flatMap(({ tags: own }) => own))].sort();
    const data = { from: from.map(({ event, command: of, shared }) => ({ event, command: of, shared })), values, tags };
    this.#parts.appender.append({
      type: "content.brought",
      subject: { ...session.subject, command: command.id },
      data,
    });
    return true;
  }
}

interface Told {
  readonly event: string;
  readonly command: string;
  readonly shared: number;
  readonly tags: readonly string[];
  readonly hashes: ReadonlySet<number>;
}

/** Readings of which enough came back, the most first; one for each reader, so that no decoy pushes another one out. */
function told(found: ReadonlyMap<Shown, ReadonlySet<number>>, sharedMin: number): readonly Told[] {
  const byCommand = new Map<string, { readonly parts: Shown[]; readonly hashes: Set<number> }>();
  for (const [shown, hashes] of found) {
    const one = byCommand.get(shown.command) ?? { parts: [], hashes: new Set() };
    byCommand.set(shown.command, one);
    one.parts.push(shown);
    for (const hash of hashes) one.hashes.add(hash);
  }
  const byReader = new Map<string, Told & { readonly atMs: number }>();
  for (const [command, { parts, hashes }] of byCommand) {
    const [first] = parts;
    if (first === undefined || hashes.size < sharedMin) continue;
    const reader = `${first.identity}\n${first.account}`;
    const { event, atMs } = first;
    const tags = [...new Set(parts.flatMap((shown) => shown.tags))];
    const before = byReader.get(reader);
    if (before !== undefined && (before.shared > hashes.size || (before.shared === hashes.size && before.atMs > atMs)))
      continue;
    byReader.set(reader, { event, command, shared: hashes.size, tags, hashes, atMs });
  }
  return [...byReader.values()].sort((a, b) => b.shared - a.shared || b.atMs - a.atMs).slice(0, fromMax);
}

/** It puts values somewhere, or may. */
function mayBring({ effects, opaque }: Reading): boolean {
  return opaque !== null || effects.some(({ operation }) => operation === "write" || operation === "transform");
}
