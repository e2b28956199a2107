/**
 * Definitions that sessions of one target are making, and who must not run beside them. A text is read with the catalog
 * of now and runs a moment later, behind a lock or behind the pipeline before it: a view replaced in between would show
 * what nobody judged. So a definition is forwarded only when nothing is under way that uses its names, and what uses
 * them is read only when it has been committed or undone, as PostgreSQL's own locks would have it.
 *
 * Waits are bounded: two sessions that wait for each other, one here and one at the target, are told so.
 * It cannot see definitions made behind the gateway's back, or by code that nobody has read (opaque): such code could
 * replace a described function while that runs.
 */
import type { Reading, ResourceUri } from "../../../schemas/command.ts";
import { overlap } from "./rows.ts";

/** What one session is doing, as the others must know it. */
export interface Doing {
  /** Readings that were made and whose commands have not been answered. */
  readonly underWay: () => Iterable<Reading>;
  /** Where its unqualified names are looked up. */
  readonly searchPath: () => readonly string[];
}

/** One per target, shared by its sessions. */
export class Definitions {
  readonly #parties = new Set<Party>();
  #waiting: (() => void)[] = [];
  readonly waitMsMax: number;

  constructor(waitMsMax = 10_000) {
    this.waitMsMax = waitMsMax;
  }

  join(doing: Doing): Party {
    const party: Party = new Party(this, doing, () => this.#parties.delete(party));
    this.#parties.add(party);
    return party;
  }

  /** Whether another session is defining what this reading uses. */
  concern(own: Party, reading: Reading): boolean {
    for (const party of this.#parties) {
      if (party === own || party.defining.length === 0) continue;
      const open = party.defining.filter((uri) => !own.has(uri));
      if (uses(reading, open, own.doing.searchPath())) return true;
    }
    return false;
  }

  /** Whether another session has something under way that uses what this one defines. */
  disturb(own: Party): boolean {
    for (const party of this.#parties) {
      if (party === own) continue;
      const path = party.doing.searchPath();
      for (const reading of party.doing.underWay()) if (uses(reading, own.defining, path)) return true;
    }
    return false;
  }

  /** Something ended: whoever waits looks again. */
  stir(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  /** @returns false when it was still so after the longest wait */
  async until(free: () => boolean): Promise<boolean> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.stir();
    }, this.waitMsMax);
    while (!free() && !late) await new Promise<void>((go) => this.#waiting.push(go));
    clearTimeout(timer);
    return free();
  }
}

/** One session among those of its target. */
export class Party {
  readonly doing: Doing;
  readonly #all: Definitions;
  readonly #leave: () => void;
  /** Forwarded, or about to be, and neither committed nor undone. */
  defining: readonly ResourceUri[] = [];
  /** Relations that the open transaction has used: it holds their locks, so what others define waits at the target. */
  readonly #held = new Set<string>();

  constructor(all: Definitions, doing: Doing, leave: () => void) {
    this.#all = all;
    this.doing = doing;
    this.#leave = leave;
  }

  /** @returns null when it may be judged now; else whether it may after a wait, and is to be read again */
  mayRead(reading: Reading): Promise<boolean> | null {
    if (!this.#all.concern(this, reading)) return null;
    return this.#all.until(() => !this.#all.concern(this, reading));
  }

  /** @returns null when it may be forwarded now; else whether it may after a wait */
  mayDefine(reading: Reading): Promise<boolean> | null {
    const names = definedBy(reading);
    if (names.length === 0) return null;
    const before = this.defining;
    this.defining = [...before, ...names];
    if (!this.#all.disturb(this)) return null;
    return this.#all
      .until(() => !this.#all.disturb(this))
      .then((free) => {
        if (!free) this.#define(before);
        return free;
      });
  }

  /** The target has run it; its locks stay until the transaction ends or falls back to a savepoint. */
  ran(reading: Reading): void {
    if (reading.transaction.kind === "rollback-to") this.#held.clear();
    if (reading.opaque !== null) return;
    for (const uri of touchedBy(reading)) {
      const relation = relationOf(uri);
      if (relation) this.#held.add(`${relation.schema}.${relation.name}`);
    }
  }

  has(uri: ResourceUri): boolean {
    const relation = relationOf(uri);
    return relation !== null && this.#held.has(`${relation.schema}.${relation.name}`);
  }

  /** The transaction has ended, one way or the other; what is still under way belongs to the next one. */
  settled(): void {
    this.#held.clear();
    if (this.defining.length > 0) this.#define([...this.doing.underWay()].flatMap(definedBy));
  }

  /** Something of this session was answered. */
  stir(): void {
    this.#all.stir();
  }

  close(): void {
    this.#leave();
    this.#define([]);
  }

  #define(names: readonly ResourceUri[]): void {
    this.defining = names;
    this.#all.stir();
  }
}

/** Names that change what they mean: not those of temporary things, which are nobody else's, nor of how data is kept. */
function definedBy({ effects, changes, statements, opaque }: Reading): ResourceUri[] {
  if (!changes.includes("definitions") || statements.every((tag) => keepsMeaning.has(tag))) return [];
  const defined = effects
    .filter((effect) => effect.operation === "define")
    .flatMap(({ writes, renames }) => [...writes, ...(renames ?? []).flat()]);
  // What is made of code that runs later is opaque, but its name is known: who has described it must not run another.
  return opaque === null
    ? defined.filter((uri) => !/^[^/]*\/pg_temp[.#]/.test(uri))
    : defined.filter((uri) => /^[^/]*\/pg_function\./.test(uri));
}

function uses(reading: Reading, defined: readonly ResourceUri[], searchPath: readonly string[]): boolean {
  // What cannot be read could use anything; it is held or permitted as such, and waits for nobody.
  if (reading.opaque !== null || defined.length === 0) return false;
  const touched = touchedBy(reading);
  for (const name of reading.summaries ?? []) touched.add(name);
  const bare = new Set([...touched].map((uri) => relationOf(uri)?.name ?? ""));
  return defined.some((uri) => {
    const relation = relationOf(uri);
    const shadows = relation !== null && searchPath.includes(relation.schema) && bare.has(relation.name);
    return shadows || [...touched].some((one) => overlap(one, uri));
  });
}

const keepsMeaning = new Set(["CREATE INDEX", "CREATE STATISTICS", "CREATE STATS"]);

/** Functions are not among them: using one takes no lock at the target. */
function touchedBy(reading: Reading): Set<ResourceUri> {
  const touched = new Set<ResourceUri>([...reading.shows, ...reading.reveals]);
  for (const { reads, writes } of reading.effects) for (const uri of [...reads, ...writes]) touched.add(uri);
  return touched;
}

/** `target/schema.name#column`: target names hold no slash, the others have theirs encoded. */
function relationOf(uri: ResourceUri): { schema: string; name: string } | null {
  const found = /^[^/]*\/([^.#]*)\.([^#]*)/.exec(uri);
  return found ? { schema: found[1] ?? "", name: found[2] ?? "" } : null;
}
