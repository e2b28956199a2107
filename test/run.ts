/**
 * `make test`: every test file in its own process, two at a time at most (the engine of the store and the databases
 * are heavy), the light ones first. Prints node's own report and ends with its status.
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";

const files = globSync("test/**/*.test.ts").toSorted();
const run = spawnSync(process.execPath, ["--test", "--test-concurrency=2", "--test-timeout=600000", ...files], {
  stdio: "inherit",
});
process.exitCode = run.status ?? 1;
