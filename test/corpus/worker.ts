/** Plays one company's log in a thread of its own and says what came of it. */
import { readdirSync, readFileSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { Player } from "./player.ts";
import { openBook } from "./reading.ts";
import { count, createTally } from "./tally.ts";
import { createTenant } from "./tenant.ts";

export interface Job {
  readonly seed: number;
  readonly days: number;
  readonly chains: number;
  readonly commands: number;
  /** The shipped rules instead of the corpus's own. */
  readonly library: boolean;
}

const job = workerData as Job;
const library = new URL("../../schemas/rules/", import.meta.url);
const own = { "rules/corpus.yml": readFileSync(new URL("./rules.yml", import.meta.url), "utf8") };
const shipped = () =>
  Object.fromEntries(
    readdirSync(library)
      .filter((name) => name.endsWith(".yml"))
      .map((name) => [`rules/${name}`, readFileSync(new URL(name, library), "utf8")]),
  );

const tally = createTally();
const player = new Player(job.library ? shipped() : own);
for (const acts of createTenant({ ...job, book: await openBook() }).acts())
  for (const act of acts) {
    const asked = player.play(act);
    if (act.kind === "command" && asked !== null) count(tally, act, asked);
  }
parentPort?.postMessage(tally);
