/**
 * The content link in the correlator (DETECTION §2.7): what gateways say of values that were shown and came back, held by
 * command until its step is made, as fields that links and rules read. The texts that tie two steps are the ids of
 * content.shown events: the one that showed has them as its own, the one that brought names them. It sees no value.
 */
import type { Entry } from "../../infra/log/entry.ts";
import type { FieldValue } from "../../infra/rules/field.ts";
import type { EventType } from "../../schemas/event.ts";

type EntryOf<T extends EventType> = Extract<Entry, { type: T }>;
export type ContentFields = Readonly<Record<string, FieldValue>>;

interface Evidence {
  readonly content: readonly string[];
  readonly tags: readonly string[];
  readonly values: number;
}

/** Events of one command whose ids are kept: what it showed first, what it brought last. */
const eventsMax = 128;

export type KeptContentEvidence = readonly (readonly [session: string, command: string, evidence: Evidence])[];

export class ContentEvidence {
  /** By session, then by command. */
  readonly #sessions = new Map<string, Map<string, Evidence>>();

  /** @returns the fields that the command has now, or null where it belongs to none */
  take(entry: EntryOf<"content.shown" | "content.brought">): ContentFields | null {
    const { command } = entry.subject;
    if (command === undefined) return null;
    const session = sessionOf(entry);
    const commands = this.#sessions.get(session) ?? new Map<string, Evidence>();
    this.#sessions.set(session, commands);
    const before = commands.get(command) ?? { content: [], tags: [], values: 0 };
    const next = entry.type === "content.shown" ? shown(before, entry) : brought(before, entry);
    commands.set(command, next);
    return fieldsOf(next);
  }

  /** @returns the fields of a command that is asked about or decided */
  of(entry: Entry): ContentFields | null {
    if (this.#sessions.size === 0) return null;
    const found = this.#sessions.get(sessionOf(entry))?.get(entry.subject.command ?? "");
    return found === undefined ? null : fieldsOf(found);
  }

  /** Its step has what it needs, or there will be none. */
  finish(entry: EntryOf<"command.finished">): void {
    if (this.#sessions.size === 0) return;
    const session = sessionOf(entry);
    const commands = this.#sessions.get(session);
    commands?.delete(entry.subject.command ?? "");
    if (commands?.size === 0) this.#sessions.delete(session);
  }

  close(entry: EntryOf<"session.closed">): void {
    this.#sessions.delete(sessionOf(entry));
  }

  /** A gateway has started again: none of its sessions goes on. */
  restart(source: string): void {
    for (const session of this.#sessions.keys()) if (session.startsWith(`${source}\n`)) this.#sessions.delete(session);
  }

  kept(): KeptContentEvidence {
    return [...this.#sessions].flatMap(([session, commands]) =>
      [...commands].map(([command, evidence]) => [session, command, evidence] as const),
    );
  }

  restore(kept: KeptContentEvidence): void {
    for (const [session, command, evidence] of kept) {
      const commands = this.#sessions.get(session) ?? new Map<string, Evidence>();
      this.#sessions.set(session, commands.set(command, evidence));
    }
  }
}

function shown(before: Evidence, { id }: EntryOf<"content.shown">): Evidence {
  return before.content.length >= eventsMax ? before : { ...before, content: [...before.content, id] };
}

function brought(before: Evidence, { data }: EntryOf<"content.brought">): Evidence {
  const events = data.from.map(({ event }) => event);
  return {
    content: [...new Set([...events, ...before.content])].slice(0, eventsMax),
    tags: [...new Set([...before.tags, ...data.tags])].sort(),
    values: Math.max(before.values, data.values),
  };
}

function fieldsOf({ content, tags, values }: Evidence): ContentFields {
  return values === 0 ? { content } : { content, "content.tags": tags, "content.values": values };
}

/** A session is its source's. */
function sessionOf({ source, subject }: Entry): string {
  return `${source}\n${subject.session ?? ""}`;
}
