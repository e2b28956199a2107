/** Leaves out acts and faults as long as the same promise is still broken. */
import type { Bug } from "./bugs.ts";
import type { Outcome } from "./outcome.ts";
import type { Act, Fault, Plan } from "./plan.ts";
import { playOut } from "./play.ts";

export interface Shrunk {
  readonly plan: Plan;
  readonly outcome: Outcome;
}

const playsMax = 120;

export async function shrink(plan: Plan, promise: number, bugs: readonly Bug[]): Promise<Shrunk> {
  let best: Shrunk = { plan, outcome: await playOut(plan, bugs) };
  let plays = 0;
  const attempt = async (smaller: Plan): Promise<boolean> => {
    plays += 1;
    const outcome = await playOut(smaller, bugs);
    if (!outcome.breaches.some((breach) => breach.promise === promise)) return false;
    best = { plan: smaller, outcome };
    return true;
  };
  for (let size = Math.max(plan.acts.length, plan.faults.length, 1); size >= 1; size = Math.floor(size / 2)) {
    for (const list of ["faults", "acts"] as const) {
      for (let at = 0; at < best.plan[list].length && plays < playsMax; ) {
        const left = (best.plan[list] as readonly (Act | Fault)[]).filter(
          (_, index) => index < at || index >= at + size,
        );
        if (!(await attempt({ ...best.plan, [list]: left }))) at += size;
      }
    }
  }
  return best;
}

/** What is left, as one list in time, and what it breaks. */
export function history({ acts, faults, gateways, correlators }: Plan, { breaches }: Outcome): string {
  const all = [...acts, ...faults].sort((one, other) => one.atMs - other.atMs);
  const lines = all.map((one) => `  ${String(one.atMs).padStart(6)} ms  ${wordsOf(one)}`);
  const broken = breaches.slice(0, 8).map(({ promise, what }) => `  promise ${promise}: ${what}`);
  return [`  ${gateways} gateways, ${correlators} correlators`, ...lines, "", ...broken].join("\n");
}

function wordsOf(one: Act | Fault): string {
  if (one.kind !== "job") {
    const { kind, atMs: _, ...rest } = one;
    return `${kind} ${JSON.stringify(rest)}`;
  }
  const statements = one.statements.map(({ kind, effects, opaque, fails }) => {
    if (kind !== "none") return kind;
    const words = effects.map(({ operation, reads, writes, ends }) => {
      const way = [...reads, "->", ...writes].join(" ");
      return `${operation} ${way}${ends.length > 0 ? " (ends)" : ""}`;
    });
    return `${words.join(" and ")}${opaque ? " (opaque)" : ""}${fails ? " (fails)" : ""}`;
  });
  return `${one.identity} as ${one.account} by g${one.gateways.join(" and g")}: ${statements.join("; ")}`;
}
