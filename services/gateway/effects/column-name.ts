/**
 * The name PostgreSQL gives a column of a result without AS (FigureColname in its parse_target.c): what a new table's
 * column is called, and how the query around it can name it. A wrong name would send a flow into a column that does
 * not exist, so a name that is not known for sure is `?column?`, and who makes a table of it takes the whole table.
 */
import type { CaseExpr, Node, SelectStmt, SubLink } from "../../../infra/sql/grammar.ts";
import { kindOf, nameParts } from "./env.ts";

/** PostgreSQL's own name for what has none. */
export const unnamed = "?column?";

/** A name, and whether a cast around it or ELSE may override it. */
interface Figured {
  readonly name: string;
  readonly weak: boolean;
}

export function columnName(value: Node): string {
  return figure(value)?.name ?? unnamed;
}

const always: Readonly<Record<string, string>> = {
  A_ArrayExpr: "array",
  CoalesceExpr: "coalesce",
  GroupingFunc: "grouping",
  JsonArrayAgg: "json_arrayagg",
  JsonArrayConstructor: "json_array",
  JsonArrayQueryConstructor: "json_array",
  JsonObjectAgg: "json_objectagg",
  JsonObjectConstructor: "json_object",
  JsonParseExpr: "json",
  JsonScalarExpr: "json_scalar",
  JsonSerializeExpr: "json_serialize",
  MergeSupportFunc: "merge_action",
  RowExpr: "row",
  XmlSerialize: "xmlserialize",
};

/** Of kinds that go by what they do. */
const byOperation: Readonly<Record<string, string>> = {
  IS_GREATEST: "greatest",
  IS_LEAST: "least",
  IS_XMLCONCAT: "xmlconcat",
  IS_XMLELEMENT: "xmlelement",
  IS_XMLFOREST: "xmlforest",
  IS_XMLPARSE: "xmlparse",
  IS_XMLPI: "xmlpi",
  IS_XMLROOT: "xmlroot",
  JSON_EXISTS_OP: "json_exists",
  JSON_QUERY_OP: "json_query",
  JSON_VALUE_OP: "json_value",
};

function figure(value: Node): Figured | null {
  if ("ColumnRef" in value) return named(nameParts(value.ColumnRef.fields).at(-1));
  if ("FuncCall" in value) return named(nameParts(value.FuncCall.funcname).at(-1));
  if ("A_Indirection" in value) {
    const field = value.A_Indirection.indirection?.findLast((node) => "String" in node);
    if (field && "String" in field) return named(field.String.sval);
    return value.A_Indirection.arg ? figure(value.A_Indirection.arg) : null;
  }
  if ("CollateClause" in value) return value.CollateClause.arg ? figure(value.CollateClause.arg) : null;
  if ("TypeCast" in value) {
    const inner = value.TypeCast.arg ? figure(value.TypeCast.arg) : null;
    if (inner !== null && !inner.weak) return inner;
    const type = nameParts(value.TypeCast.typeName?.names).at(-1);
    return type === undefined ? inner : { name: type, weak: true };
  }
  if ("CaseExpr" in value) return figureCase(value.CaseExpr);
  if ("SubLink" in value) return figureSubquery(value.SubLink);
  const [kind, { op, kind: form }] = kindOf(value);
  if (form === "AEXPR_NULLIF") return named("nullif");
  if (kind === "SQLValueFunction" && typeof op === "string") return named(clockName(op));
  return named(always[kind] ?? (typeof op === "string" ? byOperation[op] : undefined));
}

function named(name: string | undefined): Figured | null {
  return name === undefined || name === "*" ? null : { name, weak: false };
}

/** ELSE gives its name. */
function figureCase({ defresult }: CaseExpr): Figured {
  const inner = defresult ? figure(defresult) : null;
  return inner !== null && !inner.weak ? inner : { name: "case", weak: true };
}

function figureSubquery({ subLinkType, subselect }: SubLink): Figured | null {
  if (subLinkType === "EXISTS_SUBLINK") return named("exists");
  if (subLinkType === "ARRAY_SUBLINK") return named("array");
  if (subLinkType !== "EXPR_SUBLINK" || !subselect || !("SelectStmt" in subselect)) return null;
  return named(firstName(subselect.SelectStmt));
}

/** Its only column's name; of `*` it is not known here. */
function firstName(query: SelectStmt): string | undefined {
  if (query.larg) return firstName(query.larg);
  if (query.valuesLists) return "column1";
  const [target] = query.targetList ?? [];
  if (!target || !("ResTarget" in target)) return undefined;
  const { name, val } = target.ResTarget;
  return name ?? (val ? figure(val)?.name : undefined);
}

/** `SVFOP_CURRENT_TIMESTAMP_N` is written `current_timestamp(n)`. */
function clockName(operation: string): string {
  return operation
    .replace(/^SVFOP_/, "")
    .replace(/_N$/, "")
    .toLowerCase();
}
