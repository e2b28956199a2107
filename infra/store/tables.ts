/**
 * Brings a database to the schema of this version (schemas/tables.sql) and says whose it is.
 *
 * Every statement may run twice, also at the same time in two processes: nothing here needs a lock. A database that a
 * newer version made is refused, because this one would read it wrongly. What cannot be changed in place (the size of
 * granules) stays as it was until `throughline store rebuild`.
 *
 * With a cluster configured the same statements run on all of it and the tables are replicated. A tenant's tables are not
 * spread over shards: a tenant is a database, and tenants are what is spread. (The text is tested; it was not yet run on a
 * cluster of servers.)
 */
import { readFile } from "node:fs/promises";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Engine } from "./engine.ts";

interface Migration {
  readonly number: number;
  readonly name: string;
  /** Each must change nothing where it was done before, and in a new database. */
  readonly statements: readonly string[];
}

const deduplicated = ["identities", "chain_commands", "progress", "axes", "texts", "events"];
const expiring = ["axes", "texts", "events"];

/** Of rows that version 1 wrote. */
const envelopeOfColumns = `concat(${[
  ...["id", "source", "type", "session", "command", "identity", "account", "task", "target"].map((name) => [
    name,
    name,
  ]),
  ...[
    ["grantid", "grant_id"],
    ["clientaddress", "client_address"],
  ],
]
  .map(([name, column], index) => `'${index === 0 ? "{" : ","}"${name}":', toJSONString(${column})`)
  .join(", ")}, ',"data":', data, '}')`;

/** Number 1 is the schema that had no numbers: a database that has tables and no `migrations`. */
export const migrations: readonly Migration[] = [
  {
    number: 2,
    name: "retention by class; repeated inserts are recognised; outputs are found by their id",
    statements: [
      ...expiring.map((table) => `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS delete_on Date DEFAULT toDate(65535)`),
      `ALTER TABLE events ADD COLUMN IF NOT EXISTS event String DEFAULT ${envelopeOfColumns} CODEC(ZSTD(1))`,
      ...expiring.map((table) => `ALTER TABLE ${table} MODIFY TTL delete_on`),
      ...deduplicated.map(
        (table) =>
          `ALTER TABLE ${table} MODIFY SETTING non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1`,
      ),
      "INSERT INTO axes (axis, value, position) SELECT 'output', id, position FROM events WHERE NOT startsWith(id, concat(source, '/'))",
    ],
  },
];

const newest = migrations.at(-1)?.number ?? 1;

export interface Ownership {
  readonly tenant: string;
  /** Name of the servers' cluster; absent for one server and for the embedded engine. */
  readonly cluster?: string | undefined;
}

/** @throws ThroughlineError `store.newer`, `store.foreign`, `store.unavailable` */
export async function prepareTables(engine: Engine, { tenant, cluster }: Ownership): Promise<void> {
  const found = await engine.ask<{ name: string }>("SELECT name FROM system.tables WHERE database = currentDatabase()");
  const names = new Set(found.map(({ name }) => name));
  const done = names.has("migrations") ? await recorded(engine) : new Set<number>();
  const highest = Math.max(1, ...done);
  if (highest > newest)
    throw new ThroughlineError(
      "store.newer",
      `The store has schema ${highest}, and this version knows up to ${newest}`,
    );
  for (const statement of await schemaStatements()) await engine.command(clustered(statement, cluster));
  for (const { number, name, statements } of migrations) {
    if (done.has(number)) continue;
    for (const statement of statements) {
      const text = clustered(statement, cluster);
      if (text !== "") await engine.command(text);
    }
    await engine.command("INSERT INTO migrations (number, name) SELECT {number:UInt32}, {name:String}", {
      number,
      name,
    });
  }
  await own(engine, tenant);
}

async function recorded(engine: Engine): Promise<Set<number>> {
  const rows = await engine.ask<{ number: number }>("SELECT DISTINCT number FROM migrations");
  return new Set(rows.map(({ number }) => number));
}

/** Two processes of two tenants that both find it empty: the second look tells the one that came later. */
async function own(engine: Engine, tenant: string): Promise<void> {
  if ((await tenantsIn(engine)).length === 0) await setState(engine, "tenant", tenant);
  const tenants = await tenantsIn(engine);
  const other = tenants.find((found) => found !== tenant);
  if (other !== undefined)
    throw new ThroughlineError(
      "store.foreign",
      `This database holds the timelines of tenant ${other}, not of ${tenant}`,
    );
}

async function tenantsIn(engine: Engine): Promise<string[]> {
  const rows = await engine.ask<{ tenant: string }>(
    "SELECT DISTINCT value AS tenant FROM store_state WHERE name = 'tenant' UNION DISTINCT SELECT tenant FROM (SELECT tenant FROM events LIMIT 1)",
  );
  return rows.map((row) => row.tenant);
}

/** Replaces by time of the server: of two in the same millisecond either may stay. */
export async function setState(engine: Engine, name: string, value: string): Promise<void> {
  await engine.command("INSERT INTO store_state (name, value) SELECT {name:String}, {value:String}", { name, value });
}

export async function stateOf(engine: Engine, name: string): Promise<string | null> {
  const [row] = await engine.ask<{ value: string }>(
    "SELECT value FROM store_state WHERE name = {name:String} ORDER BY at DESC LIMIT 1",
    { name },
  );
  return row?.value ?? null;
}

/** Removes every table of this version, with what is in it. */
export async function dropTables(engine: Engine, cluster: string | undefined): Promise<void> {
  const statements = await schemaStatements();
  for (const statement of statements.toReversed()) {
    const table = /CREATE TABLE IF NOT EXISTS (\w+)/.exec(statement)?.[1];
    await engine.command(`DROP TABLE IF EXISTS ${table}${onCluster(cluster)} SYNC`);
  }
}

/** Statements of schemas/tables.sql, in their order. */
export async function schemaStatements(): Promise<string[]> {
  const text = await readFile(new URL("../../schemas/tables.sql", import.meta.url), "utf8");
  return text.split(/^--$/m).map((statement) => statement.replace(/^--.*$/gm, "").trim());
}

const onCluster = (cluster: string | undefined) => (cluster === undefined ? "" : ` ON CLUSTER '${cluster}'`);

/** What is not wanted of a replicated table: it recognises repeated inserts by itself. */
const unreplicated = /non_replicated_deduplication_window = \d+(, )?/g;

/**
 * A statement of this schema as a cluster has it: on every server, tables replicated. Without a cluster as it is.
 * @param cluster a name without quotes, as schemas/config.ts demands
 */
export function clustered(statement: string, cluster: string | undefined): string {
  if (cluster === undefined) return statement;
  return statement
    .replace(/^(CREATE TABLE IF NOT EXISTS \w+|ALTER TABLE \w+)/, `$1${onCluster(cluster)}`)
    .replace(
      /ENGINE = (\w*MergeTree)(?:\((\w+)\))?/,
      (_, engine: string, version?: string) =>
        `ENGINE = Replicated${engine}('/clickhouse/tables/{uuid}/{shard}', '{replica}'${version ? `, ${version}` : ""})`,
    )
    .replace(unreplicated, "");
}

/** Makes the database of a server when it is not there. @param engine of the database `default` */
export async function prepareDatabase(engine: Engine, database: string, cluster: string | undefined): Promise<void> {
  const found = await engine.ask("SELECT name FROM system.databases WHERE name = {database:String}", { database });
  if (found.length > 0) return;
  await engine.command(`CREATE DATABASE IF NOT EXISTS \`${database}\`${onCluster(cluster)}`);
}
