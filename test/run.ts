/**
 * `make test`: every test file in its own process, two at a time at most (the engine of the store and the databases
 * are heavy), the light ones first. Prints node's own report and ends with its status.
 * With THROUGHLINE_SEED random tests take the same cases each time; without it new ones, and say which when they fail.
 * `--without kafka` is for a machine without Java: it leaves out the files that run a real broker, and says so.
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";

const wanted = process.argv.slice(2).join(" ");
if (!["", "--without kafka"].includes(wanted)) throw new Error(`there is only --without kafka, not ${wanted}`);

const files = globSync("test/**/*.test.ts").toSorted();
const left = wanted === "" ? [] : files.filter((file) => file.endsWith(".kafka.test.ts"));
const say = (): void => {
  if (left.length > 0) console.error(`\n*** NOT RUN, because of --without kafka: ${left.join(", ")} ***\n`);
};
say();
const seeded = process.env.THROUGHLINE_SEED === undefined ? [] : ["--import", "./test/seed.ts"];
const run = spawnSync(
  process.execPath,
  [
    "--test",
    "--test-concurrency=2",
    "--test-timeout=1200000",
    ...seeded,
    ...files.filter((file) => !left.includes(file)),
  ],
  { stdio: "inherit" },
);
say();
process.exitCode = run.status ?? 1;
