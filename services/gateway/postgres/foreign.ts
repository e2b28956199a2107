/**
 * Definitions that sessions of other gateways are making, as the shared log tells it: their names are kept out of use
 * here from the moment it is known until it is known how they ended, and then the target's catalog is read again. That
 * gateway lets its own definition take effect only when this one has said that it knows, and this one says so only when
 * nothing that uses the names is under way here.
 */
import type { Entry } from "../../../infra/log/entry.ts";
import type { ResourceUri } from "../../../schemas/command.ts";
import type { Definitions, Party } from "./definitions.ts";

export interface ForeignParts {
  /** `gateway/<name>`: what this process says itself is no news. */
  readonly source: string;
  readonly definitionsOf: (target: string) => Definitions;
  /** The target's catalog is not what it was. */
  readonly outdate: (target: string) => void;
  /** Something that used the names has ended: this gateway may say that it knows more. */
  readonly cleared: () => void;
}

interface Open {
  readonly party: Party;
  readonly target: string;
  readonly session: string;
  readonly source: string;
  /** What this gateway may say that it knows while something under way uses the names; null when nothing does. */
  knows: string | null;
}

export interface KeptDefinition {
  readonly command: string;
  readonly target: string;
  readonly session: string;
  readonly source: string;
  readonly names: readonly ResourceUri[];
}

export class Foreign {
  readonly #parts: ForeignParts;
  readonly #open = new Map<string, Open>();

  constructor(parts: ForeignParts) {
    this.#parts = parts;
  }

  /** @param before the place known before this entry. @returns whether others wait to hear that it is known */
  fold(entry: Entry, before: string): boolean {
    if (entry.source === this.#parts.source) return false;
    if (entry.type === "command.decided") return this.#decided(entry, before);
    // Only who defines says how it ended.
    const isIts = (open: Open) => open.source === entry.source;
    if (entry.type === "command.finished") {
      const ended = new Set([...entry.data.lasted, ...entry.data.undone]);
      this.#endAll((open, command) => isIts(open) && ended.has(command));
    } else if (entry.type === "session.closed")
      this.#endAll((open) => isIts(open) && open.session === entry.subject.session);
    else if (entry.type === "service.started") this.#endAll(isIts);
    return false;
  }

  /** For a snapshot. */
  kept(): readonly KeptDefinition[] {
    return [...this.#open].map(([command, { party, target, session, source }]) => {
      return { command, target, session, source, names: party.defining };
    });
  }

  /** At start, when nothing is under way here. */
  restore(kept: readonly KeptDefinition[]): void {
    for (const { command, names, ...about } of kept) this.#begin(command, names, about);
  }

  /** How far this gateway may say that it knows. @param place up to which it has folded */
  knownUpTo(place: string): string {
    let known = place;
    for (const { knows } of this.#open.values()) if (knows !== null && knows < known) known = knows;
    return known;
  }

  #decided({ source, subject, data }: Extract<Entry, { type: "command.decided" }>, before: string): boolean {
    const { command, target, session } = subject;
    const runs = data.ruling === "allow" || data.ruling === "mask";
    if (!runs || command === undefined || target === undefined) return false;
    const names = data.effects
      .filter(({ operation, ends }) => operation === "define" || ends.length > 0)
      .flatMap(({ writes, renames }) => [...writes, ...(renames ?? []).flat()]);
    if (names.length === 0) return false;
    const definitions = this.#parts.definitionsOf(target);
    const open = this.#begin(command, names, { target, session: session ?? "", source });
    if (!definitions.disturb(open.party)) return true;
    open.knows = before;
    void this.#clear(definitions, open);
    return true;
  }

  #begin(command: string, names: readonly ResourceUri[], about: Pick<Open, "target" | "session" | "source">): Open {
    const party = this.#parts.definitionsOf(about.target).join({ underWay: () => [], searchPath: () => [] });
    party.defining = names;
    const open: Open = { ...about, party, knows: null };
    this.#open.set(command, open);
    return open;
  }

  async #clear(definitions: Definitions, open: Open): Promise<void> {
    await definitions.until(() => !definitions.disturb(open.party));
    open.knows = null;
    this.#parts.cleared();
  }

  #end(command: string): void {
    const open = this.#open.get(command);
    if (open === undefined) return;
    this.#open.delete(command);
    this.#parts.outdate(open.target);
    open.party.close();
  }

  #endAll(which: (open: Open, command: string) => boolean): void {
    for (const [command, open] of this.#open) if (which(open, command)) this.#end(command);
  }
}
