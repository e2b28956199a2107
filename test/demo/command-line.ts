/** The command line as a person uses it: logged in through the identity provider, with a home of its own. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent } from "./agent.ts";
import type { Places } from "./world.ts";

export interface Terminal {
  /** @returns what it printed; throws with all of it when it does not exit with 0 */
  run(...words: string[]): Promise<string>;
  close(): Promise<void>;
}

/** Logs in by code + PKCE on loopback: the program prints the address, an agent goes there. */
export async function throughline(world: Places, login: string): Promise<Terminal> {
  const home = await mkdtemp(join(tmpdir(), "throughline-home-"));
  const run = (...words: string[]) => finished(world, home, words, null);
  const agent = new Agent({ login, password: world.secrets.people[login] ?? "" });
  await finished(world, home, ["--url", world.api, "login"], (address) => agent.visit(address));
  return { run, close: () => rm(home, { recursive: true }) };
}

function finished(
  world: Places,
  home: string,
  words: string[],
  visit: ((address: string) => Promise<unknown>) | null,
): Promise<string> {
  const main = join(import.meta.dirname, "..", "..", "services", "main.ts");
  const env = { PATH: process.env.PATH ?? "", HOME: home, XDG_CONFIG_HOME: home, NO_COLOR: "1", LANG: "C.UTF-8" };
  const child = spawn(process.execPath, [main, ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  let visited = false;
  return new Promise((done, failed) => {
    const seen = (chunk: Buffer) => {
      printed += chunk.toString();
      const address = /https?:\/\/\S+/.exec(printed.slice(0, printed.lastIndexOf("\n") + 1))?.[0];
      if (!visit || visited || !address?.startsWith(world.issuer)) return;
      visited = true;
      visit(address).catch(failed);
    };
    child.stdout.on("data", seen);
    child.stderr.on("data", seen);
    child.once("exit", (code) =>
      code === 0 ? done(printed) : failed(new Error(`throughline ${words.join(" ")}: ${code}\n${printed}`)),
    );
  });
}
