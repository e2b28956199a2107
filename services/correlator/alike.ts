/** Classes of steps that agree in everything a rule may ask of them, apart from their place in the log. */
import type { ChainRule } from "../../infra/rules/rule-set.ts";
import type { LinkKind } from "../../schemas/chain.ts";
import { allSized } from "./sized.ts";
import { type Alike, fieldTexts, resources, type Step } from "./step.ts";

/** Fields of a step that never change: a rule that asks for others is searched step by step. */
const steady: ReadonlySet<string> = new Set([
  "account",
  "identity",
  "task",
  "session",
  "target",
  "clientaddress",
  "grantid",
  "address",
]);

/** Of a step that is kept and whose class nobody has asked for. */
export const unclassed: Alike = { key: "", steps: 0 };

/**
 * Whether a search may look at the latest of each class only: nothing that is asked of this step depends on its place.
 * Asked at every search: it makes no garbage.
 */
export function dependsOnNoPlace(rule: ChainRule, place: number): boolean {
  const { type, absences, steps, written, groupBy, distinct, links } = rule;
  if (type !== "temporal_ordered") return false;
  for (const { scope, between } of absences)
    if (scope === "between" && isEnd(place, between ?? [0, steps.length - 1])) return false;
  if (distinct !== null && !steady.has(distinct.field)) return false;
  for (const [at, { firing }] of steps.entries())
    if (firing !== null || written.indexOf(written[at] ?? -1) !== at) return false;
  for (const key of groupBy)
    if (key.kind === "field") for (const field of key.fields) if (!steady.has(field)) return false;
  for (const { from, to, by } of links)
    if (from === place || to === place) for (const kind of by) if (!classed.has(kind)) return false;
  return true;
}

/** What must not be between two steps is asked from one's place to the other's; of the rest it matters who they are. */
function isEnd(place: number, [one, other]: readonly [number, number]): boolean {
  return place === one || place === other;
}

/** What two steps of one class are tied alike by. */
const classed: ReadonlySet<LinkKind> = new Set([
  "lineage",
  "resource",
  "actor",
  "task",
  "account",
  "identity",
  "address",
]);

/** Fields that the steps of a rule are compared by. */
function fieldsOf({ groupBy, distinct, links }: ChainRule): readonly string[] {
  const grouped = groupBy.flatMap((key) => (key.kind === "field" ? key.fields : []));
  const linked = links.flatMap(({ by }) => by.filter((kind) => steady.has(kind)));
  return [...grouped, ...linked, ...(distinct === null ? [] : [distinct.field])];
}

export class Alikes {
  readonly #classes = new Map<string, Alike>();
  #fields: readonly string[] = [];
  #lineage = false;
  #touches = false;

  /** @param rules all that is searched for */
  reload(rules: readonly ChainRule[]): void {
    const kinds = new Set(rules.flatMap(({ links }) => links.flatMap(({ by }) => by)));
    this.#fields = [...new Set(["identity", ...rules.flatMap(fieldsOf)])].filter((field) => steady.has(field));
    this.#lineage = kinds.has("lineage") || rules.some(({ groupBy }) => groupBy.some(({ kind }) => kind === "lineage"));
    this.#touches = kinds.has("resource");
    this.#classes.clear();
  }

  /** The class of a step that is kept; found when it is first asked for. */
  classOf(step: Step): Alike {
    if (step.alike !== null && step.alike !== unclassed) return step.alike;
    const key = this.#keyOf(step);
    let found = this.#classes.get(key);
    if (found === undefined) {
      found = { key, steps: 0 };
      this.#classes.set(key, found);
    }
    found.steps += 1;
    step.alike = found;
    return found;
  }

  leave({ alike }: Step): void {
    if (alike === null || alike === unclassed) return;
    alike.steps -= 1;
    if (alike.steps === 0 && this.#classes.get(alike.key) === alike) this.#classes.delete(alike.key);
  }

  /** Whether it is still where it belongs, after something about it changed. */
  isRight(step: Step): boolean {
    return step.alike === unclassed || step.alike?.key === this.#keyOf(step);
  }

  #keyOf(step: Step): string {
    let key = step.opaque ? "opaque" : "";
    // A COMMIT is compared by its command.
    if (step.commit) key += step.at;
    for (const field of this.#fields) key += `\n${allSized(fieldTexts(step, field))}`;
    if (this.#lineage && step.lineage.length > 0) key += `\n<${allSized(step.lineage)}`;
    if (this.#touches) key += `\n>${allSized(resources(step, "touches"))}`;
    return key;
  }
}
