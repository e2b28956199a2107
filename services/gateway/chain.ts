/**
 * Third stage: would this command complete a forbidden chain? Only a command that can be the last step of a rule asks;
 * which ones those are, the rules alone say. It appends `command.intended`, and the correlator answers from everything
 * before that position. In the one-machine default the answer is there before the append returns.
 *
 * It knows no rule's inner state. Without an answer in time the rule's `unavailable` decides.
 */
import type { Appender } from "../../infra/log/log.ts";
import { humansOf, mergeNeeds } from "../../infra/policy/quorum.ts";
import type { Subject } from "../../schemas/event.ts";
import type { CommandFacts } from "../../schemas/event-data.ts";
import { allowed, type HoldTerms, type Need, type Verdict } from "../../schemas/verdict.ts";
import type { Answer, Feed } from "./feed.ts";
import { type Question, strictest } from "./question.ts";

/** `gate:` of a rule, as the gateway needs it. */
export interface GateTerms {
  readonly approvers: readonly string[];
  readonly humans: number;
  readonly escalate: readonly string[];
  readonly waitMs: number;
  readonly unavailable: "allow" | "hold" | "block";
}

/** What the gateway knows of the rules. */
export interface ChainRules {
  /** Names of rules whose last gate step this can be; empty = it need not ask. */
  gatesFor(facts: CommandFacts, subject: Subject, tagsOf: (resource: string) => readonly string[]): readonly string[];
  /** Null for a rule that is not loaded here. */
  terms(rule: string): GateTerms | null;
}

export interface ChainParts {
  readonly appender: Appender;
  readonly feed: Feed;
  readonly rules: ChainRules;
  readonly tagsOf: (resource: string) => readonly string[];
  /** Chains are recorded and not obeyed on these targets. */
  readonly observes: (target: string) => boolean;
  readonly gateWaitMs: number;
  readonly approvalMs: number;
  /** Who answers a chain whose rule is not loaded here. */
  readonly approvers: readonly string[];
  readonly after: After;
}

/** Calls back once after so many milliseconds. @returns cancels it */
export type After = (ms: number, callback: () => void) => () => void;

/** @param gates what gatesFor said of the command itself; effects of a COMMIT are looked at here */
export function chain(
  parts: ChainParts,
  question: Question,
  sofar: Verdict,
  gates: readonly string[],
): Verdict | Promise<Verdict> {
  const asking = question.commits.length === 0 ? gates : [...new Set([...gates, ...committing(parts, question)])];
  if (asking.length === 0) return sofar;
  const wait: { answer: Answer | null; arrived: (answer: Answer) => void } = { answer: null, arrived: () => {} };
  const intent = parts.appender.nextId("steps");
  const forget = parts.feed.onAnswer(intent, (given) => {
    wait.answer = given;
    wait.arrived(given);
  });
  const { facts, subject, commits } = question;
  parts.appender.append({ type: "command.intended", subject, data: { ...facts, commits: [...commits] } });
  question.intent = intent;
  if (wait.answer !== null) return ruled(parts, question, sofar, wait.answer);
  return new Promise((resolve) => {
    const cancel = parts.after(parts.gateWaitMs, () => {
      forget();
      resolve(strictest(sofar, unavailable(parts, asking)));
    });
    wait.arrived = (given) => {
      cancel();
      resolve(ruled(parts, question, sofar, given));
    };
  });
}

/** What a COMMIT makes lasting may be a last step although the text COMMIT is none. */
function committing(parts: ChainParts, question: Question): readonly string[] {
  return question.commits.flatMap(({ effect }) =>
    parts.rules.gatesFor({ ...question.facts, effects: [effect] }, question.subject, parts.tagsOf),
  );
}

function ruled(parts: ChainParts, question: Question, sofar: Verdict, answer: Answer): Verdict {
  const names = (chains: Answer["enforced"]) => chains.map((found) => found.rule);
  const only = parts.observes(question.session.grant.target);
  const observed = [...new Set([...names(answer.observed), ...(only ? names(answer.enforced) : [])])];
  const seen = observed.length > 0 ? { observed } : {};
  if (only || answer.ruling === "allow" || answer.ruling === "mask")
    return observed.length > 0 ? strictest({ ...allowed, ...seen }, sofar) : sofar;
  const because = [...new Set(names(answer.enforced))];
  const verdict: Verdict = {
    ruling: answer.ruling,
    stage: "chain",
    because: because.length > 0 ? because : ["correlator"],
    sentence: answer.sentence,
    masks: [],
    chains: answer.enforced,
    ...seen,
  };
  if (answer.ruling === "block") return strictest(sofar, verdict);
  return strictest(sofar, { ...verdict, hold: holdTerms(parts, because, answer.excluded) });
}

function unavailable(parts: ChainParts, rules: readonly string[]): Verdict {
  const says = rules.map((rule) => parts.rules.terms(rule)?.unavailable ?? "hold");
  const sentence = "Whether this completes a forbidden chain could not be found out in time.";
  const verdict: Verdict = { ...allowed, stage: "chain", because: rules, sentence };
  if (says.includes("block")) return { ...verdict, ruling: "block" };
  if (says.includes("hold")) return { ...verdict, ruling: "hold", hold: holdTerms(parts, rules, []) };
  return { ...allowed, observed: rules };
}

function holdTerms(parts: ChainParts, rules: readonly string[], excluded: readonly string[]): HoldTerms {
  const terms = rules.flatMap((rule) => parts.rules.terms(rule) ?? []);
  const asked: Need[] = terms.map(({ approvers, humans }) => ({ approvers, humans }));
  const needs = mergeNeeds(asked.length > 0 ? asked : [{ approvers: parts.approvers, humans: 1 }]);
  return {
    approvers: [...new Set(needs.flatMap((need) => need.approvers))],
    humans: humansOf(needs),
    needs,
    waitMs: Math.min(parts.approvalMs, ...terms.map((term) => term.waitMs)),
    escalate: [...new Set(terms.flatMap((term) => term.escalate))],
    excluded,
  };
}
