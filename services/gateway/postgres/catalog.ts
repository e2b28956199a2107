/**
 * Loads the target's catalog over a connection of the catalog account: a few set-based queries in one read-only
 * transaction. The only file that knows node-postgres. What the account may not see it cannot load; PostgreSQL lets
 * every role read what is asked here.
 *
 * Cannot see what other sessions have not committed, nor which temporary schema belongs to whom.
 */
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { ThroughlineError } from "../../../schemas/errors.ts";
import type {
  RawCatalog,
  RawColumn,
  RawExpression,
  RawForeignKey,
  RawGrant,
  RawRelation,
} from "../effects/raw-catalog.ts";
import { busyQuery, type CatalogRows, catalogQueries } from "./catalog-queries.ts";

export interface CatalogAccount {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password?: string;
  readonly tls: "disable" | "require" | "verify";
  /** PEM, for `verify`. */
  readonly ca?: string;
}

export interface CatalogLoader {
  /** @throws ThroughlineError `target.unreachable`, `target.refused` */
  load(): Promise<RawCatalog>;
  close(): Promise<void>;
}

/** Longest wait for a connection and for one query of the catalog. */
const catalogWaitMsMax = 15_000;
/** At the target: a lock that somebody's open transaction holds, and a query that hangs for another reason. */
const lockWaitMsMax = 1_000;
const statementMsMax = 10_000;
const loadsMax = 3;
/** For a goodbye. */
const goodbyeMsMax = 1_000;
const lockNotAvailable = "55P03";

/** @param target name of the configured target, the first part of every URI */
export function createCatalogLoader(target: string, account: CatalogAccount): CatalogLoader {
  let client: pg.Client | null = null;
  const connected = async (): Promise<pg.Client> => {
    if (client) return client;
    const made = connect(account);
    made.on("error", () => {
      // The next load connects again and says what is wrong.
      if (client === made) client = null;
    });
    try {
      await made.connect();
      await made.query("SELECT pg_catalog.set_config('search_path', '', false)");
    } catch (error) {
      await ended(made);
      throw error;
    }
    client = made;
    return made;
  };
  return {
    async load() {
      try {
        return await retried(await connected(), (on) => loadWith(on, target));
      } catch (error) {
        const broken = client;
        client = null;
        if (broken !== null) await ended(broken);
        throw failure(target, error);
      }
    },
    async close() {
      const open = client;
      client = null;
      if (open !== null) await ended(open);
    },
  };
}

/** Says goodbye; a target that has gone without a word is waited for a moment, not for as long as the network tries. */
async function ended(client: pg.Client): Promise<void> {
  const goodbye = client.end().catch(() => undefined);
  await Promise.race([goodbye, pause(goodbyeMsMax, undefined, { ref: false })]);
}

function connect(account: CatalogAccount): pg.Client {
  const ssl = account.tls === "disable" ? false : { rejectUnauthorized: account.tls === "verify", ca: account.ca };
  return new pg.Client({
    host: account.host,
    port: account.port,
    database: account.database,
    user: account.user,
    password: account.password,
    ssl,
    application_name: "throughline catalog",
    connectionTimeoutMillis: catalogWaitMsMax,
    query_timeout: catalogWaitMsMax,
    lock_timeout: lockWaitMsMax,
    statement_timeout: statementMsMax,
  });
}

/** What was locked between the look at the locks and the look behind them is seen the next time. */
async function retried<T>(client: pg.Client, load: (client: pg.Client) => Promise<T>): Promise<T> {
  for (let left = loadsMax - 1; ; left -= 1) {
    try {
      return await load(client);
    } catch (error) {
      if (left === 0 || codeOf(error) !== lockNotAvailable) throw error;
      await client.query("ROLLBACK");
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function failure(target: string, error: unknown): ThroughlineError {
  const code = codeOf(error);
  if (code.startsWith("28")) {
    return new ThroughlineError("target.refused", `target ${target} refused the catalog account (${code})`, error);
  }
  return new ThroughlineError("target.unreachable", `the catalog of target ${target} cannot be read (${code})`, error);
}

async function loadWith(client: pg.Client, target: string): Promise<RawCatalog> {
  await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  await client.query(busyQuery);
  const entries: [string, unknown[]][] = [];
  for (const [name, text] of Object.entries(catalogQueries)) {
    const { rows } = await client.query<{ row: unknown }>(`SELECT pg_catalog.to_jsonb(q) AS row FROM (${text}) q`);
    entries.push([name, rows.map(({ row }) => row)]);
  }
  await client.query("COMMIT");
  return assemble(target, Object.fromEntries(entries) as unknown as CatalogRows);
}

function assemble(target: string, rows: CatalogRows): RawCatalog {
  const columns = byRelation<RawColumn>(rows.columns);
  const triggers = byRelation<RawRelation["triggers"][number]>(rows.triggers);
  const rules = byRelation<RawRelation["rules"][number]>(rows.rules);
  const expressions = byRelation<RawExpression>(rows.expressions);
  const foreignKeys = byRelation<RawForeignKey>(rows.foreignKeys);
  const grants = byRelation<RawGrant>(rows.grants);
  const unique = byRelation<{ readonly keys: readonly number[] }>(rows.unique);
  const parents = byRelation<{ readonly parent: number }>(rows.parents);
  return {
    target,
    roles: rows.roles,
    schemas: rows.schemas.map(({ name }) => name),
    relations: rows.relations.map((relation) => ({
      ...relation,
      columns: columns(relation.oid),
      parents: parents(relation.oid).map(({ parent }) => parent),
      triggers: triggers(relation.oid),
      rules: rules(relation.oid),
      expressions: expressions(relation.oid),
      foreignKeys: foreignKeys(relation.oid),
      unique: unique(relation.oid).map(({ keys }) => keys),
      grants: grants(relation.oid),
    })),
    functions: rows.functions,
    operators: rows.operators,
    types: rows.types,
    eventTriggers: rows.eventTriggers.map((row) => row.function),
  };
}

/** @returns a look-up of the rows of one relation, without its oid */
function byRelation<T extends object>(rows: readonly (T & { readonly relation: number })[]): (oid: number) => T[] {
  const groups = new Map<number, T[]>();
  for (const { relation, ...row } of rows) {
    const members = groups.get(relation);
    const member = row as unknown as T;
    if (members) members.push(member);
    else groups.set(relation, [member]);
  }
  return (oid) => groups.get(oid) ?? [];
}
