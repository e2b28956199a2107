/**
 * What declared pipelines leave out (DETECTION §2.9): a chain is exempt where its last step, and every step that does more than
 * read, belong to one run without deviation. Any other chain of the same rule is still one. Made for one question.
 */
import type { ChainRule } from "../../infra/rules/rule-set.ts";
import type { Deviation } from "../../schemas/chain.ts";
import type { Exemptions, Outside } from "./outside.ts";
import { deed } from "./pipeline-fit.ts";
import { belongs, doesMore, type Pipelines, type Verdict } from "./pipelines.ts";
import type { Step } from "./step.ts";

/** More pipelines than this that all have one step in a run: those beyond exempt nothing. */
const runsMax = 2;
/** Pipelines of which a hold says why they do not exempt it. */
const toldMax = 5;

const nothing: readonly never[] = [];

export class Exempt implements Exemptions {
  readonly #pipelines: Pipelines | null;
  readonly #verdicts = new Map<string, Verdict>();

  constructor(pipelines: Pipelines | null) {
    this.#pipelines = pipelines;
  }

  outsideOf(rule: ChainRule, last: Step): readonly Outside[] {
    const names = this.#names(rule);
    if (names.length === 0) return nothing;
    return names
      .flatMap((name) => this.#judge(name, last).run ?? [])
      .slice(0, runsMax)
      .map((run) => (step) => doesMore(step) && !belongs(run, step));
  }

  why(rule: ChainRule, found: readonly Step[], last: Step): readonly Deviation[] {
    return this.#names(rule)
      .slice(0, toldMax)
      .map((pipeline) => {
        const { run, why } = this.#judge(pipeline, last);
        const other = run && found.find((step) => doesMore(step) && !belongs(run, step));
        const reason = other
          ? `${other.subject.account ?? "somebody"} did ${deed(other)}, which is no step of its run`
          : why;
        return { pipeline, why: reason };
      });
  }

  #names(rule: ChainRule): readonly string[] {
    return this.#pipelines?.of(rule) ?? nothing;
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
