/**
 * A detection as a condition of ClickHouse over one row: one effect of one command (infra/hunt/tables.ts, `acts`).
 * NULL is Kleene's "nobody can know", as infra/rules/tri.ts has it: SQL's AND, OR and NOT agree with it.
 * An act without an operation is an event of another product: all its fields are further fields.
 */
import { fieldNamed } from "../../schemas/fields.ts";
import { isContentField, isLate } from "../rules/field.ts";
import type { Match, Predicate } from "../rules/predicate.ts";
import { searched } from "../rules/search.ts";
import { matchSql, referenceSql } from "./match-sql.ts";
import { quoted, quotedList } from "./text.ts";

export interface Reading {
  /** What is known only when a command has finished is not known yet: as at an intent. */
  readonly beforeItRan: boolean;
  /** Without the tags that opaque commands moved. */
  readonly strongOnly?: true;
}

/** One field of an act. */
export interface Column {
  /** Array(String). */
  readonly texts: string;
  /** Array(Float64): those values that are numbers. */
  readonly numbers: string;
  readonly there: string;
  /** Where nobody can know it; null for never. */
  readonly unknown: string | null;
}

export function detectionSql(predicate: Predicate, reading: Reading): string {
  if (predicate.kind === "not") return `(NOT ${detectionSql(predicate.of, reading)})`;
  if ("of" in predicate)
    return `(${predicate.of.map((part) => detectionSql(part, reading)).join(` ${predicate.kind.toUpperCase()} `)})`;
  if (predicate.kind === "keyword") return keywordSql(predicate.match, reading);
  return leafSql(predicate.field, predicate.match, reading);
}

function leafSql(field: string, match: Match, reading: Reading): string {
  const column = columnOf(field, reading);
  const whole = (test: string, unknown: string | null, isTags: boolean) => {
    const known = unknown === null ? test : `if(${unknown}, NULL, ${test})`;
    // Tags of an opaque command are all that it could touch: one of them may be meant, none is certain.
    return isTags ? `if(opaque AND operation != '' AND ${known}, NULL, ${known})` : known;
  };
  switch (match.how) {
    case "null":
      return field === "tags"
        ? `if(empty(${column.texts}), 1, if(opaque AND operation != '', NULL, 0))`
        : whole(`empty(${column.texts})`, column.unknown, false);
    case "exists":
      return whole(column.there, column.unknown, field === "tags");
    case "field": {
      const other = columnOf(match.field, reading);
      const unknown = [column.unknown, other.unknown].filter((one) => one !== null).join(" OR ");
      const test = referenceSql(column.texts, other.texts, match);
      return whole(test, unknown === "" ? null : unknown, field === "tags" || match.field === "tags");
    }
    default:
      return whole(matchSql(column, match), column.unknown, field === "tags");
  }
}

const ofCommands = { operation: "[operation]", reads: "reads", writes: "writes", ends: "ends" } as const;
const derived: Readonly<Record<string, string>> = {
  ...ofCommands,
  destroys: "[if(destroys, 'true', 'false')]",
  resource: "arrayDistinct(arrayConcat(reads, writes))",
  tags: "tags",
};

function columnOf(written: string, { beforeItRan, strongOnly }: Reading): Column {
  const field = fieldNamed(written)?.name ?? written;
  const name = quoted(field);
  const own = strongOnly && field === "tags" ? "stags" : derived[field];
  const column = Object.hasOwn(derived, field) ? own : undefined;
  const further = `fields[${name}]`;
  if (column !== undefined) {
    const texts = `if(operation = '', ${further}, ${column})`;
    const always = field === "operation" || field === "destroys";
    return {
      texts,
      numbers: `if(operation = '', numbers[${name}], emptyArrayFloat64())`,
      there: `if(operation = '', mapContains(fields, ${name}), ${always ? "1" : `notEmpty(${column})`})`,
      unknown: field === "tags" ? null : "opaque AND operation != ''",
    };
  }
  return {
    texts: further,
    numbers: `numbers[${name}]`,
    there:
      fieldNamed(written) === undefined
        ? `mapContains(fields, ${name})`
        : `(notEmpty(${further}) OR operation = '' AND mapContains(fields, ${name}))`,
    unknown: isLate(field) ? (beforeItRan ? "1" : "unfinished") : null,
  };
}

/** Of our own fields those that a person would read, and every further field. */
const unsearched = [
  "id",
  "time",
  "fingerprint",
  "session",
  "command",
  "clientaddress",
  "grantid",
  "opaque",
  "undoable",
];

function keywordSql(match: Match, reading: Reading): string {
  const late = ["rows", "outcome", "bytes", "durationUs", "shown", "tag", "code", "content"].filter(
    (field) => isLate(field) || isContentField(field),
  );
  const left = quotedList([...unsearched, ...late, "content.tags", "content.values"]);
  const rest = `arrayFlatten(mapValues(mapFilter((k, v) -> operation = '' OR NOT has(${left}, k), fields)))`;
  if (match.how !== "text" && match.how !== "re") return "0";
  const further = matchSql({ texts: rest, numbers: "emptyArrayFloat64()" }, match);
  return `(${[further, ...searched.map((field) => leafSql(field, match, reading))].join(" OR ")})`;
}
