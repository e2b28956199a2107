/** The thread that folds a replay (main-replay-job.ts): a correlator of its own, with one rule as if it were enforced. */
import { parentPort, workerData } from "node:worker_threads";
import type { Found } from "./api/replays.ts";
import { type Completed, Retrospect } from "./correlator/retrospect.ts";
import type { ReplayAnswer, ReplayBatch, ReplayTask } from "./main-replay-job.ts";

const task: ReplayTask = workerData;
let found: Found[] = [];

function take({ atMs, event, command, identity, account, chain }: Completed): void {
  if (atMs < task.sinceMs) return;
  const session = chain.steps.findLast((step) => step.command === command)?.session ?? "";
  const accounts = [...new Set(chain.steps.map((step) => step.account))];
  const { action, sentence } = chain;
  found.push({ atMs, event, command, session, identity, account, action, accounts, sentence });
}

function started(): Retrospect | string {
  try {
    return new Retrospect(task.texts, take, task.rule);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const past = started();

parentPort?.on("message", (entries: ReplayBatch) => {
  const answer: ReplayAnswer = typeof past === "string" ? { wrong: past } : { found };
  if (typeof past !== "string") for (const entry of entries) past.fold(entry);
  parentPort?.postMessage(answer);
  found = [];
});
