/**
 * What declared pipelines leave out (DETECTION §2.9): a chain is exempt where its last step, and every step that does more than
 * read, belong to one run without deviation. Any other chain of the same rule is still one. Made for one question.
 */
import type { ChainRule } from "../../infra/rules/rule-set.ts";
import { deed } from "./pipeline-fit.ts";
import { belongs, doesMore, type Pipelines, type Verdict } from "./pipelines.ts";
import type { Step } from "./step.ts";

/** Whether a step does more than read, and is no part of the run. */
export type Outside = (step: Step) => boolean;

/** More pipelines than this that all have one step in a run: those beyond exempt nothing. */
const runsMax = 2;

export class Exempt {
  readonly #pipelines: Pipelines | null;
  readonly #verdicts = new Map<string, Verdict>();

  constructor(pipelines: Pipelines | null) {
    this.#pipelines = pipelines;
  }

  /** @returns one test per run that the last step belongs to: a chain needs a step outside of each. Empty = nothing is exempt */
  outsideOf(rule: ChainRule, last: Step): readonly Outside[] {
    return this.#names(rule)
      .flatMap((name) => this.#judge(name, last).run ?? [])
      .slice(0, runsMax)
      .map((run) => (step) => doesMore(step) && !belongs(run, step));
  }

  /** Why a chain is not exempt, as sentences; empty where the rule leaves nothing out. */
  why(rule: ChainRule, found: readonly Step[], last: Step): string {
    return this.#names(rule)
      .map((name) => {
        const { run, why } = this.#judge(name, last);
        const other = run && found.find((step) => doesMore(step) && !belongs(run, step));
        const reason = other
          ? `${other.subject.account ?? "somebody"} did ${deed(other)}, which is no step of its run`
          : why;
        return ` Not exempt as ${name}: ${reason}.`;
      })
      .join("");
  }

  #names(rule: ChainRule): readonly string[] {
    return this.#pipelines?.of(rule) ?? [];
  }

  #judge(name: string, last: Step): Verdict {
    const key = `${last.at} ${name}`;
    const known = this.#verdicts.get(key);
    if (known !== undefined) return known;
    const verdict = this.#pipelines?.judge(name, last) ?? { run: null, why: "it is not declared" };
    this.#verdicts.set(key, verdict);
    return verdict;
  }
}

/** Every way to choose so many of the places, the same more than once too. */
export function* choicesOf(places: number, count: number): Generator<readonly number[]> {
  if (count === 0) yield [];
  else
    for (const rest of choicesOf(places, count - 1))
      for (let place = 0; place < places; place += 1) yield [...rest, place];
}
