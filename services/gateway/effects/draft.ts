/**
 * What is being learnt about a text while it is read. Sets of sources, so that nothing is counted twice; finish.ts
 * turns them into a Reading. The only mutable state of the analysis, made anew for each text.
 */
import type { Handle, Operation, Reading, ResourceUri, TransactionControl } from "../../../schemas/command.ts";
import { isSystemSchema, type Relation, type Source } from "./catalog.ts";

export type Change = Reading["changes"][number];

/** One effect in the making. */
export class EffectDraft {
  operation: Operation;
  /** Relations that are read at all, even if no column is named (`count(*)`). */
  readonly scanned = new Set<Relation>();
  readonly reads = new Set<Source>();
  readonly writes = new Set<ResourceUri>();
  readonly ends = new Set<ResourceUri>();
  /** Null = every read flows to every write. */
  flows: Map<string, readonly [ResourceUri, ResourceUri]> | null = null;
  readonly renames: (readonly [ResourceUri, ResourceUri])[] = [];
  destroys = false;
  /** It happens row by row beside the others: before, between and after them. */
  beside = false;

  constructor(operation: Operation) {
    this.operation = operation;
  }

  read(sources: Iterable<Source>): void {
    for (const source of sources) this.reads.add(source);
  }

  write(uris: Iterable<ResourceUri>): void {
    for (const uri of uris) this.writes.add(uri);
  }

  /** From now on only the flows that are named exist. */
  flow(sources: Iterable<Source>, into: Iterable<ResourceUri>): void {
    this.flows ??= new Map();
    const sinks = [...into];
    for (const source of sources) {
      for (const sink of sinks) {
        if (source.uri !== sink) this.flows.set(`${source.uri}\0${sink}`, [source.uri, sink]);
      }
    }
  }

  get isEmpty(): boolean {
    const touched = this.reads.size + this.scanned.size + this.writes.size;
    return touched === 0 && this.renames.length === 0;
  }
}

/** One text in the making. */
export class ReadingDraft {
  readonly effects: EffectDraft[] = [];
  readonly shows = new Set<Source>();
  readonly reveals = new Set<Source>();
  readonly outputs: (readonly (readonly Source[])[])[] = [];
  readonly changes = new Set<Change>();
  readonly statements: string[] = [];
  /** Tables made with nothing on them that could run code. */
  readonly makes = new Set<ResourceUri>();
  /** Names that the catalog does not have, dropped if they are there: nothing is meant by them afterwards. */
  readonly clears = new Set<ResourceUri>();
  /** What names resolved to, each with a digest of its definition. */
  readonly resolved = new Map<string, string>();
  /** First reason why it is opaque. */
  opaque: string | null = null;
  /** Reasons why ROLLBACK does not undo everything. */
  readonly lasting = new Set<"sequence" | "other">();
  transaction: TransactionControl = { kind: "none" };
  handle: Handle | null = null;

  add(operation: Operation): EffectDraft {
    const effect = new EffectDraft(operation);
    this.effects.push(effect);
    return effect;
  }

  darken(reason: string): void {
    this.opaque ??= reason;
  }

  /** Columns of PostgreSQL's own catalog hold names; those that hold values stand here without their relation. */
  reveal(sources: Iterable<Source>): void {
    for (const source of sources) {
      if (source.relation === null || !isSystemSchema(source.relation.raw.schema)) this.reveals.add(source);
    }
  }

  resolve(relation: Relation): void {
    this.resolved.set(`relation ${relation.raw.oid}`, relation.digest);
  }

  /** Takes over what using a view, a policy, a default or a function body brings along, except what it shows. */
  absorb(other: ReadingDraft): void {
    for (const effect of other.effects) if (!effect.isEmpty) this.effects.push(effect);
    this.reveal(other.reveals);
    for (const [key, value] of other.resolved) this.resolved.set(key, value);
    for (const change of other.changes) this.changes.add(change);
    for (const reason of other.lasting) this.lasting.add(reason);
    if (other.opaque !== null) this.darken(other.opaque);
  }
}
