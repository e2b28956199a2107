/** What DESIGN §3 asks of a record, by the letter: may it stay on this machine, or must the shared log have it first? */
import { containersOf, createCatalog, overlaps } from "../../infra/catalog.ts";
import type { Reading } from "../../schemas/command.ts";
import type { Event } from "../correlator/oracle.ts";
import type { Ruling } from "./rules.ts";

/** @returns whether a command touches anything tagged by catalog, moves data, ends or renames, or could be a step. */
export function judgedShared({ rule }: Ruling, catalog: Ruling["catalog"], { effects, opaque }: Reading): boolean {
  if (opaque !== null) return true;
  const event = { opaque: false } as Event;
  const { tagsOf } = createCatalog(catalog);
  return effects.some((effect) => {
    const touched = [...effect.reads, ...effect.writes];
    const tags = [
      ...new Set([
        ...touched.flatMap(tagsOf),
        ...catalog.filter(({ resource }) => touched.some((one) => isOver(one, resource))).flatMap((one) => one.tags),
      ]),
    ];
    const moves = effect.reads.length > 0 && effect.writes.length > 0 && effect.operation !== "delete";
    const isStep = rule.oracle.steps.some((step) => step.matches(effect, tags, event));
    return tags.length > 0 || moves || effect.ends.length > 0 || (effect.renames?.length ?? 0) > 0 || isStep;
  });
}

const isOver = (one: string, other: string) => overlaps(one, other) || containersOf(other).includes(one);
