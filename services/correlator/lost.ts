/**
 * What is left of steps that were evicted for want of room: per identity, when the last of them was and what it can have had to
 * do with. Enough to say that a chain cannot have needed one of them; where it may have, whoever asks must treat that as yes.
 */
import { tableOf } from "./postings.ts";
import { resources, type Step } from "./step.ts";

/** Of one identity, by one detection. Null = more than is worth keeping: anything. */
export interface Lost {
  readonly identity: string;
  atMs: number;
  accounts: Set<string> | null;
  tasks: Set<string> | null;
  lineage: Set<string> | null;
  writes: Set<string> | null;
  touches: Set<string> | null;
}

const namesKept = 256;

/** @param before what is known of those of the same identity that went before */
export function lostBy(step: Step, before: Lost | undefined): Lost {
  const { identity = "", account, task } = step.subject;
  const lost = before ?? {
    ...{ identity, atMs: step.atMs, accounts: new Set(), tasks: new Set() },
    ...{ lineage: new Set(), writes: new Set(), touches: new Set() },
  };
  lost.atMs = Math.max(lost.atMs, step.atMs);
  lost.accounts = grown(lost.accounts, account === undefined ? [] : [account]);
  lost.tasks = grown(lost.tasks, task === undefined ? [] : [task]);
  lost.lineage = grown(lost.lineage, step.lineage.map(tableOf));
  lost.writes = grown(lost.writes, resources(step, "writes").map(tableOf));
  lost.touches = grown(lost.touches, resources(step, "touches").map(tableOf));
  return lost;
}

export function anything(identity: string, atMs: number): Lost {
  return { identity, atMs, accounts: null, tasks: null, lineage: null, writes: null, touches: null };
}

function grown(names: Set<string> | null, more: readonly string[]): Set<string> | null {
  if (names === null) return null;
  for (const name of more) names.add(name);
  return names.size > namesKept ? null : names;
}
