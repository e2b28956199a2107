/** The demo's ports: free ones are picked at the first run and kept in the data folder; a conflict later is an error. */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { freePort } from "../../infra/deploy/postgres.ts";

const names = ["postgres", "gateway", "api", "provider", "alerts", "operations", "apiOperations"] as const;
export type Ports = Record<(typeof names)[number], number>;

export async function keptPorts(folder: string): Promise<Ports> {
  const file = join(folder, "ports.json");
  if (existsSync(file)) {
    const kept = JSON.parse(await readFile(file, "utf8")) as Ports;
    // Names that came later than the file get theirs now.
    for (const name of names) kept[name] ??= await freePort();
    await writeFile(file, `${JSON.stringify(kept, null, 2)}\n`);
    for (const name of names) await assertFree(name, kept[name], file);
    return kept;
  }
  const picked: Partial<Ports> = {};
  for (const name of names) picked[name] = await freePort();
  const ports = picked as Ports;
  await writeFile(file, `${JSON.stringify(ports, null, 2)}\n`);
  return ports;
}

async function assertFree(name: string, port: number, file: string): Promise<void> {
  if (name === "postgres") return; // one that outlived its parent is stopped and replaced
  const probe = createServer();
  const free = await new Promise<boolean>((done) => {
    probe.once("error", () => done(false)).listen(port, "127.0.0.1", () => done(true));
  });
  if (!free) throw new Error(`port ${port} (${name}) is taken by another program: stop it, or change it in ${file}`);
  await new Promise((done) => probe.close(done));
}
