/**
 * What a write sets off by itself: triggers, rules, defaults, checks, index expressions, row security, and foreign keys
 * that cascade into other tables. A trigger or rule is code whose body is not known here: opaque.
 */
import { runCode, runTrigger } from "./calls.ts";
import { descendantsOf, isSystemSchema, type Relation, type Source } from "./catalog.ts";
import type { ReadingDraft } from "./draft.ts";
import type { Analysis } from "./env.ts";
import type { RawExpression, RawForeignKey, WriteEvent } from "./raw-catalog.ts";
import { isView, viewBases, whole, writtenBy } from "./relations.ts";

/** Trigger functions of PostgreSQL itself only compute; the rest is user code. */
export function followWrite(
  relation: Relation,
  event: WriteEvent,
  columns: readonly string[] | null,
  analysis: Analysis,
): void {
  if (event === "insert" || event === "update") probeKeys(relation, columns, analysis);
  follow(relation, event, columns, analysis, new Set());
}

function follow(
  relation: Relation,
  event: WriteEvent,
  columns: readonly string[] | null,
  analysis: Analysis,
  seen: Set<string>,
): void {
  const key = `${relation.raw.oid} ${event}`;
  if (seen.has(key)) return;
  seen.add(key);
  analysis.draft.resolve(relation);
  // A row of the system's own tables is a definition, and pg_settings sets: `UPDATE pg_settings` is SET for everybody.
  if (isSystemSchema(relation.raw.schema)) analysis.draft.darken("a write to the system's own tables");
  if (relation.raw.kind === "f") analysis.draft.lasting.add("other");
  runTriggers(relation, event, analysis);
  runExpressions(relation, event, analysis);
  cascade(relation, event, columns, analysis, seen);
  const next = isView(relation) ? viewBases(relation, analysis) : descendantsOf(analysis.catalog, relation);
  // A view's columns have other names than those of its bases.
  for (const other of next) follow(other, event, isView(relation) ? null : columns, analysis, seen);
}

function runTriggers(relation: Relation, event: WriteEvent, analysis: Analysis): void {
  for (const trigger of relation.raw.triggers) {
    if (!trigger.events.includes(event)) continue;
    runTrigger(trigger.function, whole(relation), !runsAfter.test(trigger.definition), analysis);
  }
  for (const rule of relation.raw.rules) {
    if (rule.event === event) analysis.draft.darken(`a rule on ${relation.raw.schema}.${relation.raw.name}`);
  }
  for (const column of relation.columns) {
    if (column.userType === null) continue;
    for (const oid of analysis.catalog.typeFunctions(column.userType)) runCode(oid, analysis);
  }
}

/** What runs after the row was written changes it no more. */
const runsAfter = /^CREATE (?:CONSTRAINT )?TRIGGER (?:"(?:[^"]|"")*"|\S+) AFTER /;

function runExpressions(relation: Relation, event: WriteEvent, analysis: Analysis): void {
  if (event === "truncate") return;
  const kinds: RawExpression["kind"][] = event === "delete" ? [] : ["default", "check", "index"];
  if (relation.raw.rowSecurity) kinds.push("policy");
  for (const kind of kinds) absorb(analysis.attached(relation, kind), kind === "default", analysis.draft);
  if (relation.raw.rowSecurity && event !== "insert") analysis.draft.reveal(analysis.lookedAt(relation, "policy"));
}

/**
 * A foreign key tells whether the other table has the value. The first key of a table is what others are meant to
 * point at; one that was added later could have been added for this.
 */
function probeKeys(relation: Relation, columns: readonly string[] | null, analysis: Analysis): void {
  for (const { to, toColumns, columns: own } of relation.raw.foreignKeys) {
    const other = analysis.catalog.relations.get(to);
    const written = columns === null || namesOf(relation, own).some((name) => columns.includes(name));
    if (!other || !written || toColumns.join() === other.raw.unique[0]?.join()) continue;
    analysis.draft.reveal(other.columns.filter((column) => toColumns.includes(column.attribute)));
  }
}

/** A default's nextval is part of every INSERT: known, and no more than a gap in the numbers after ROLLBACK. */
function absorb(other: ReadingDraft, isDefault: boolean, draft: ReadingDraft): void {
  const effects = other.effects.filter((effect) => effect.operation === "read" && !effect.isEmpty);
  draft.effects.push(...effects);
  draft.reveal(other.reveals);
  for (const [key, value] of other.resolved) draft.resolved.set(key, value);
  for (const reason of other.lasting) if (!isDefault || reason !== "sequence") draft.lasting.add(reason);
  if (other.opaque !== null) draft.darken(other.opaque);
}

function cascade(
  relation: Relation,
  event: WriteEvent,
  columns: readonly string[] | null,
  analysis: Analysis,
  seen: Set<string>,
): void {
  if (event !== "delete" && event !== "update") return;
  for (const { from, key } of analysis.catalog.referencing(relation)) {
    const action = event === "delete" ? key.onDelete : key.onUpdate;
    const referred = namesOf(relation, key.toColumns);
    if (event === "update" && columns !== null && !referred.some((name) => columns.includes(name))) continue;
    if (action === "c" && event === "delete") cascadeDelete(from, analysis, seen);
    else if (action === "c" || action === "n" || action === "d")
      cascadeUpdate(relation, from, key, action, analysis, seen);
  }
}

function cascadeDelete(from: Relation, analysis: Analysis, seen: Set<string>): void {
  const effect = analysis.draft.add("delete");
  effect.write(uris(writtenBy(from, null, analysis)));
  effect.destroys = true;
  follow(from, "delete", null, analysis, seen);
}

function cascadeUpdate(
  relation: Relation,
  from: Relation,
  key: RawForeignKey,
  action: string,
  analysis: Analysis,
  seen: Set<string>,
): void {
  const effect = analysis.draft.add(action === "c" ? "transform" : "write");
  const columns = namesOf(from, key.columns);
  effect.write(uris(writtenBy(from, columns, analysis)));
  effect.destroys = true;
  if (action === "c") {
    key.toColumns.forEach((attribute, index) => {
      const source = relation.columns.find((column) => column.attribute === attribute) ?? whole(relation);
      const sink = from.columns.find((column) => column.attribute === key.columns[index]) ?? whole(from);
      effect.read([source]);
      effect.flow([source], [sink.uri]);
    });
  }
  follow(from, "update", columns, analysis, seen);
}

function namesOf(relation: Relation, attributes: readonly number[]): string[] {
  return relation.columns.filter((column) => attributes.includes(column.attribute)).map((column) => column.name);
}

export function uris(sources: readonly Source[]) {
  return sources.map((source) => source.uri);
}
