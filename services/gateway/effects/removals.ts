/**
 * DROP, TRUNCATE, RENAME, SET SCHEMA. Dropping a table or materialised view and truncating end their content;
 * CASCADE widens to what depends on it. A name under IF EXISTS that the catalog does not know means whatever has that
 * name by then.
 */
import type { DropStmt, Node, ObjectWithArgs, RangeVar, RenameStmt } from "../../../infra/sql/grammar.ts";
import type { ResourceUri } from "../../../schemas/command.ts";
import { widen } from "./alterations.ts";
import { descendantsOf, familyOf, type Relation } from "./catalog.ts";
import { followWrite } from "./consequences.ts";
import type { EffectDraft } from "./draft.ts";
import { type Analysis, kindOf, nameParts } from "./env.ts";
import { findRelation } from "./names.ts";
import { isView, lookUp } from "./relations.ts";
import { columnUri, relationUri, schemaUri, thingUri } from "./uri.ts";

type Read = (node: Node, analysis: Analysis) => void;

export const removals: readonly (readonly [string, Read])[] = [
  ["DropStmt", drop],
  ["TruncateStmt", truncate],
  ["RenameStmt", rename],
  ["AlterObjectSchemaStmt", moveSchema],
  ["DropdbStmt", dropDatabase],
];

const relationKinds = new Set([
  "OBJECT_TABLE",
  "OBJECT_VIEW",
  "OBJECT_MATVIEW",
  "OBJECT_SEQUENCE",
  "OBJECT_FOREIGN_TABLE",
]);

function drop(node: Node, analysis: Analysis): void {
  if (!("DropStmt" in node)) return;
  const statement = node.DropStmt;
  const { draft } = analysis;
  for (const oid of analysis.catalog.eventTriggers) {
    if (!analysis.catalog.functionOf(oid)?.builtin) draft.darken("an event trigger runs on definitions");
  }
  const effect = draft.add("define");
  effect.destroys = true;
  if (statement.concurrent) draft.lasting.add("other");
  for (const object of statement.objects ?? []) dropOne(object, statement, effect, analysis);
}

function dropOne(object: Node, statement: DropStmt, effect: EffectDraft, analysis: Analysis) {
  const { catalog } = analysis;
  const cascades = statement.behavior === "DROP_CASCADE";
  const parts = partsOf(object);
  if (relationKinds.has(statement.removeType ?? "")) {
    const [schema, name] = parts.length > 1 ? [parts.at(-2) ?? null, parts.at(-1) ?? ""] : [null, parts[0] ?? ""];
    const found = findRelation(catalog, analysis.names, schema, name);
    if (typeof found !== "string") return dropRelation(found, cascades, effect, analysis);
    if (found === "shadowed" || cascades || !statement.missing_ok)
      analysis.draft.darken("a relation that the catalog does not know");
    const schemas = schema === null ? [...analysis.names.path.slice(1), "pg_temp"] : [schema];
    // Which of them it is cannot be known: written, but no content is said to have ended.
    const written = schemas.map((one) => relationUri(catalog.target, one, name));
    for (const uri of written) if (found === "unknown") analysis.draft.clears.add(uri);
    return effect.write(written);
  }
  if (statement.removeType === "OBJECT_SCHEMA") return dropSchema(parts[0] ?? "", cascades, effect, analysis);
  if (cascades) analysis.draft.darken("CASCADE from something that is no table");
  effect.destroys = false;
  const table = ["OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY"].includes(statement.removeType ?? "");
  if (!table) return effect.write([thingUri(catalog.target, "pg_object", null)]);
  const owner = parts.slice(0, -1);
  const found = findRelation(catalog, analysis.names, owner.at(-2) ?? null, owner.at(-1) ?? "");
  effect.write([typeof found === "string" ? catalog.everything.uri : found.uri]);
}

function partsOf(object: Node): readonly string[] {
  if ("List" in object) return nameParts(object.List.items);
  if ("String" in object) return [object.String.sval ?? ""];
  return "ObjectWithArgs" in object ? nameParts((object.ObjectWithArgs as ObjectWithArgs).objname) : [];
}

function dropRelation(relation: Relation, cascades: boolean, effect: EffectDraft, analysis: Analysis): void {
  analysis.draft.resolve(relation);
  if (isView(relation)) {
    // A view has no content of its own: the name goes, nothing is destroyed.
    effect.write([relation.uri]);
    effect.destroys = effect.ends.size > 0;
  } else {
    effect.write(familyOf(analysis.catalog, relation).map((one) => one.uri));
    end(
      [relation, ...descendantsOf(analysis.catalog, relation)].map((one) => one.uri),
      effect,
    );
  }
  if (cascades) widen(relation, effect, analysis);
}

function end(uris: readonly ResourceUri[], effect: EffectDraft): void {
  effect.write(uris);
  for (const uri of uris) effect.ends.add(uri);
  effect.destroys = true;
}

function dropSchema(name: string, cascades: boolean, effect: EffectDraft, analysis: Analysis): void {
  const uri = schemaUri(analysis.catalog.target, name);
  effect.write([uri]);
  if (!cascades) {
    effect.destroys = false;
    return;
  }
  end([uri], effect);
  for (const relation of analysis.catalog.relations.values()) {
    if (relation.raw.schema === name) widen(relation, effect, analysis);
  }
}

/** Removes all content at once; with CASCADE also that of every table that points at it. */
function truncate(node: Node, analysis: Analysis): void {
  if (!("TruncateStmt" in node)) return;
  const { relations = [], behavior } = node.TruncateStmt;
  const effect = analysis.draft.add("delete");
  effect.destroys = true;
  const targets = new Set<Relation>();
  for (const range of relations) {
    const found = "RangeVar" in range ? lookUp(range.RangeVar, analysis) : null;
    const children = found && "RangeVar" in range && range.RangeVar.inh === true;
    if (found) for (const one of [found, ...(children ? descendantsOf(analysis.catalog, found) : [])]) targets.add(one);
    else effect.write([analysis.catalog.everything.uri]);
  }
  for (const target of targets) {
    effect.write(familyOf(analysis.catalog, target).map((one) => one.uri));
    end([target.uri], effect);
    followWrite(target, "truncate", null, analysis);
    if (behavior !== "DROP_CASCADE") continue;
    for (const { from } of analysis.catalog.referencing(target)) targets.add(from);
  }
}

function rename(node: Node, analysis: Analysis) {
  if (!("RenameStmt" in node)) return;
  const statement = node.RenameStmt;
  const effect = analysis.draft.add("define");
  const { catalog } = analysis;
  if (statement.renameType === "OBJECT_SCHEMA") {
    const [from, to] = [statement.subname ?? "", statement.newname ?? ""].map((name) =>
      schemaUri(catalog.target, name),
    );
    if (from === undefined || to === undefined) return;
    effect.renames.push([from, to]);
    return effect.write([from, to]);
  }
  if (!statement.relation) return effect.write([thingUri(catalog.target, "pg_object", null)]);
  renameIn(statement, statement.relation, effect, analysis);
}

function renameIn(statement: RenameStmt, range: RangeVar, effect: EffectDraft, analysis: Analysis) {
  const { catalog } = analysis;
  if (statement.renameType === "OBJECT_INDEX") return effect.write([thingUri(catalog.target, "pg_object", null)]);
  const relation = lookUp(range, analysis);
  if (relation === null) return effect.write([catalog.everything.uri]);
  const name = statement.newname ?? "";
  if (statement.renameType === "OBJECT_COLUMN") {
    for (const one of familyOf(catalog, relation)) {
      addRename(columnUri(one.uri, statement.subname ?? ""), columnUri(one.uri, name), effect);
    }
  } else if (relationKinds.has(statement.renameType ?? "")) {
    addRename(relation.uri, relationUri(catalog.target, relation.raw.schema, name), effect);
  } else effect.write([relation.uri]);
}

function addRename(from: ResourceUri, to: ResourceUri, effect: EffectDraft): void {
  effect.renames.push([from, to]);
  effect.write([from, to]);
}

function moveSchema(node: Node, analysis: Analysis): void {
  const { relation: range, newschema = "" } = kindOf(node)[1] as { relation?: RangeVar; newschema?: string };
  const { catalog } = analysis;
  const effect = analysis.draft.add("define");
  const relation = range ? lookUp(range, analysis) : null;
  if (relation) addRename(relation.uri, relationUri(catalog.target, newschema, relation.raw.name), effect);
  else effect.write([range ? catalog.everything.uri : thingUri(catalog.target, "pg_object", null)]);
}

function dropDatabase(_node: Node, analysis: Analysis): void {
  end([analysis.catalog.everything.uri], analysis.draft.add("define"));
  analysis.draft.lasting.add("other");
}
