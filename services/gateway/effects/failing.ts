/**
 * What a change tells without showing it: data that moves from table to table is neither shown nor revealed, unless its
 * values decide whether the command fails, how many rows it makes or where they go. Then each run tells a bit.
 *
 * An expression that can be computed for every value tells nothing; the list of those is closed, the rest may fail.
 * It cannot see lengths of types: that a value is too long for its column tells its length.
 */
import type { FuncCall, Node } from "../../../infra/sql/grammar.ts";
import { familyOf, type Relation, type Source } from "./catalog.ts";
import { type Analysis, nameParts } from "./env.ts";

/** Computed for every first argument, the others being constants. */
const total = words(`
  array_agg avg bit_length bool_and bool_or btrim char_length character_length coalesce count digest every hmac initcap
  json_agg json_build_array jsonb_agg left length lower ltrim max md5 min octet_length regexp_replace replace reverse
  right rtrim sha224 sha256 sha384 sha512 split_part string_agg strpos substr substring sum to_json to_jsonb translate
  upper`);
/** Computed for all arguments. */
const totalInAll = words("concat concat_ws coalesce greatest least nullif");
const operators = words("|| = <> != < > <= >=");
/** With a constant on the right. */
const patterns = words("~~ !~~ ~~* !~~* ~ !~ ~* !~*");
const parts =
  words(`A_ArrayExpr BoolExpr BooleanTest CaseExpr CaseWhen CoalesceExpr CollateClause List MinMaxExpr MultiAssignRef NullTest
  RowExpr`);
const leaves = words("A_Const ParamRef SetToDefault SQLValueFunction SubLink");

/** @returns whether its value may decide that the command fails, or how many rows it makes */
export function mayFail(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(mayFail);
  if (typeof node !== "object" || node === null) return false;
  const [kind = "", content] = Object.entries(node)[0] ?? [];
  if (leaves.has(kind)) return false;
  if (kind === "ColumnRef") return (node as { ColumnRef: { fields?: unknown[] } }).ColumnRef.fields?.length === 0;
  if (parts.has(kind))
    return Object.values(content as object).some((value) => typeof value === "object" && mayFail(value));
  const expression = node as Node;
  if ("FuncCall" in expression) return callMayFail(expression.FuncCall);
  if ("A_Expr" in expression) {
    const { name, lexpr, rexpr } = expression.A_Expr;
    const operator = nameParts(name).at(-1) ?? "";
    if (patterns.has(operator)) return mayFail(lexpr) || !isConstant(rexpr);
    return !operators.has(operator) || mayFail(lexpr) || mayFail(rexpr);
  }
  if ("TypeCast" in expression) {
    const { arg, typeName } = expression.TypeCast;
    if (isConstant(arg)) return false;
    const type = nameParts(typeName?.names).at(-1) ?? "";
    return (
      !["text", "varchar", "json", "jsonb"].includes(type) || (type.startsWith("json") && !isJson(arg)) || mayFail(arg)
    );
  }
  return true;
}

function callMayFail({ funcname, args = [], over }: FuncCall): boolean {
  const name = nameParts(funcname).at(-1) ?? "";
  const [first, ...rest] = args;
  if (over || !(total.has(name) || totalInAll.has(name))) return !args.every(isConstant);
  return mayFail(first) || (totalInAll.has(name) ? rest.some(mayFail) : !rest.every(isConstant));
}

/** `to_jsonb(x)::json`: what is JSON already. */
function isJson(node: Node | undefined): boolean {
  const name = node && "FuncCall" in node ? nameParts(node.FuncCall.funcname).at(-1) : "";
  return /json/.test(name ?? "");
}

function isConstant(node: Node | undefined): boolean {
  if (node === undefined) return true;
  if ("TypeCast" in node) return isConstant(node.TypeCast.arg);
  return "A_Const" in node || "ParamRef" in node || "SQLValueFunction" in node;
}

/** Reveals what flows into a column whose values a check, a partition key or a foreign key looks at. */
export function tellMoved(
  relation: Relation,
  name: string | undefined,
  from: readonly Source[],
  analysis: Analysis,
): void {
  if (from.length === 0) return;
  for (const one of familyOf(analysis.catalog, relation)) {
    const looked = [...analysis.lookedAt(one, "check"), ...analysis.lookedAt(one, "partition")];
    const keys = one.raw.foreignKeys.flatMap((key) => key.columns);
    const keyed = one.columns.filter((column) => keys.includes(column.attribute));
    if ([...looked, ...keyed].some((source) => name === undefined || source === one.byName.get(name))) {
      analysis.draft.reveal(from);
      return;
    }
  }
}

function words(list: string): ReadonlySet<string> {
  return new Set(list.trim().split(/\s+/));
}
