/**
 * The store that the configuration names: a ClickHouse server, or the embedded engine in the data folder. The engine is
 * loaded only where it is used: it costs half a second and memory.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config, StoreConfig } from "../../schemas/config.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { lockFolder } from "../log/lock.ts";
import { type EmptiedStore, emptyStore, openStore, type StoreOptions } from "./clickhouse.ts";
import { type Engine, openEngine, type ServerAddress } from "./engine.ts";
import { PatientStore } from "./patient.ts";
import type { Store } from "./store.ts";
import { prepareDatabase } from "./tables.ts";

type Encode = StoreOptions["encodePosition"];
type Configured = Pick<Config, "data" | "tenant" | "store">;
type ServerConfig = NonNullable<StoreConfig["server"]>;

/**
 * A server that is away now is asked again with every question: approvals and access must not wait for it. The embedded
 * engine is here or it is not.
 * @throws ThroughlineError `store.newer`, `store.foreign`, `config.unreadable`, `log.locked`; `store.unavailable` of the
 *   embedded engine
 */
export async function openConfiguredStore(config: Configured, encodePosition: Encode): Promise<Store> {
  const open = () => opened(config, (engine) => openStore(engine, optionsOf(config, encodePosition)));
  return config.store?.server ? await PatientStore.open(open) : await open();
}

/** For `throughline store rebuild`: without its rows, or with those of a rebuild that was interrupted. */
export async function openEmptiedStore(config: Configured, encodePosition: Encode): Promise<EmptiedStore> {
  return await opened(config, (engine) => emptyStore(engine, optionsOf(config, encodePosition)));
}

/**
 * For questions of an operator beside the store's own. The embedded engine is one process's at a time: then projector and
 * api must be stopped.
 * @throws ThroughlineError `log.locked`, `store.unavailable`, `config.unreadable`
 */
export async function withEngine<T>(config: Configured, use: (engine: Engine) => Promise<T>): Promise<T> {
  const lock = config.store?.server ? null : lockFolder(join(config.data, "projector"));
  try {
    const engine = await engineOf(config);
    return await use(engine).finally(() => engine.close());
  } finally {
    lock?.release();
  }
}

function optionsOf({ tenant, store }: Configured, encodePosition: Encode): StoreOptions {
  return { tenant, encodePosition, retention: store?.retention, cluster: store?.server?.cluster };
}

/** One process writes a store: the data folder's lock says so, for an engine of our own and for a server's. */
async function opened<T extends Store>(config: Configured, use: (engine: Engine) => Promise<T>): Promise<T> {
  const lock = lockFolder(join(config.data, "projector"));
  try {
    const engine = await engineOf(config);
    const close = async () => {
      await engine.close();
      lock.release();
    };
    return await use({ ...engine, close }).catch(async (error: unknown) => {
      await engine.close();
      throw error;
    });
  } catch (error) {
    lock.release();
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
