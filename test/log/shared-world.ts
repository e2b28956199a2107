/** Machines that share a log: each with a data folder and keys of its own, over brokers that the test gives. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bus } from "../../infra/log/bus.ts";
import { type ArchivedLog, openArchivedLog, openSharedLog, type SharedLog } from "../../infra/log/shared-log.ts";
import { fingerprint, publicKeyOf, publicKeyText } from "../../infra/log/sign.ts";
import { roleOf, type Source, type Sources } from "../../infra/log/sources.ts";
import { roles } from "../../schemas/event.ts";

/** Every role under each name, with `log/<name>-archive`. */
export function sourcesOf(tenant: string, names: readonly string[]): Sources {
  const known = new Map<string, Source>();
  const keys = new Map<string, KeyObject>();
  for (const source of names.flatMap((name) => [...roles.map((role) => `${role}/${name}`), `log/${name}-archive`])) {
    const { privateKey } = generateKeyPairSync("ed25519");
    const publicKey = publicKeyText(privateKey);
    keys.set(source, privateKey);
    const key = publicKeyOf(publicKey);
    known.set(source, { source, role: roleOf(source)!, publicKey, fingerprint: fingerprint(publicKey), key });
  }
  return { tenant, known, privateKey: (source) => keys.get(source)! };
}

export interface Machine {
  readonly folder: string;
  readonly name: string;
}

export interface SharedWorld {
  readonly sources: Sources;
  readonly fatal: Error[];
  readonly faults: unknown[];
  machine(name: string): Machine;
  share(machine: Machine, bus: Bus): Promise<SharedLog>;
  archive(machine: Machine, bus: Bus): Promise<ArchivedLog>;
  /** Runs at the end, last first. */
  defer(end: () => unknown): void;
  end(): Promise<void>;
}

/** @param now each machine's own clock */
export function sharedWorld(
  names: readonly string[],
  tenant = "demo",
  now: () => number = Date.now,
  prefix = "tl",
): SharedWorld {
  const sources = sourcesOf(tenant, names);
  const ends: (() => unknown)[] = [];
  const fatal: Error[] = [];
  const faults: unknown[] = [];
  const options = ({ folder, name }: Machine, bus: Bus) => ({
    folder,
    name,
    bus,
    tenant,
    sources,
    prefix,
    eventPartitions: 2,
    durability: { replicas: 1, minInSync: 1, retentionMs: -1 },
    now,
    fatal: (error: Error) => fatal.push(error),
    fault: (error: unknown) => faults.push(error),
    closeWaitMs: 200,
  });
  return {
    sources,
    fatal,
    faults,
    machine(name) {
      const folder = mkdtempSync(join(tmpdir(), "throughline-shared-"));
      ends.push(() => rmSync(folder, { recursive: true, force: true }));
      return { folder, name };
    },
    async share(machine, bus) {
      const shared = await openSharedLog(options(machine, bus));
      ends.push(() => shared.close().catch(() => {}));
      return shared;
    },
    async archive(machine, bus) {
      const log = await openArchivedLog(options(machine, bus));
      ends.push(() => log.close().catch(() => {}));
      return log;
    },
    defer: (end) => ends.push(end),
    async end() {
      for (const one of ends.reverse()) await one();
    },
  };
}
