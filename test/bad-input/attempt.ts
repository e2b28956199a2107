/** The product's own program, started as an operator starts it, until it ends by itself. */
import { spawn } from "node:child_process";
import { join } from "node:path";

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const main = join(import.meta.dirname, "..", "..", "services", "main.ts");
const waitMsMax = 90_000;

/** @throws Error when it has not ended by itself after a while: what must not start did start */
export function attempt(...words: string[]): Promise<Ended> {
  const env = { PATH: process.env.PATH ?? "", HOME: "/nonexistent", NO_COLOR: "1", LANG: "C.UTF-8" };
  const child = spawn(process.execPath, [main, ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  return new Promise((done, failed) => {
    const late = setTimeout(() => {
      child.kill("SIGKILL");
      failed(new Error(`${words.join(" ")} still runs:\n${out}\n${err}`));
    }, waitMsMax);
    child.once("close", (code) => {
      clearTimeout(late);
      done({ code, out, err });
    });
  });
}
