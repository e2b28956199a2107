/** A small disk of its own under a process's spool, to be filled and freed. */
import { execFileSync } from "node:child_process";
import { mkdir, open, rm, statfs } from "node:fs/promises";
import { join } from "node:path";

export interface Disk {
  /** Leaves next to nothing. */
  fill(): Promise<void>;
  free(): Promise<void>;
  close(): void;
}

const spaceMiB = 512;
const leftBytes = 64 * 1024;
const block = Buffer.alloc(4 * 1024 * 1024);

/** @returns null where this user may not mount: then no disk is filled, and the run says so */
export async function smallDisk(folder: string): Promise<Disk | null> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${spaceMiB}m,mode=0700`, "tmpfs", folder], { stdio: "pipe" });
  } catch {
    return null;
  }
  const filler = join(folder, "filler");
  return {
    async fill() {
      const { bavail, bsize } = await statfs(folder);
      const file = await open(filler, "w");
      try {
        for (let left = bavail * bsize - leftBytes; left > 0; left -= block.length)
          await file.write(block.subarray(0, Math.min(left, block.length)));
      } catch (error) {
        // The spool grows beside this: who took the last bytes does not matter, the disk is full.
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      } finally {
        await file.close();
      }
    },
    free: () => rm(filler, { force: true }),
    close: () => void execFileSync("umount", [folder]),
  };
}
