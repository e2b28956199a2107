/** One Reader per target, made when the target first answers; a target that is down is asked again by the next session. */
import { readFile } from "node:fs/promises";
import type { Config, TargetConfig } from "../schemas/config.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import type { FunctionSummary } from "../schemas/function-summary.ts";
import { credentialFor } from "./gateway/credentials.ts";
import type { Reader } from "./gateway/effects/reader.ts";
import { Definitions } from "./gateway/postgres/definitions.ts";
import { createReader, type TargetReader } from "./gateway/postgres/read-target.ts";
import type { VoidSummary } from "./main-summaries.ts";
import type { Surroundings } from "./main-surroundings.ts";

export interface Readers {
  /** Null while the catalog of that target has not been loaded. */
  readonly loaded: (target: string) => Reader | null;
  /** Of a target whose reader was opened before. */
  readonly known: (target: string) => Reader;
  /** A definition was made elsewhere: the next reading is made with the target's catalog of then. */
  readonly outdate: (target: string) => void;
  /** What sessions of that target are defining. */
  readonly definitionsOf: (target: string) => Definitions;
  /** @throws ThroughlineError `target.unknown`, `target.unreachable`, `target.refused` */
  readonly readerOf: (target: string) => Promise<Reader>;
  close(): Promise<void>;
}

/** Definitions that were made behind the gateway's back are seen within this time. */
const refreshMs = 30_000;

/** What the catalog in force says of functions, and who hears which of it does not hold. */
export interface Describing {
  readonly summaries: () => readonly FunctionSummary[];
  readonly voided: (target: string, found: readonly VoidSummary[]) => void;
}

export function openReaders(config: Config, { fault, now }: Surroundings, describing: Describing): Readers {
  const readers = new Map<string, TargetReader>();
  const definitions = new Map(config.targets.map(({ name }) => [name, new Definitions()]));
  const opening = new Map<string, Promise<TargetReader>>();
  const targets = new Map(config.targets.map((target) => [target.name, target]));
  const open = async (name: string): Promise<TargetReader> => {
    const target = targets.get(name);
    if (!target) throw new ThroughlineError("target.unknown", `no target has the name ${name}`);
    const reader = await createReader({
      ...(await accountOf(target)),
      ...{ now, summaries: describing.summaries },
      voided: (found) => describing.voided(name, found),
    });
    readers.set(name, reader);
    return reader;
  };
  const readerOf = (name: string) => {
    const known = readers.get(name);
    if (known) return Promise.resolve(known);
    const pending = opening.get(name) ?? open(name).finally(() => opening.delete(name));
    opening.set(name, pending);
    return pending;
  };
  const timer = setInterval(() => {
    for (const reader of readers.values()) reader.refresh(true).catch(fault);
  }, refreshMs);
  for (const name of targets.keys()) readerOf(name).catch(fault);
  return {
    loaded: (name) => readers.get(name) ?? null,
    known(name) {
      const reader = readers.get(name);
      if (!reader)
        throw new ThroughlineError("internal.bug", `a session was opened before the catalog of ${name} was read`);
      return reader;
    },
    outdate: (name) => readers.get(name)?.outdate(),
    definitionsOf: (name) => definitions.get(name) ?? new Definitions(),
    readerOf,
    async close() {
      clearInterval(timer);
      for (const reader of readers.values()) await reader.close();
    },
  };
}

export async function accountOf(target: TargetConfig) {
  const { user, password } = await credentialFor(target, target.catalogAccount);
  const at = target.address.lastIndexOf(":");
  const ca = target.caFile ? await readFile(target.caFile, "utf8") : undefined;
  return {
    target: target.name,
    account: {
      host: target.address.slice(0, at),
      port: Number(target.address.slice(at + 1)),
      database: target.database,
      user,
      tls: target.tls,
      ...(password === null ? {} : { password }),
      ...(ca === undefined ? {} : { ca }),
    },
  };
}
