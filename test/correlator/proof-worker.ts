/** Plays every n-th round and says how many answers it compared, until it is ended. */
import { parentPort, workerData } from "node:worker_threads";
import { kindOf, playRound, seedOf } from "./rounds.ts";

const { seed, index, count } = workerData as { readonly seed: number; readonly index: number; readonly count: number };
const toldMs = 200;

let cases = 0;
let told = performance.now();
for (let round = index; ; round += count) {
  const played = await playRound(seedOf(seed, round), kindOf(round));
  if (typeof played !== "number") {
    parentPort?.postMessage({ cases, wrong: round });
    break;
  }
  cases += played;
  if (performance.now() - told < toldMs) continue;
  parentPort?.postMessage({ cases });
  cases = 0;
  told = performance.now();
  // Lets a stop be heard.
  await new Promise((resolve) => setImmediate(resolve));
}
