/**
 * ClickHouse by its official client: the one file that imports it. A server by URL, or any connection that speaks the
 * client's own interface (chdb.ts: the engine in this process).
 *
 * Every failure is `store.unavailable`, with the engine's own words as its cause only: they quote rows.
 * An insert is one block with a token: the same block again, after an answer that never came, changes nothing.
 */
import { Readable } from "node:stream";
import { type ClickHouseClientConfigOptions, ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { TableRows } from "./rows.ts";

/** What carries the client's questions when it is not HTTP. */
export type StoreConnection = NonNullable<ClickHouseClientConfigOptions["connection"]>;

export interface ServerAddress {
  readonly url: string;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** PEM of the CA that signed the server's certificate, when the system does not know it. */
  readonly ca?: Buffer;
  /** How long an answer may take; for tests. */
  readonly timeoutMs?: number;
  /** Tables are replicated: what was written must stand on most replicas, and is read back from them. */
  readonly isReplicated?: boolean;
}

export type Parameters = Record<string, string | number | string[]>;

export interface Engine {
  /** Runs a statement that gives nothing back. */
  command(query: string, parameters?: Parameters): Promise<void>;
  ask<T>(query: string, parameters?: Parameters): Promise<T[]>;
  /** @param token the same for the same rows, so that a repeated insert is recognised */
  insert(rows: TableRows, token: string): Promise<void>;
  close(): Promise<void>;
}

const settings = {
  output_format_json_quote_64bit_integers: 0,
  wait_end_of_query: 1,
  // An answer must mean that the rows are in: a server's profile may say otherwise.
  async_insert: 0,
  mutations_sync: "2",
} as const;

const replicatedSettings = { insert_quorum: "auto", select_sequential_consistency: "1" } as const;

const timeoutMs = 60_000;

export function openEngine(at: ServerAddress | { readonly connection: StoreConnection }): Engine {
  // Its own log would print statements with their values.
  const log = { level: ClickHouseLogLevel.OFF };
  const client = createClient({
    log,
    ...("connection" in at ? { ...at, clickhouse_settings: settings } : serverOptions(at)),
  });
  return {
    async command(query, parameters) {
      await reach(() => client.command({ query, ...(parameters ? { query_params: parameters } : {}) }), "do that");
    },
    ask<T>(query: string, parameters: Parameters = {}) {
      return reach(async () => {
        const result = await client.query({ query, query_params: parameters, format: "JSONEachRow" });
        return result.json<T>();
      }, "answer");
    },
    async insert({ table, columns, bytes }, token) {
      const query = `INSERT INTO ${table} (${columns.join(", ")}) SETTINGS insert_deduplication_token = '${token}' FORMAT Native`;
      await reach(async () => {
        const { stream } = await client.exec({ query, values: Readable.from(bytes, { objectMode: false }) });
        for await (const piece of stream) if (piece.length > 0) throw new Error("an insert was answered with rows");
      }, `write to ${table}`);
    },
    close: () => client.close(),
  };
}

function serverOptions(at: ServerAddress): ClickHouseClientConfigOptions {
  return {
    url: at.url,
    database: at.database,
    username: at.user,
    password: at.password,
    request_timeout: at.timeoutMs ?? timeoutMs,
    clickhouse_settings: { ...settings, ...(at.isReplicated ? replicatedSettings : {}) },
    // Lists of ids would not fit into an address.
    use_multipart_params_auto: true,
    ...(at.ca ? { tls: { ca_cert: at.ca } } : {}),
  };
}

async function reach<T>(ask: () => Promise<T>, what: string): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    throw new ThroughlineError("store.unavailable", `The store could not ${what}`, cause);
  }
}
