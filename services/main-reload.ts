/**
 * Policy, catalog and rules read again while the gateway runs. A bad file replaces nothing: what was in force stays, and that
 * is an event, a note and a finding of readiness until a good one comes. A good one is proposed to the log, and takes effect
 * when the log has it. Everything else of the configuration needs a restart, and is named.
 */
import type { Appender } from "../infra/log/log.ts";
import type { Notes } from "../infra/observe/notes.ts";
import { sayPolicy } from "../infra/policy/packed.ts";
import type { Config } from "../schemas/config.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import { type PolicyInForce, readPolicyFiles } from "./main-policy.ts";

export interface ReloadParts {
  /** What this process was started with. */
  readonly config: Config;
  readonly inForce: PolicyInForce;
  readonly appender: Appender;
  readonly notes: Notes;
  readonly engine: string;
}

export interface Reload {
  /** Why the files that were read last are not in force; null when they are. */
  readonly problem: string | null;
  /** Never rejects, but for a defect. One at a time, in the order they are asked for. */
  run(load: () => Promise<Config>): Promise<void>;
}

const reasonLettersMax = 2_000;
const reread: ReadonlySet<string> = new Set(["policy", "catalog", "rules"]);

export function createReload(parts: ReloadParts): Reload {
  let problem: string | null = null;
  let last: Promise<void> = Promise.resolve();
  const once = async (load: () => Promise<Config>) => {
    try {
      await reload(parts, load);
      problem = null;
    } catch (error) {
      if (!(error instanceof ThroughlineError)) throw error;
      problem = error.message;
      parts.notes.fault(error);
      const reason = `${error.code}: ${error.message}`.slice(0, reasonLettersMax);
      parts.appender.append({ type: "policy.refused", subject: {}, data: { reason } });
    }
  };
  return {
    get problem() {
      return problem;
    },
    run(load) {
      last = last.then(() => once(load)).catch((error: unknown) => parts.notes.fault(error));
      return last;
    },
  };
}

async function reload({ config, inForce, appender, notes, engine }: ReloadParts, load: () => Promise<Config>) {
  const fresh = await load();
  const files = await readPolicyFiles(fresh);
  const changed = inForce.propose(files, engine);
  if (changed !== null) await appender.synced(sayPolicy(appender, changed));
  notes.info(
    changed === null ? "read again: policy, catalog and rules are those in force" : "new policy, catalog or rules",
    {
      digest: files.digest,
    },
  );
  const others = needRestart(config, fresh);
  if (others.length > 0) notes.warn("these changes need a restart", { keys: others.join(" ") });
}

/** Keys of the configuration that differ and are read at a start only. */
export function needRestart(before: Config, after: Config): string[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const textOf = (config: Config, key: string) => JSON.stringify(config[key as keyof Config]);
  return keys.filter((key) => !reread.has(key) && textOf(before, key) !== textOf(after, key)).sort();
}
