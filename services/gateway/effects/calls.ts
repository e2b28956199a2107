/**
 * What calling something does: functions, operators, casts. PostgreSQL's own functions are known (builtin-functions.ts);
 * others are known when they are immutable C code of an extension, or described in catalog.yaml; the rest is opaque, because a body in any
 * language can do anything its caller may. Which overload PostgreSQL would take is not decided here: every function
 * of that name counts, the worst one wins, so an overload in a user's schema cannot hide behind a builtin.
 */

import type { Node } from "../../../infra/sql/grammar.ts";
import type { ResourceUri } from "../../../schemas/command.ts";
import type { FunctionSummary } from "../../../schemas/function-summary.ts";
import * as builtin from "./builtin-functions.ts";
import type { Source, TargetCatalog } from "./catalog.ts";
import type { Analysis, Env, Trust } from "./env.ts";
import { findRelation } from "./names.ts";
import type { RawFunction } from "./raw-catalog.ts";
import { changeOfSetting } from "./setting-names.ts";
import { relationUri, thingUri } from "./uri.ts";

/** `call`: written as a call. `field`: may be a field or a call. `required`: must be a call, or nobody knows. */
export type CallForm = "call" | "field" | "required";

/**
 * @param parts the name, qualified or not
 * @param inputs what the arguments are made of
 * @returns what the result is made of besides the arguments
 */
export function callFunction(
  parts: readonly string[],
  args: readonly Node[],
  inputs: ReadonlySet<Source>,
  env: Env,
  form: CallForm = "call",
): readonly Source[] {
  const { catalog, draft, names } = env.analysis;
  const name = parts.at(-1) ?? "";
  const schema = parts.at(-2) ?? null;
  const candidates = catalog
    .functionsNamed(name)
    .filter((found) => (schema === null ? names.path.includes(found.schema) : found.schema === schema));
  if (names.shadowed("pg_function", name)) draft.darken("a function that this session has just defined");
  if (candidates.length === 0) {
    if (form !== "field") draft.darken("a function that the catalog does not know");
    return [];
  }
  const own = candidates.filter((candidate) => candidate.builtin);
  const made = candidates.filter((candidate) => !candidate.builtin).flatMap((one) => callMade(one, inputs, env));
  if (own.length === 0) return made;
  const volatile = own.some((candidate) => candidate.volatility === "v");
  return [...made, ...callBuiltin(name, volatile, args, inputs, env)];
}

function callMade(found: RawFunction, inputs: ReadonlySet<Source>, env: Env): readonly Source[] {
  const { analysis } = env;
  const summary = runFunction(found, analysis, analysis.trust);
  if (summary === null || !touchesAnything(summary)) return [];
  // It has learnt its arguments, and may have set something for the session.
  env.effect.read(inputs);
  analysis.draft.reveal(inputs);
  if (found.volatility === "v")
    for (const change of ["search_path", "role", "settings"] as const) analysis.draft.changes.add(change);
  return analysis.perform(found.oid, summary, inputs, true, analysis);
}

/** An operator with user functions behind it; PostgreSQL's own only compute. */
export function callOperator(parts: readonly string[], analysis: Analysis): void {
  const name = parts.at(-1) ?? "";
  const schema = parts.at(-2) ?? null;
  const spelled = name.includes("BETWEEN") ? [">=", "<="] : [name];
  for (const operator of spelled.flatMap((one) => analysis.catalog.operatorFunctions(one))) {
    const seen = schema === null ? analysis.names.path.includes(operator.schema) : operator.schema === schema;
    if (seen) runCode(operator.function, analysis);
  }
}

/** A cast to a type that is not PostgreSQL's own runs its casts and checks. */
export function castTo(parts: readonly string[], analysis: Analysis): void {
  for (const oid of analysis.catalog.typeFunctions(parts.at(-1) ?? "")) runCode(oid, analysis);
}

/** Code that runs because of what is touched, on values that are not followed: an operator's, a column type's check. */
export function runCode(oid: number, analysis: Analysis): void {
  const found = analysis.catalog.functionOf(oid);
  if (found === null) analysis.draft.darken("a function that the catalog does not know");
  else if (!found.builtin) runFunction(found, analysis, "nothing");
}

/** @param row the relation whose rows it is given @param mayChange it runs before the row is written */
export function runTrigger(oid: number, row: Source, mayChange: boolean, analysis: Analysis): void {
  const found = analysis.catalog.functionOf(oid);
  if (found === null) analysis.draft.darken("a function that the catalog does not know");
  if (found === null || found.builtin) return;
  const summary = runFunction(found, analysis, analysis.trust);
  if (summary === null || !touchesAnything(summary)) return;
  const made = analysis.perform(oid, summary, [row], false, analysis);
  if (!mayChange || made.length === 0) return;
  const effect = analysis.draft.add("transform");
  effect.read(made);
  effect.write([row.uri]);
}

/** @returns the summary by which it is known; null when there is nothing to follow, or it is opaque */
function runFunction(found: RawFunction, analysis: Analysis, trust: Trust): FunctionSummary | null {
  analysis.draft.resolved.set(`function ${found.oid}`, found.definition);
  if (found.extensionCode && found.volatility === "i") return null;
  const { summary = null, why = null } = analysis.described.of(found) ?? {};
  if (summary !== null && isTrusted(summary, trust)) {
    analysis.draft.resolved.set(`summary ${found.oid}`, JSON.stringify(summary));
    return summary;
  }
  const reason = summary === null ? why : "its summary does not hold where it stands here";
  const name = `${found.schema}.${found.name}`;
  analysis.draft.darken(`a function whose body is not known (${name})${reason === null ? "" : `: ${reason}`}`);
  return null;
}

function isTrusted({ reads, writes }: FunctionSummary, trust: Trust): boolean {
  return trust === "all" || (writes.length === 0 && (trust === "reads" || reads.length === 0));
}

function touchesAnything({ reads, writes }: FunctionSummary): boolean {
  return reads.length > 0 || writes.length > 0;
}

function callBuiltin(
  name: string,
  volatile: boolean,
  args: readonly Node[],
  inputs: ReadonlySet<Source>,
  env: Env,
): readonly Source[] {
  const { catalog, draft } = env.analysis;
  const shown = builtin.shownBy.get(name);
  if (shown !== undefined) return [systemThing(catalog, shown)];
  if (builtin.harmless.has(name)) return [];
  if (name === "ts_rewrite" && args.length === 3) return [];
  if (!volatile && !builtin.unreadable.has(name)) return [];
  // Whatever takes its arguments out of the query has learnt them.
  env.effect.read(inputs);
  draft.reveal(inputs);
  if (builtin.locks.has(name)) draft.lasting.add("other");
  else if (name === "nextval" || name === "setval") moveSequence(name, args, inputs, env);
  else if (name === "set_config") changeSetting(args, inputs, env);
  else if (name === "pg_notify")
    outside(env, "transfer", thingUri(catalog.target, "pg_channel", constantText(args[0]))).read(inputs);
  else if (builtin.acts.has(name)) outside(env, "execute", catalog.everything.uri);
  else return largeObject(name, inputs, env);
  return [];
}

function largeObject(name: string, inputs: ReadonlySet<Source>, env: Env): readonly Source[] {
  const { catalog, draft } = env.analysis;
  const store = systemThing(catalog, "pg_largeobject");
  if (builtin.largeObjectHandles.has(name)) draft.lasting.add("other");
  else if (builtin.largeObjectReads.has(name)) {
    env.effect.read([store]);
    return [store];
  } else if (builtin.largeObjectWrites.has(name) || builtin.largeObjectEnds.has(name)) {
    const effect = outside(env, inputs.size > 0 ? "transform" : "write", store.uri);
    effect.read(inputs);
    effect.destroys = name !== "lo_create" && name !== "lo_creat" && name !== "lo_from_bytea";
  } else if (builtin.files.has(name)) {
    const file: Source = { uri: thingUri(catalog.target, "pg_file", null), relation: null };
    const effect = outside(env, "transform", name === "lo_import" ? store.uri : file.uri);
    effect.read([name === "lo_import" ? file : store]);
  } else draft.darken(`the function ${name}`);
  return [];
}

function outside(env: Env, operation: "transfer" | "execute" | "write" | "transform", uri: ResourceUri) {
  const effect = env.analysis.draft.add(operation);
  effect.write([uri]);
  env.analysis.draft.lasting.add("other");
  return effect;
}

/** ROLLBACK does not take a sequence back. A number that `setval` puts there comes back by reading the sequence. */
function moveSequence(name: string, args: readonly Node[], inputs: ReadonlySet<Source>, env: Env): void {
  const { analysis } = env;
  const parts = constantText(args[0])?.split(".") ?? [];
  const [schema, relation] = parts.length === 2 ? parts : [null, parts[0]];
  const found =
    relation === undefined ? "unknown" : findRelation(analysis.catalog, analysis.names, schema ?? null, relation);
  const effect = analysis.draft.add(name === "setval" && inputs.size > 0 ? "transform" : "write");
  if (name === "setval") effect.read(inputs);
  effect.write([typeof found === "string" ? analysis.catalog.everything.uri : found.uri]);
  effect.destroys = name === "setval";
  analysis.draft.lasting.add("sequence");
}

/** What is put into a setting can be had back anywhere by `current_setting`: data there is lost from sight. */
function changeSetting(args: readonly Node[], inputs: ReadonlySet<Source>, env: Env): void {
  if (inputs.size > 0) env.analysis.draft.darken("a setting that is made of data");
  const name = constantText(args[0]);
  const value = constantText(args[1]);
  if (name !== null) changeOfSetting(name, value, env.analysis);
  const changes = env.analysis.draft.changes;
  const known = name !== null && (value !== null || !(changes.has("role") || changes.has("search_path")));
  if (known) return;
  for (const change of ["search_path", "role", "settings"] as const) changes.add(change);
  env.analysis.draft.darken("a setting whose name or value is not in the text");
}

/** @returns the text of a string constant, also when it is cast (`'x'::regclass`) */
export function constantText(node: Node | undefined): string | null {
  if (node === undefined) return null;
  if ("TypeCast" in node) return constantText(node.TypeCast.arg);
  // An empty string leaves its field out of the tree.
  return "A_Const" in node && node.A_Const.sval ? (node.A_Const.sval.sval ?? "") : null;
}

export function systemThing(catalog: TargetCatalog, name: string): Source {
  return { uri: relationUri(catalog.target, "pg_catalog", name), relation: null };
}
