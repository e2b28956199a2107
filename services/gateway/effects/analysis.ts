/**
 * One analysis of one text: ties the readers of queries, changes and views together, and reads what the target runs
 * by itself (view bodies, defaults, policies), each once per catalog.
 */
import type { Grammar, SelectStmt } from "../../../infra/sql/grammar.ts";
import type { Column, Relation, Source, TargetCatalog } from "./catalog.ts";
import { readChange } from "./change.ts";
import { type Described, nothingDescribed } from "./described.ts";
import { type EffectDraft, ReadingDraft } from "./draft.ts";
import type { Analysis, Destination, Env, Trust, ViewBody } from "./env.ts";
import { type Names, resolveNames } from "./names.ts";
import { readSelect } from "./query.ts";
import type { RawExpression } from "./raw-catalog.ts";
import type { Scope } from "./scope.ts";
import { perform } from "./summaries.ts";

/** What was read of one catalog's own SQL. Grows with use, never changes: the catalog does not. */
export interface Bodies {
  readonly grammar: Grammar;
  readonly catalog: TargetCatalog;
  readonly described: Described;
  readonly views: Map<Relation, ViewBody>;
  readonly attached: Map<string, Attached>;
  readonly generated: Map<Column, readonly Source[]>;
}

interface Attached {
  readonly draft: ReadingDraft;
  readonly columns: readonly Source[];
}

export function createBodies(grammar: Grammar, catalog: TargetCatalog, described = nothingDescribed): Bodies {
  return { grammar, catalog, described, views: new Map(), attached: new Map(), generated: new Map() };
}

/** Far more than anybody writes. */
const queriesMax = 10_000;

export function createAnalysis(bodies: Bodies, names: Names, draft: ReadingDraft, trust: Trust = "all"): Analysis {
  return {
    grammar: bodies.grammar,
    catalog: bodies.catalog,
    names,
    draft,
    described: bodies.described,
    trust,
    perform,
    running: new Set(),
    budget: { left: queriesMax },
    select: readSelect,
    change: readChange,
    body: (relation) => viewBody(relation, bodies),
    generated: (column) => generatedFrom(column, bodies),
    attached: (relation, kind) => attachedCode(relation, kind, bodies).draft,
    lookedAt: (relation, kind) => attachedCode(relation, kind, bodies).columns,
  };
}

export function createEnv(analysis: Analysis, effect: EffectDraft, destination: Destination): Env {
  return { analysis, effect, scope: null, withs: null, destination, parameters: null };
}

function viewBody(relation: Relation, bodies: Bodies): ViewBody {
  const known = bodies.views.get(relation);
  if (known) return known;
  const draft = new ReadingDraft();
  // A view cannot contain itself, except through a policy on a table that it reads: then what is known so far counts.
  bodies.views.set(relation, { columns: [], draft });
  draft.resolve(relation);
  const columns = readOwn(relation.raw.definition ?? "", draft, bodies, null, "all");
  const body = { columns, draft };
  bodies.views.set(relation, body);
  return body;
}

function attachedCode(relation: Relation, kind: RawExpression["kind"], bodies: Bodies): Attached {
  const key = `${relation.raw.oid} ${kind}`;
  const known = bodies.attached.get(key);
  if (known) return known;
  const draft = new ReadingDraft();
  const columns = new Set<Source>();
  const attached = { draft, columns: [] };
  bodies.attached.set(key, attached);
  const scope = rowScope(relation);
  // What a default is made of becomes data; of the others a truth or a place comes.
  const trust = kind === "default" ? "nothing" : "reads";
  for (const expression of relation.raw.expressions) {
    if (expression.kind !== kind) continue;
    for (const column of readOwn(`SELECT ${expression.text}`, draft, bodies, scope, trust))
      for (const source of column.from) columns.add(source);
  }
  const whole = { draft, columns: [...columns] };
  bodies.attached.set(key, whole);
  return whole;
}

function generatedFrom(column: Column, bodies: Bodies): readonly Source[] {
  if (column.generated === null && column.relation.raw.triggers.length === 0) return [];
  const known = bodies.generated.get(column);
  if (known) return known;
  if (column.generated === null) {
    const filled = filledBy(column);
    bodies.generated.set(column, filled);
    return filled;
  }
  const draft = new ReadingDraft();
  const columns = readOwn(`SELECT ${column.generated}`, draft, bodies, rowScope(column.relation), "nothing");
  const from = draft.opaque === null ? columns.flatMap((one) => one.from) : [bodies.catalog.everything];
  bodies.generated.set(column, from);
  return from;
}

/** PostgreSQL's own trigger that keeps a text search column up to date: what it is made of, at most the whole row. */
function filledBy({ name, relation }: Column): readonly Source[] {
  const calls = relation.raw.triggers.flatMap(
    ({ definition }) => /\btsvector_update_trigger(?:_column)?\((.*)\)$/s.exec(definition)?.[1] ?? [],
  );
  if (calls.length === 0) return [];
  // Its first argument names the column; where that cannot be told it may be any.
  const filled = calls.map((call) => /^'((?:[^']|'')*)'/.exec(call)?.[1]?.replaceAll("''", "'") ?? null);
  if (!filled.includes(null) && !filled.includes(name)) return [];
  return relation.columns.filter((column) => column.name !== name);
}

/** The relation's own columns, as code that is attached to it names them. */
function rowScope(relation: Relation): Scope {
  const columns = relation.columns.map((column) => ({ name: column.name, plain: [], from: [column] }));
  const table = { alias: relation.raw.name, schema: relation.raw.schema, columns, others: null };
  return { tables: [table], columns, parent: null };
}

/** Reads SQL that the target itself has printed: every name is qualified. */
function readOwn(text: string, draft: ReadingDraft, bodies: Bodies, scope: Scope | null, trust: Trust) {
  const names = resolveNames(bodies.catalog, { searchPath: [], role: "", definesPending: false });
  const query = onlySelect(text, bodies.grammar);
  if (query === null) {
    draft.darken("a definition that cannot be read");
    return [];
  }
  const env = createEnv(createAnalysis(bodies, names, draft, trust), draft.add("read"), "view");
  return readSelect(query, { ...env, scope });
}

function onlySelect(text: string, grammar: Grammar): SelectStmt | null {
  try {
    const [statement, ...more] = grammar.parse(text);
    return statement && more.length === 0 && "SelectStmt" in statement.node ? statement.node.SelectStmt : null;
  } catch {
    // Printed by another version of PostgreSQL than the grammar's: unknown, which the caller says.
    return null;
  }
}
