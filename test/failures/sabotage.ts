/**
 * What a machine may do to a process of the product: its disk is full, its disk fails a sync, its clock jumps. A module
 * that is loaded before the product in that one process reads its orders from a file; the product's code is as it is.
 */
import { execFileSync } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Sabotage {
  /** For the process that is to be struck. */
  readonly env: Readonly<Record<string, string>>;
  /** The log's folder has room for so many more bytes. */
  fill(bytes: number): void;
  free(): void;
  /** Every sync of the log's folder fails from now on. */
  breakSync(): void;
  /** The wall clock stands so much ahead, milliseconds; less than 0: behind. */
  setClock(aheadMs: number): void;
  /** All is well again. */
  mend(): void;
}

interface Orders {
  readonly limitBytes?: number;
  readonly syncFails?: boolean;
  readonly clockMs?: number;
}

const module = (orders: string, folder: string): string => `
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
const { writeSync, fdatasync, readFileSync } = fs;
const now = Date.now;
let orders = {};
const look = () => { orders = JSON.parse(readFileSync(${JSON.stringify(orders)}, "utf8")); };
look();
setInterval(look, 10).unref();
const folder = ${JSON.stringify(folder)};
const isOurs = (fd) => fs.readlinkSync("/proc/self/fd/" + fd).startsWith(folder);
const used = () => fs.readdirSync(folder).reduce((sum, name) => sum + fs.statSync(folder + "/" + name).size, 0);
fs.writeSync = (fd, ...rest) => {
  look();
  if (orders.limitBytes !== undefined && isOurs(fd) && used() + (rest[2] ?? rest[0].length) > orders.limitBytes)
    throw Object.assign(new Error("no space"), { code: "ENOSPC" });
  return writeSync(fd, ...rest);
};
fs.fdatasync = (fd, done) => {
  look();
  if (orders.syncFails && isOurs(fd)) process.nextTick(done, Object.assign(new Error("i/o error"), { code: "EIO" }));
  else fdatasync(fd, done);
};
Date.now = () => now() + (orders.clockMs ?? 0);
syncBuiltinESMExports();
`;

/** @param place a folder for its own files, @param folder of the log that is struck */
export function makeSabotage(place: string, folder: string): Sabotage {
  const [orders, before] = [join(place, "sabotage.json"), join(place, "sabotage.mjs")];
  let given: Orders = {};
  const give = (change: Orders) => {
    given = change;
    writeFileSync(`${orders}.new`, JSON.stringify(given));
    renameSync(`${orders}.new`, orders);
  };
  give({});
  writeFileSync(before, module(orders, folder));
  return {
    env: { NODE_OPTIONS: `--import=${before}` },
    fill(bytes) {
      const used = Number(execFileSync("du", ["-sb", "--apparent-size", folder]).toString().split("\t")[0]);
      give({ ...given, limitBytes: used + bytes });
    },
    free: () => give({ ...given, limitBytes: Number.MAX_SAFE_INTEGER }),
    breakSync: () => give({ ...given, syncFails: true }),
    setClock: (clockMs) => give({ ...given, clockMs }),
    mend: () => give({}),
  };
}
