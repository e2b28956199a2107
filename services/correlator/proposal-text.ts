/** What an approved chain would be as a pipeline: its steps as they were, with what differed between the times as bounds. */

import { unknown } from "../../infra/rules/field.ts";
import { writeYaml } from "../../infra/yaml.ts";
import type { PipelineText } from "../../schemas/pipeline.ts";
import { hash } from "./evidence.ts";
import { isLive, operationsOf, resources, type Step } from "./step.ts";

interface Part {
  readonly command: string;
  readonly identity: string;
  readonly account: string;
  readonly role: string;
  readonly fingerprint: string;
  readonly operations: PipelineText["steps"][number]["operation"];
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly destroys: boolean;
  readonly address: string;
  readonly atMs: number;
  /** At least so many: of the last it is known when it has finished. */
  rows: number;
}

export interface Draft {
  readonly rule: string;
  /** Equal where rule, identities, accounts, statements and resources are. */
  readonly shape: string;
  /** In log order. */
  readonly parts: readonly Part[];
}

/** Of all steps: the text stands in one event. */
const lettersMax = 20_000;
const [minuteMs, dayMinutes] = [60_000, 1_440];

/** @returns null for a chain that no pipeline could declare: something in it cannot be read, or has no statement */
export function draftOf(rule: string, found: readonly Step[]): Draft | null {
  const steps = [...found].sort((a, b) => a.at - b.at);
  if (steps.some((step) => step.opaque || step.commit || !isLive(step))) return null;
  const parts = steps.map(partOf);
  if (parts.some(({ fingerprint, address }) => fingerprint === "" || address === "")) return null;
  // What nobody would read to the end is not proposed: it must be declared by hand.
  if (JSON.stringify(parts).length > lettersMax) return null;
  const same = parts.map(({ command: _, address: __, atMs: ___, rows: ____, ...rest }) => rest);
  return { rule, shape: hash([rule, same]), parts };
}

function partOf(step: Step): Part {
  const { identity = "", account = "", clientaddress = "" } = step.subject;
  const { late } = step;
  const details = step.details === unknown ? null : step.details;
  const operations = operationsOf(step);
  return {
    ...{ command: step.command, identity, account, atMs: step.atMs, rows: late?.rows ?? 0 },
    role: details?.role ?? account,
    fingerprint: details?.fingerprint ?? "",
    operations: operations.length === 1 && operations[0] ? operations[0] : [...operations],
    reads: tables(resources(step, "reads")),
    writes: tables(resources(step, "writes")),
    destroys: step.effects.some(({ effect, withdrawn }) => !withdrawn && effect.destroys),
    address: clientaddress.slice(0, Math.max(0, clientaddress.lastIndexOf(":"))),
  };
}

/** Rather than columns, and without the session of a temporary one. */
function tables(names: readonly string[]): readonly string[] {
  const plain = names.map((name) => (name.split("#")[0] ?? name).replace(/(\/pg_temp\..*)@[^@]*$/, "$1"));
  return [...new Set(plain)].sort();
}

/** @param drafts of one shape; times of day, addresses and rows are those of all of them */
export function write(name: string, drafts: readonly Draft[]): string {
  const starts = drafts.map(({ parts }) => Math.floor((parts[0]?.atMs ?? 0) / minuteMs) % dayMinutes);
  const lengths = drafts.map(({ parts }) => Math.ceil(((parts.at(-1)?.atMs ?? 0) - (parts[0]?.atMs ?? 0)) / minuteMs));
  const longest = Math.min(dayMinutes, Math.max(...lengths) + 5);
  const start = Math.max(0, Math.min(...starts) - 5);
  const window = Math.min(dayMinutes, Math.max(...starts) - start + longest + 5);
  const addresses = new Set(drafts.flatMap(({ parts }) => parts.map(({ address }) => address)));
  const text: PipelineText = {
    name,
    owner: "somebody who answers for it",
    steps: merged(drafts),
    window: { cron: `${start % 60} ${Math.floor(start / 60)} * * *`, for: `${window}m` },
    longest: `${longest}m`,
    addresses: [...addresses].sort(),
  };
  return writeYaml([text]);
}

/** The same statement several times in a row is one step. */
function merged(drafts: readonly Draft[]): PipelineText["steps"] {
  const steps: PipelineText["steps"] = [];
  let before = "";
  for (const [at, part] of (drafts[0]?.parts ?? []).entries()) {
    const { identity, account, role, fingerprint, operations: operation, reads, writes, destroys } = part;
    const max = Math.max(...drafts.map(({ parts }) => parts[at]?.rows ?? 0));
    const last = steps.at(-1);
    const key = `${account} ${fingerprint}`;
    if (last !== undefined && key === before) {
      last.times = { max: (last.times?.max ?? 1) + 1 };
      last.rows.max = Math.max(last.rows.max, max);
    } else
      steps.push({
        identity,
        account,
        ...(role === account ? {} : { role }),
        operation,
        fingerprint,
        reads: [...reads],
        writes: [...writes],
        destroys,
        rows: { max },
      });
    before = key;
  }
  return steps;
}
