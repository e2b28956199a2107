/** What a search needs to know of its rule alone, worked out once per rule. */
import type { Absence, ChainRule, LinkPair } from "../../infra/rules/rule-set.ts";
import type { LinkKind } from "../../schemas/chain.ts";
import { dependsOnNoPlace } from "./alike.ts";

export interface Plan {
  readonly ordered: boolean;
  /** By place: links to places above it. */
  readonly pairs: readonly (readonly LinkPair[])[];
  /** By place: which chosen steps the links of this and the lower places ask about, and how. */
  readonly asked: readonly ReadonlyMap<number, ReadonlySet<LinkKind>>[];
  /** By place: whether of alike steps the latest is as good as any. */
  readonly placeless: readonly boolean[];
  /** By place: absences whose ends are chosen before it is. */
  readonly spanned: readonly (readonly Absence[])[];
}

/** Plans of rules, as long as somebody has the rule. */
export class Plans {
  readonly #plans = new WeakMap<ChainRule, Plan>();

  of(rule: ChainRule): Plan {
    let plan = this.#plans.get(rule);
    if (plan === undefined) {
      plan = planOf(rule);
      this.#plans.set(rule, plan);
    }
    return plan;
  }
}

function planOf(rule: ChainRule): Plan {
  const pairs = rule.steps.map((_, place) => rule.links.filter(({ from, to }) => Math.min(from, to) === place));
  const firsts = rule.absences.map((absence) => firstChosen(absence, rule));
  return {
    ordered: rule.type !== "temporal",
    pairs,
    asked: askedOf(pairs),
    placeless: rule.steps.map((_, place) => dependsOnNoPlace(rule, place)),
    spanned: rule.steps.map((_, place) => rule.absences.filter((_, index) => firsts[index] === place + 1)),
  };
}

/** The last place to be chosen before it is known what stands in the way. */
function firstChosen({ scope, between }: Absence, { steps }: ChainRule): number {
  return scope === "window" ? steps.length - 1 : Math.min(...(between ?? [0]));
}

function askedOf(pairs: readonly (readonly LinkPair[])[]): readonly ReadonlyMap<number, ReadonlySet<LinkKind>>[] {
  const asked: ReadonlyMap<number, ReadonlySet<LinkKind>>[] = [];
  const sofar = new Map<number, Set<LinkKind>>();
  for (const own of pairs) {
    for (const { from, to, by } of own) {
      const index = Math.max(from, to);
      sofar.set(index, new Set([...(sofar.get(index) ?? []), ...by]));
    }
    asked.push(new Map(sofar));
  }
  return asked;
}
