/**
 * What a hunt works on: tables of its own, made for one question and dropped after it. Positions leave room inside a
 * command for its effects, in their order: effect n of the command at `at` stands at `at + 1 + n`.
 *
 * `commands`, `effects`, `merges` and `parents` are filled from where the commands are (infra/hunt/stored.ts); all
 * others follow from them by SQL alone.
 */

/** Positions of one record: its own, its effects', and its end. */
export const stride = 131_072;
export const effectsMax = 65_535;
/** Where something that nothing has ended yet ends. */
export const never = "18446744073709551615";

const columns = {
  heard: "n UInt64, ms Float64, type String, id String, command String, event String",
  commands: `at UInt64, ms Float64, id String, opaque UInt8, unfinished UInt8, decided UInt64, finished UInt64, lasted UInt64,
    fields Map(String, Array(String)), numbers Map(String, Array(Float64))`,
  effects: `at UInt64, part UInt16, operation String, reads Array(String), writes Array(String), ends Array(String),
    destroys UInt8, moves Array(Tuple(String, String)), ended Array(String)`,
  merges: "at UInt64, identities Array(String)",
  parents: "at UInt64, task String, parent String",
  names: "name String, tags Array(String), up Array(String)",
  ended: "name String, decided UInt64, lasted UInt64",
  moves: "pos UInt64, closes UInt64, source String, target String, until UInt64, strong UInt8",
  facts: "member String, place String, at UInt64, until UInt64, strong UInt8, round UInt16",
  labels: "member String, place String, at UInt64, until UInt64, strong UInt8, round UInt16",
  present: "at UInt64, part UInt16, member String, strong UInt8",
  acts: `at UInt64, part UInt16, opaque UInt8, unfinished UInt8, fields Map(String, Array(String)), numbers Map(String, Array(Float64)),
    operation String, reads Array(String), writes Array(String), ends Array(String), destroys UInt8, tags Array(String), stags Array(String)`,
  steps: `at UInt64, ms Float64, id String, opaque UInt8, finished UInt64, identity Array(String), keys Map(String, Array(String)),
    numbers Map(String, Array(Float64)), touches Array(String), writes Array(String), lin Array(String), slin Array(String)`,
  matched: "detection UInt32, at UInt64, sure UInt8, strong UInt8",
  flows: "source UInt64, target UInt64, strong UInt8",
  same: "one String, other String, since UInt64",
  related: "one String, other String, since UInt64",
} as const;

export type Table = keyof typeof columns;
/** Names of a hunt's tables. */
export type Tables = Readonly<Record<Table, string>>;

/** @param prefix unique in the database: letters, digits, underscores */
export function tablesOf(prefix: string): Tables {
  const names = Object.keys(columns).map((table) => [table, `${prefix}_${table}`] as const);
  return Object.fromEntries(names) as Tables;
}

/** @param kept `Memory`, or a table engine with its order for what does not fit */
export function createStatements(tables: Tables, kept: "Memory" | "MergeTree"): string[] {
  const engineOf = (table: Table) =>
    kept === "Memory" ? "Memory" : `MergeTree ORDER BY ${/^(at|n) UInt64/.exec(columns[table])?.[1] ?? "tuple()"}`;
  return (Object.keys(columns) as Table[]).map(
    (table) => `CREATE TABLE ${tables[table]} (${columns[table]}) ENGINE = ${engineOf(table)}`,
  );
}

export function dropStatements(tables: Tables): string[] {
  return Object.values(tables).map((table) => `DROP TABLE IF EXISTS ${table} SYNC`);
}
