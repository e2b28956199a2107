/**
 * COPY. To the client: a read and a transfer whose rows no mask covers. To or from a file of the server: a transform,
 * so that what leaves by one COPY and comes back by another stays connected. PROGRAM runs anything: opaque.
 */
import type { CopyStmt, Node } from "../../../infra/sql/grammar.ts";
import { createEnv } from "./analysis.ts";
import { lookUpTarget, targetTable } from "./assignments.ts";
import type { Relation, Source } from "./catalog.ts";
import { followWrite, uris } from "./consequences.ts";
import { EffectDraft } from "./draft.ts";
import { type Analysis, type Env, nameParts } from "./env.ts";
import { consume } from "./expression.ts";
import { giveAway } from "./publish.ts";
import { rangeTable, writtenBy } from "./relations.ts";
import { type ScopeColumn, scopeOf } from "./scope.ts";
import { thingUri } from "./uri.ts";

export function readCopy(copy: CopyStmt, analysis: Analysis): void {
  analysis.draft.statements.push("COPY");
  if (copy.is_program) analysis.draft.darken("a program on the target's machine");
  if (copy.is_from) copyIn(copy, analysis);
  else copyOut(copy, analysis);
}

function copyIn(copy: CopyStmt, analysis: Analysis): void {
  const effect = new EffectDraft("write");
  const env = createEnv(analysis, effect, "sink");
  const relation = lookUpTarget(copy.relation, env);
  analysis.draft.effects.push(effect);
  if (relation === null) return void effect.write([analysis.catalog.everything.uri]);
  effect.write(uris(writtenBy(relation, null, analysis)));
  const scope = scopeOf([targetTable(relation, copy.relation, env)], null);
  consume(copy.whereClause, { ...env, scope });
  followWrite(relation, "insert", null, analysis);
  if (copy.filename === undefined) return;
  effect.operation = "transform";
  effect.read([place(copy, analysis)]);
}

function copyOut(copy: CopyStmt, analysis: Analysis): void {
  const effect = new EffectDraft("read");
  const toFile = copy.filename !== undefined;
  const env = createEnv(analysis, effect, toFile ? "sink" : "result");
  const columns = copy.query ? queryColumns(copy.query, env) : tableColumns(copy, env);
  effect.read(columns.flatMap((column) => column.from));
  analysis.draft.effects.push(effect);
  if (toFile) {
    effect.operation = "transform";
    effect.write([place(copy, analysis).uri]);
    effect.destroys = true;
    analysis.draft.lasting.add("other");
    return;
  }
  giveAway(columns, analysis);
  const transfer = analysis.draft.add("transfer");
  transfer.read(effect.reads);
  for (const relation of effect.scanned) transfer.scanned.add(relation as Relation);
}

function queryColumns(query: Node, env: Env): readonly ScopeColumn[] {
  return "SelectStmt" in query ? env.analysis.select(query.SelectStmt, env) : env.analysis.change(query, env);
}

/** COPY of a table leaves out what inherits from it, but a partitioned parent's partitions are its rows. */
function tableColumns(copy: CopyStmt, env: Env): readonly ScopeColumn[] {
  if (!copy.relation) return [];
  const { columns } = rangeTable(copy.relation, env);
  const names = nameParts(copy.attlist);
  return names.length === 0 ? columns : columns.filter((column) => names.includes(column.name));
}

function place(copy: CopyStmt, analysis: Analysis): Source {
  const kind = copy.is_program ? "pg_program" : "pg_file";
  const name = copy.is_program ? null : plainPath(copy.filename ?? "");
  return { uri: thingUri(analysis.catalog.target, kind, name), relation: null };
}

/**
 * One spelling for one file. @returns null (any file) for what could lead elsewhere: relative to a folder that is not
 * known here, or upwards. What a link on the target's machine points at cannot be seen.
 */
function plainPath(path: string): string | null {
  const steps = path.split("/").filter((step) => step !== "" && step !== ".");
  return path.startsWith("/") && !steps.includes("..") ? `/${steps.join("/")}` : null;
}
