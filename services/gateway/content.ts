/**
 * The content link at the gateway (DETECTION §2.7): values of tagged columns that are shown unmasked are remembered as keyed
 * hashes (content.shown); a command whose literals, parameters or COPY data hold such values says so (content.brought)
 * before it is asked about, so that a rule can tie it to who read them, wherever the data has been in between.
 *
 * Nothing is hashed unless a rule in force asks for content. Looks at values in memory only; it cannot see what was
 * encoded, encrypted or cut on the way.
 */
import type { Appender } from "../../infra/log/log.ts";
import { leavesValues } from "../../infra/rules/gate.ts";
import { evidenceIn, type Found } from "../../infra/sketch/evidence.ts";
import { packHashes, Sketch, type SketchKey } from "../../infra/sketch/sketch.ts";
import type { Command, Reading } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import { type Limits, limits } from "../../schemas/limits.ts";
import { parameterTexts } from "./content-binary.ts";
import type { ContentIndex, Shown } from "./content-index.ts";
import { readerOf, Tally } from "./content-tally.ts";
import { lettersMax, literalsIn } from "./content-text.ts";
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
  /** One that was found before. */
  readonly found: Found;
  row(): void;
  /** @param command that brings it @returns whether enough of it was shown to others to be said */
  say(command: Command): boolean;
}

/** Different sets of tags of one result; more are taken together. */
const tagSetsMax = 8;
/** Values of one text that are kept with its reading. */
const literalsKeptMax = 16;
/** Identities whose bringing is counted: the one that brought something longest ago goes first. */
const talliesMax = 256;
/** A first few hashes are worth an event; then as many as were told before. */
const freshMin = 1;

interface InText {
  readonly text: string;
  readonly values: readonly (readonly [normal: string, phrase: boolean])[];
}

export class Content {
  readonly #parts: ContentParts;
  readonly #bounds: NonNullable<ContentParts["bounds"]>;
  /** By identity and account; its sessions are counted together. */
  readonly #tallies = new Map<string, Tally>();
  /** Readers of whom values came since BEGIN: said again with the COMMIT that makes them last. */
  readonly #uncommitted = new WeakMap<Session, { readonly tally: Tally; readonly readers: Set<string> }>();
  /** By reading, which is one per text of a session: the values in it. */
  readonly #inTexts = new WeakMap<Reading, InText>();
  /** The command that was looked at last: held and asked again, it brings nothing new. */
  readonly #looked = new WeakMap<Session, { readonly command: string; readonly brings: boolean }>();

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

  /**
   * Looks at the literals and parameters of a command that writes; call before it is asked about.
   * @returns whether the log may say of this command that it brings something
   */
  bring(session: Session, command: Command): boolean {
    if (!this.#isOn()) return command.kind === "copy";
    const looked = this.#looked.get(session);
    if (looked?.command === command.id) return looked.brings;
    // What COPY brings has been looked at before, as it came.
    const brings = this.#look(session, command) || command.kind === "copy";
    this.#looked.set(session, { command: command.id, brings });
    return brings;
  }

  #look(session: Session, command: Command): boolean {
    const { kind } = command.reading.transaction;
    if (kind === "commit" || kind === "prepare") return this.#commit(session, command);
    if (kind === "rollback" || kind === "begin") this.#uncommitted.delete(session);
    if (!mayLeaveValues(command.reading)) return false;
    const { keys, index } = this.#parts;
    const { epochs } = index;
    const used = keys().filter(({ epoch }) => epochs.includes(epoch));
    const bringing = this.#bringing(session, used);
    this.#literals(command, bringing);
    let left = lettersMax;
    for (const parameter of command.parameters) {
      if (parameter === null || left <= 0) continue;
      parameterTexts(parameter.length > left ? parameter.slice(0, left) : parameter, bringing.value);
      left -= parameter.length;
    }
    return bringing.say(command);
  }

  /** A repeated statement is read once; what changes are its parameters. */
  #literals({ text, reading }: Command, bringing: Bringing): void {
    let known = this.#inTexts.get(reading);
    if (known?.text !== text) {
      const values: (readonly [string, boolean])[] = [];
      literalsIn(text, (value) => evidenceIn(value, (normal, phrase) => values.push([normal, phrase])));
      known = { text, values };
      if (values.length <= literalsKeptMax) this.#inTexts.set(reading, known);
    }
    for (const [normal, phrase] of known.values) bringing.found(normal, phrase);
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
    const found: Found = (normal, phrase) => {
      for (const { sketch } of sketches) sketch.add(normal, phrase);
    };
    return {
      found,
      value: (text) => evidenceIn(text, found),
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
        return found.size > 0 && this.#count(session, command, found);
      },
    };
  }

  #count(session: Session, command: Command, found: ReadonlyMap<Shown, ReadonlySet<number>>): boolean {
    const tally = this.#tallyOf(session);
    tally.add(found);
    const readers = new Set([...found.keys()].map(readerOf));
    const before = this.#uncommitted.get(session)?.readers ?? [];
    this.#uncommitted.set(session, { tally, readers: new Set([...before, ...readers]) });
    return this.#sayBrought(session, command, tally, readers);
  }

  #tallyOf({ subject }: Session): Tally {
    const nowMs = this.#parts.now();
    const name = `${subject.identity}\n${subject.account}`;
    const before = this.#tallies.get(name);
    const isOver = before === undefined || nowMs - before.lastMs > this.#bounds.contentPauseMsMax;
    const tally = isOver ? new Tally() : before;
    tally.lastMs = nowMs;
    this.#tallies.delete(name);
    this.#tallies.set(name, tally);
    for (const oldest of this.#tallies.keys()) {
      if (this.#tallies.size <= talliesMax) break;
      this.#tallies.delete(oldest);
    }
    return tally;
  }

  #commit(session: Session, command: Command): boolean {
    const brought = this.#uncommitted.get(session);
    this.#uncommitted.delete(session);
    return brought !== undefined && this.#sayBrought(session, command, brought.tally, brought.readers);
  }

  #sayBrought(session: Session, command: Command, tally: Tally, readers: ReadonlySet<string>): boolean {
    const told = tally.of(readers, this.#bounds.contentSharedMin);
    if (told === null) return false;
    const data = { from: [...told.from], values: told.values, tags: [...told.tags] };
    this.#parts.appender.append({
      type: "content.brought",
      subject: { ...session.subject, command: command.id },
      data,
    });
    return true;
  }
}

/** It may leave values somewhere: in rows, in a definition, or in whatever an unread command does. */
function mayLeaveValues({ effects, opaque }: Reading): boolean {
  return opaque !== null || effects.some(({ operation }) => leavesValues(operation));
}
