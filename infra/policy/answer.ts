/**
 * From what Cedar decided to what the gate obeys: allow, hold or block, and why, in words.
 *
 * A refusal is a hold only if at least one forbid decided, every deciding forbid carries `@hold`, and the same request
 * with those approvals in its context would be allowed. Everything else, and any error, is a block.
 */
import type { Identity } from "../../schemas/identity.ts";
import type { Need } from "../../schemas/verdict.ts";
import type { Annotated } from "./annotations.ts";
import type { PolicyAction, PolicyAnswer } from "./policy.ts";
import { humansOf, mergeNeeds } from "./quorum.ts";

/** One evaluation: who decided; on an error, which policies erred. */
export interface Decided {
  readonly decision: "allow" | "deny" | "error";
  readonly policies: readonly string[];
  /** The error, for the operator; never a value of a customer. */
  readonly what: string;
}

export interface Asked {
  readonly identity: Identity;
  readonly action: PolicyAction;
  readonly resource: string;
  readonly approvals: readonly string[];
}

type Evaluate = (approvals: readonly string[]) => Decided;

/** @param observing the same question to all policies, those in observe mode too; null when there are none */
export function answerFrom(
  asked: Asked,
  terms: ReadonlyMap<string, Annotated>,
  enforced: Evaluate,
  observing: Evaluate | null,
): PolicyAnswer {
  const answer = settle(asked, terms, enforced);
  if (observing === null) return answer;
  const would = settle(asked, terms, observing);
  if (would.ruling === answer.ruling) return answer;
  return { ...answer, observed: would.because.filter((id) => terms.get(id)?.observed ?? false) };
}

function settle(asked: Asked, terms: ReadonlyMap<string, Annotated>, evaluate: Evaluate): PolicyAnswer {
  const { decision, policies } = evaluate(asked.approvals);
  if (decision === "allow") return answer("allow", policies, "", []);
  const what = `${asked.action} ${asked.resource}`;
  if (decision === "error") {
    const because = policies.length > 0 ? policies : ["policy.error"];
    return answer("block", because, `Policy could not be evaluated for ${what}, so it is refused.`, []);
  }
  if (policies.length === 0) return answer("block", [], `No policy permits ${asked.identity.name} to ${what}.`, []);
  const deciding = policies.flatMap((id) => terms.get(id) ?? []);
  const wall = deciding.find((policy) => policy.hold === null);
  const sentence = sentenceOf(wall ?? deciding[0], what);
  if (wall !== undefined || deciding.length !== policies.length) return answer("block", policies, sentence, []);
  const needs = mergeNeeds(deciding.flatMap((policy) => policy.hold ?? []));
  const approvals = [...asked.approvals, ...needs.flatMap((need) => need.approvers)];
  if (evaluate(approvals).decision === "allow") return answer("hold", policies, sentence, needs);
  return answer("block", policies, `${sentence} No approval would permit it.`, []);
}

function sentenceOf(policy: Annotated | undefined, what: string): string {
  return policy?.reason ?? `Policy ${policy?.id ?? "unknown"} forbids to ${what}.`;
}

function answer(
  ruling: PolicyAnswer["ruling"],
  because: readonly string[],
  sentence: string,
  needs: readonly Need[],
): PolicyAnswer {
  const approvers = [...new Set(needs.flatMap((need) => need.approvers))];
  return { ruling, because, sentence, approvers, humans: humansOf(needs), needs, observed: [] };
}
