/**
 * `throughline rules replay`: rules over the log that there is, or by SQL over the store. Reads the data folder, or through the gateway's socket
 * where that runs; needs what `store rebuild` needs: the configuration, and the right to read the folder.
 */
import { basename } from "node:path";
import { loadConfig } from "../infra/config.ts";
import { huntStore, type RetroFound } from "../infra/hunt/retro.ts";
import type { Entry } from "../infra/log/entry.ts";
import { entryOf, foldedData, isReadable, subjectOf } from "../infra/log/fold.ts";
import type { LogRecord } from "../infra/log/log.ts";
import { loadRules } from "../infra/rules/load.ts";
import type { Engine } from "../infra/store/engine.ts";
import { withEngine } from "../infra/store/open.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import { maySay } from "../schemas/event.ts";
import type { RuleCompletion } from "./cli/parts.ts";
import { Retrospect } from "./correlator/retrospect.ts";
import { readPolicyFiles } from "./main-policy.ts";
import { openLogOf } from "./main-rebuild.ts";

export interface ReplayOptions {
  readonly file: string;
  /** Rule files by name; none = those of the configuration. */
  readonly rules: readonly { readonly name: string; readonly text: string }[];
  readonly sinceMs: number;
  readonly tell: (completed: RuleCompletion) => void;
  readonly now: () => number;
  readonly fatal: (error: Error) => void;
}

/** @returns how many records were folded: all of the log, because what it began with may still be a step or a tag */
export async function replayRules(options: ReplayOptions): Promise<number> {
  const config = await loadConfig(options.file);
  const { texts } = await readPolicyFiles(config);
  // What is wrong with them is said by the names they have here.
  loadRules(options.rules);
  const own = Object.fromEntries(options.rules.map(({ name, text }, at) => [fileName(name, at), text]));
  const { "catalog.yaml": catalog = "", "pipelines.yaml": pipelines = "" } = texts;
  const inForce = options.rules.length === 0 ? texts : { "catalog.yaml": catalog, "pipelines.yaml": pipelines, ...own };
  expectRules(inForce, config.rules);
  const log = await openLogOf(config, options);
  try {
    const past = new Retrospect(inForce, (completed) => {
      if (completed.atMs >= options.sinceMs) options.tell(completed);
    });
    let folded = 0;
    const following = log.follow({ after: null, streams: ["steps"] }, (records) => {
      for (const record of records) {
        const entry = entryFrom(record);
        if (entry !== null) past.fold(entry);
        folded += 1;
      }
    });
    await Promise.race([following.caughtUp, following.ended]);
    await following.close();
    return folded;
  } finally {
    await log.close();
  }
}

/** The same asked of the store, by SQL made from the rules. @returns 0: no record was folded */
export async function huntRules(options: ReplayOptions): Promise<number> {
  const config = await loadConfig(options.file);
  const inForce = await readPolicyFiles(config);
  const rules = options.rules.length === 0 ? inForce.rules : loadRules(options.rules);
  const prefix = `hunt_${process.pid}_${options.now()}`;
  const job = { rules, catalog: inForce.catalog, sinceMs: options.sinceMs, prefix };
  if (rules.rules.length === 0) throw noRules(config.rules);
  const found = await withEngine(config, async (engine) => {
    await expectFilled(engine);
    return await huntStore(engine, job);
  });
  for (const one of found) options.tell(completionOf(one));
  return 0;
}

function expectRules(texts: Readonly<Record<string, string>>, folder: string): void {
  if (!Object.keys(texts).some((name) => name.startsWith("rules/"))) throw noRules(folder);
}

function noRules(folder: string): ThroughlineError {
  return new ThroughlineError("rule.invalid", `${folder} holds no rule: name the files to replay, before --since`);
}

/** A store that nobody has filled yet has no tables. */
async function expectFilled(engine: Engine): Promise<void> {
  const [there] = await engine.ask<{ result: number }>("EXISTS TABLE events");
  if (Number(there?.result) !== 1)
    throw new ThroughlineError(
      "not.found",
      "the store is empty: run `throughline store rebuild` first (projector and api stopped), or leave --sql out",
    );
}

function completionOf({ rule, title, action, last, steps }: RetroFound): Parameters<ReplayOptions["tell"]>[0] {
  const accounts = [...new Set(steps.map(({ account }) => account))].join(", ");
  return { ...last, chain: { rule, action, strength: null, steps, sentence: `${title}: ${accounts}.` } };
}

/** As `policy.changed` names files: no folders, so two of one name must be told apart. */
function fileName(path: string, at: number): string {
  return `rules/${at}-${basename(path)}`;
}

/** What nobody folds when it is written is left out here too. */
export function entryFrom(record: LogRecord): Entry | null {
  const { type, role, source, atMs, envelope } = record;
  if (!maySay(role, type) || !isReadable(envelope)) return null;
  const data = foldedData(type, envelope.data);
  return entryOf({ type, id: envelope.id, atMs, source, role, subject: subjectOf(envelope), data });
}
