/** Starts and kills the front (front.ts) as a test wants it, and opens stores on it the way the product does. */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EmptiedStore } from "../../infra/store/clickhouse.ts";
import { openConfiguredStore, openEmptiedStore } from "../../infra/store/open.ts";
import type { Store } from "../../infra/store/store.ts";
import type { Config, StoreConfig } from "../../schemas/config.ts";
import { makeCertificates } from "../kafka/certificates.ts";
import type { Failure } from "./front.ts";

export const encodePosition = (position: unknown): string => String(position).padStart(16, "0");

export interface TestServer {
  /** What ran, oldest first; `database: statement`. */
  readonly statements: readonly string[];
  config(
    tenant: string,
    changes?: Partial<NonNullable<StoreConfig["server"]>>,
  ): Pick<Config, "data" | "tenant" | "store">;
  open(tenant: string, changes?: Partial<NonNullable<StoreConfig["server"]>>): Promise<Store>;
  openEmptied(tenant: string): Promise<EmptiedStore>;
  /** Of the next statements that match. */
  fail(failure: Failure): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
  /** On the same address and folder. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export async function startServer(secure = false): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), "throughline-clickhouse-"));
  const passwordFile = join(folder, "password");
  const wrongFile = join(folder, "wrong");
  await writeFile(passwordFile, "s3cret'\n");
  await writeFile(wrongFile, "guessed\n");
  const pem = secure ? makeCertificates(folder).brokerFile : "";
  const statements: string[] = [];
  let port = 0;
  let child: ChildProcess | null = null;
  let armed = () => {};
  const start = async () => {
    const words = [join(folder, "engine"), String(port), "projector", "s3cret'", pem];
    const started = fork(join(import.meta.dirname, "front.ts"), words, {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    child = started;
    const ready = Promise.withResolvers<void>();
    started.once("exit", () => ready.reject(new Error("the front ended")));
    started.on("message", (message: { ready?: number; statement?: string; database?: string; armed?: true }) => {
      if (message.ready !== undefined) {
        port = message.ready;
        ready.resolve();
      } else if (message.statement !== undefined) statements.push(`${message.database}: ${message.statement}`);
      else armed();
    });
    await ready.promise;
  };
  const kill = async () => {
    const dying = child;
    if (dying === null || dying.exitCode !== null || dying.signalCode !== null) return;
    const gone = new Promise((resolve) => dying.once("exit", resolve));
    dying.kill("SIGKILL");
    await gone;
  };
  const config: TestServer["config"] = (tenant, changes = {}) => ({
    data: join(folder, tenant),
    tenant,
    store: {
      server: {
        url: `${secure ? "https" : "http"}://127.0.0.1:${port}`,
        database: `throughline_${tenant}`,
        user: "projector",
        passwordFile,
        ...(secure ? { caFile: join(folder, "ca.pem") } : {}),
        ...changes,
      },
    },
  });
  await start();
  return {
    statements,
    config,
    open: (tenant, changes) => openConfiguredStore(config(tenant, changes), encodePosition),
    openEmptied: (tenant) => openEmptiedStore(config(tenant), encodePosition),
    fail(failure) {
      const { promise, resolve } = Promise.withResolvers<void>();
      armed = resolve;
      child?.send(failure);
      return promise;
    },
    kill,
    start,
    async close() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
