/**
 * New keys for a process, and the end of one. The registry keeps every public key with where it ended, so that what it
 * signed stays proven; a private key that is stolen afterwards signs nothing new. The order matters, for a record that
 * the registry of a reader does not cover is refused there: stop the process, ask where it stands, rotate, carry the
 * registry to every process and start those again, then start this one.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ThroughlineError } from "../../schemas/errors.ts";
import { makeKey, type Registry, type Standing, type Until } from "../log/sources.ts";
import { readRegistry, writeRegistry } from "./members.ts";

type Entry = Registry["sources"][string];

/**
 * Gives every source of a process a new key.
 * @param folder of `sources init`; @param standing of the stopped process
 * @returns the sources. @throws ThroughlineError `not.found`, `request.invalid` for another process's standing
 */
export function rotateMember(folder: string, name: string, standing: Standing): string[] {
  return change(folder, name, standing, (source, entry, until) => {
    const own = join(folder, name);
    mkdirSync(own, { recursive: true, mode: 0o700 });
    const { role, publicKey } = makeKey(own, source, entry.publicKey);
    const earlier = [...(entry.earlier ?? []), { publicKey: entry.publicKey, until }];
    return { role, publicKey, earlier };
  });
}

/** Ends a process for ever: it says no more, what it said stays proven. As rotateMember. */
export function retireMember(folder: string, name: string, standing: Standing): string[] {
  return change(folder, name, standing, (_source, entry, until) => ({ ...entry, until }));
}

function change(
  folder: string,
  name: string,
  standing: Standing,
  next: (source: string, entry: Entry, until: Until) => Entry,
): string[] {
  const registry = readRegistry(folder);
  const own = Object.entries(registry.sources).filter(([source]) => isOf(source, name));
  if (own.length === 0) throw new ThroughlineError("not.found", `sources.json knows no process ${name}`);
  if (own.some(([, { until }]) => until !== undefined))
    throw new ThroughlineError("request.conflict", `${name} has ended already`);
  // Its spool begins with its own words: without them this is where somebody else stands.
  if (standing[`log/${name}`] === undefined)
    throw new ThroughlineError("request.invalid", `That is not where ${name} stands: it says nothing of log/${name}`);
  for (const [source, entry] of own) {
    const until = standing[source] ?? { steps: 0, events: 0, writer: 0 };
    const last = entry.earlier?.at(-1)?.until;
    if (last && (until.steps < last.steps || until.events < last.events || until.writer < last.writer))
      throw new ThroughlineError("request.invalid", `${source} stood further when its key was last changed`);
    registry.sources[source] = next(source, entry, until);
  }
  writeRegistry(folder, registry);
  return own.map(([source]) => source);
}

function isOf(source: string, name: string): boolean {
  const said = source.slice(source.indexOf("/") + 1);
  return said === name || said === `${name}-archive`;
}
