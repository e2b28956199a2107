/**
 * The store that the configuration names: a ClickHouse server, or the embedded engine in the data folder. The engine is
 * loaded only where it is used: it costs half a second and memory.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config, StoreConfig } from "../../schemas/config.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { type EmptiedStore, emptyStore, openStore, type StoreOptions } from "./clickhouse.ts";
import { type Engine, openEngine, type ServerAddress } from "./engine.ts";
import type { Store } from "./store.ts";
import { prepareDatabase } from "./tables.ts";

type Encode = StoreOptions["encodePosition"];
type Configured = Pick<Config, "data" | "tenant" | "store">;
type ServerConfig = NonNullable<StoreConfig["server"]>;

/** @throws ThroughlineError `store.unavailable`, `store.newer`, `store.foreign`, `config.unreadable` */
export async function openConfiguredStore(config: Configured, encodePosition: Encode): Promise<Store> {
  return await opened(config, (engine) => openStore(engine, optionsOf(config, encodePosition)));
}

/** For `throughline store rebuild`: without its rows, or with those of a rebuild that was interrupted. */
export async function openEmptiedStore(config: Configured, encodePosition: Encode): Promise<EmptiedStore> {
  return await opened(config, (engine) => emptyStore(engine, optionsOf(config, encodePosition)));
}

function optionsOf({ tenant, store }: Configured, encodePosition: Encode): StoreOptions {
  return { tenant, encodePosition, retention: store?.retention, cluster: store?.server?.cluster };
}

async function opened<T>(config: Configured, use: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = await engineOf(config);
  try {
    return await use(engine);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function engineOf({ data, store }: Configured): Promise<Engine> {
  if (store?.server) return await serverEngine(store.server);
  const { openChdb } = await import("./chdb.ts");
  return openEngine({ connection: await openChdb(join(data, "store")) });
}

async function serverEngine(server: ServerConfig): Promise<Engine> {
  const { url, database, user, cluster } = server;
  const password = (await fileOf(server.passwordFile)).toString("utf8").trimEnd();
  const at: ServerAddress = {
    ...{ url, database, user, password, isReplicated: cluster !== undefined },
    ...(server.caFile ? { ca: await fileOf(server.caFile) } : {}),
  };
  const outside = openEngine({ ...at, database: "default" });
  try {
    await prepareDatabase(outside, database, cluster);
  } finally {
    await outside.close();
  }
  return openEngine(at);
}

function fileOf(path: string): Promise<Buffer> {
  return readFile(path).catch((cause: unknown) => {
    throw new ThroughlineError("config.unreadable", `${path} cannot be read`, cause);
  });
}
