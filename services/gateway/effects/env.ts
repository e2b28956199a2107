/**
 * Where the analysis stands: which text, which effect, which names are visible, and where the output goes.
 * The mutually recursive readers (expression ↔ query ↔ view) reach each other through `Analysis`, so that no file
 * imports in a circle.
 */
import type { Grammar, Node, SelectStmt } from "../../../infra/sql/grammar.ts";
import type { FunctionSummary } from "../../../schemas/function-summary.ts";
import type { Column, Relation, Source, TargetCatalog } from "./catalog.ts";
import type { Described } from "./described.ts";
import type { EffectDraft, ReadingDraft } from "./draft.ts";
import type { Names } from "./names.ts";
import type { RawExpression } from "./raw-catalog.ts";
import type { Scope, ScopeColumn } from "./scope.ts";

/**
 * Where the columns of a query go. `result`: to the client, so an expression over a column reveals it. `sink`: into a
 * table, nothing is shown. `view`: nowhere yet, only what the outer query uses counts.
 */
export type Destination = "result" | "sink" | "view";

export interface Analysis {
  readonly grammar: Grammar;
  readonly catalog: TargetCatalog;
  readonly names: Names;
  readonly draft: ReadingDraft;
  readonly select: (query: SelectStmt, env: Env) => readonly ScopeColumn[];
  /** INSERT, UPDATE, DELETE, MERGE inside WITH. @returns the columns of RETURNING */
  readonly change: (statement: Node, env: Env) => readonly ScopeColumn[];
  readonly body: (relation: Relation) => ViewBody;
  /** Functions that people have described. */
  readonly described: Described;
  readonly trust: Trust;
  readonly perform: (
    oid: number,
    summary: FunctionSummary,
    inputs: Iterable<Source>,
    beside: boolean,
    analysis: Analysis,
  ) => readonly Source[];
  /** Described functions that are being followed. */
  readonly running: Set<number>;
  /** Queries that may still be read: some are read again by each that names them. */
  readonly budget: { left: number };
  /** What a generated column is made of; empty for others. */
  readonly generated: (column: Column) => readonly Source[];
  readonly attached: (relation: Relation, kind: RawExpression["kind"]) => ReadingDraft;
  /** Columns that the attached expressions of a kind look at. */
  readonly lookedAt: (relation: Relation, kind: RawExpression["kind"]) => readonly Source[];
}

/**
 * What a described function may do where the code that is read stands, for more would be lost from sight there. `all`: in
 * a text, a view, a trigger. `reads`: where only a truth or an order comes of it. `nothing`: where it would be data.
 */
export type Trust = "all" | "reads" | "nothing";

/** A view as read once per catalog: its columns, and all that using it brings along. */
export interface ViewBody {
  readonly columns: readonly ScopeColumn[];
  readonly draft: ReadingDraft;
}

/** Named queries of WITH, innermost first. */
export interface WithScope {
  readonly find: (name: string) => readonly ScopeColumn[] | null;
  readonly parent: WithScope | null;
}

export interface Env {
  readonly analysis: Analysis;
  readonly effect: EffectDraft;
  readonly scope: Scope | null;
  readonly withs: WithScope | null;
  readonly destination: Destination;
  /** Names of a function's arguments, while its body is read. */
  readonly parameters: ReadonlySet<string> | null;
}

/** The single kind and content of a tree node. */
export function kindOf(node: Node): readonly [string, Record<string, unknown>] {
  const [entry] = Object.entries<object>(node);
  return entry === undefined ? ["", {}] : [entry[0], { ...entry[1] }];
}

/** Texts of a list of String nodes: the parts of a qualified name. */
export function nameParts(nodes: readonly Node[] | undefined): readonly string[] {
  return (nodes ?? []).map((node) => ("String" in node ? (node.String.sval ?? "") : "*"));
}
