/**
 * Who must answer a hold, and whether enough of them have. Pure, and the same for the api (may this person answer?),
 * the gate (may this approval be used?) and the console (who is still missing?).
 *
 * One human counts once: somebody in two groups fills one place. An agent or a workload is no human.
 */
import type { IdentityKind } from "../../schemas/identity.ts";
import type { Need } from "../../schemas/verdict.ts";

/** Somebody who may, or did, answer. `human` is the same for all identities that are strongly linked. */
export interface Approver {
  readonly human: string;
  readonly kind: IdentityKind;
  readonly groups: readonly string[];
}

/** @returns one need per distinct set of groups: the same people asked twice are asked once, for the larger number. */
export function mergeNeeds(needs: readonly Need[]): readonly Need[] {
  const merged = new Map<string, Need>();
  for (const need of needs) {
    const approvers = [...new Set(need.approvers)].sort();
    const key = JSON.stringify(approvers);
    merged.set(key, { approvers, humans: Math.max(need.humans, merged.get(key)?.humans ?? 0) });
  }
  return [...merged.values()];
}

/** @returns humans over all needs */
export function humansOf(needs: readonly Need[]): number {
  return needs.reduce((sum, need) => sum + need.humans, 0);
}

/** @returns whether this one could fill a place at all. */
export function mayAnswer(needs: readonly Need[], approver: Approver): boolean {
  return approver.kind === "person" && needs.some((need) => fits(need, approver));
}

/** @returns whether these answers fill every place, each human one. */
export function isMet(needs: readonly Need[], approvers: readonly Approver[]): boolean {
  const places = needs.flatMap((need) => Array.from({ length: need.humans }, () => need));
  const humans = [...new Map(approvers.filter((one) => one.kind === "person").map((one) => [one.human, one])).values()];
  const seatOf = new Map<number, number>();
  return places.every((_, place) => seat(place, places, humans, seatOf, new Set()));
}

/** Augmenting path of a bipartite matching: places on one side, humans on the other. */
function seat(
  place: number,
  places: readonly Need[],
  humans: readonly Approver[],
  seatOf: Map<number, number>,
  tried: Set<number>,
): boolean {
  for (const [index, human] of humans.entries()) {
    const need = places[place];
    if (need === undefined || tried.has(index) || !fits(need, human)) continue;
    tried.add(index);
    const sitting = seatOf.get(index);
    if (sitting === undefined || seat(sitting, places, humans, seatOf, tried)) {
      seatOf.set(index, place);
      return true;
    }
  }
  return false;
}

function fits(need: Need, approver: Approver): boolean {
  return need.approvers.some((group) => approver.groups.includes(group));
}
