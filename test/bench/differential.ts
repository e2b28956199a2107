/** Ten million answers of the engine against the brute-force definition, ten thousand of them against SQL: none may differ. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Bench, Figure } from "./figures.ts";

const cases = 10_000_000;
const sql = 10_000;

export const differentialBench: Bench = {
  names: ["differential"],
  async run(): Promise<Figure[]> {
    const last = await prove([`--cases=${cases}`, `--sql=${sql}`]);
    const found = /cases=(\d+) disagreements=(\d+) seed=(\d+) sql=(\d+)/.exec(last);
    if (found === null) throw new Error(`the proof did not end: ${last}`);
    const [, compared, bad, seed, inSql] = found;
    return [
      { name: "differential", value: Number(bad), text: `disagreements in ${compared} cases, seed ${seed}` },
      { name: "differential.cases", value: Number(compared), text: "answers of the engine, each against the oracle's" },
      { name: "differential.sql", value: Number(inSql), text: "answers of SQL made from the rule, each against both" },
    ];
  },
};

/** What it says on the way is shown: it takes a quarter of an hour. @returns its last line */
function prove(options: readonly string[]): Promise<string> {
  const script = join(import.meta.dirname, "..", "correlator", "proof.ts");
  const proof = spawn(process.execPath, [script, ...options], { stdio: ["ignore", "pipe", "inherit"] });
  let last = "";
  createInterface({ input: proof.stdout }).on("line", (line) => {
    last = line;
    console.log(line);
  });
  return new Promise((resolve, reject) => proof.on("error", reject).on("close", () => resolve(last)));
}
