/**
 * A text may do the same thing twice, and a record need not say so twice; except where what came between matters:
 * `c ← b; b ← a; c ← b` brings a to c with its last statement. So an effect that moves data is left out only when
 * nothing that it reads was written since it last stood here. By tables: a column counts as its table.
 */
import type { Effect, ResourceUri } from "../../../schemas/command.ts";

/** @returns the effects in their order, without those that add nothing */
export function withoutRepeats(effects: readonly Effect[]): Effect[] {
  const kept: Effect[] = [];
  const stands = new Map<string, number>();
  const written = new Map<string, number>();
  let anything = -1;
  let everything = -1;
  for (const effect of effects) {
    const text = JSON.stringify(effect);
    const last = stands.get(text);
    const moves = effect.operation === "write" || effect.operation === "transform" || effect.renames !== undefined;
    if (last !== undefined) {
      const isNews = (uri: ResourceUri): boolean => {
        const table = tableOf(uri);
        return Math.max(table === null ? anything : (written.get(table) ?? -1), everything) > last;
      };
      const reads = [...effect.reads, ...(effect.renames ?? []).flat()];
      if (!moves || !reads.some(isNews)) continue;
    }
    stands.set(text, kept.length);
    if (moves) {
      for (const uri of effect.writes) {
        const table = tableOf(uri);
        if (table === null) everything = kept.length;
        else written.set(table, kept.length);
      }
      anything = kept.length;
    }
    kept.push(effect);
  }
  return kept;
}

/** Null = more than one table. */
function tableOf(uri: ResourceUri): string | null {
  const [table = ""] = uri.split("#");
  return table.includes(".") ? table : null;
}
