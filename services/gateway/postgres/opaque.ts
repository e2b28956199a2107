/**
 * Readings that the proxy makes itself: for what no text can tell (a statement it never saw, a function called by
 * number, text whose bytes the target reads otherwise), and for a COMMIT, which does what its transaction did.
 * Unknown means everything the account could do (promise 2).
 */
import { createHash } from "node:crypto";
import type { Effect, Reading, ResourceUri } from "../../../schemas/command.ts";
import type { CommittedEffect } from "../../../schemas/event-data.ts";

/**
 * @param target name of the target; its URI contains all of it
 * @param text what was asked, as far as it is known: part of what an approval is bound to
 */
export function opaqueReading(target: string, reason: string, text: string, role: string): Reading {
  const everything = target as ResourceUri;
  const effect: Effect = { operation: "read", reads: [everything], writes: [], ends: [], destroys: false };
  return {
    effects: [effect, { ...effect, operation: "write", reads: [], writes: [everything], destroys: true }],
    opaque: reason,
    transaction: { kind: "none" },
    undoable: false,
    shows: [],
    outputs: [],
    reveals: [everything],
    changes: ["search_path", "role", "settings", "definitions", "prepared"],
    resolution: digest([reason, role, text]),
    fingerprint: digest([text]),
    isExact: true,
    statements: [],
  };
}

/** The Reading of a COMMIT: what it makes lasting. Data already flowed when the commands ran, so none flows again. */
export function commitReading(reading: Reading, commits: readonly CommittedEffect[]): Reading {
  if (commits.length === 0) return reading;
  const effects = commits.map(({ effect }): Effect => {
    const { renames: _, ...rest } = effect;
    return { ...rest, flows: [] };
  });
  const ran = commits.flatMap(({ effect }) => [effect.operation, ...effect.reads, ...effect.writes]);
  return { ...reading, effects, undoable: false, resolution: digest([reading.resolution, ...ran]) };
}

function digest(parts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex");
}
