/**
 * Third stage: would this command complete a forbidden chain? Only a command that can be the last step of a rule asks;
 * which ones those are, the rules alone say. It appends `command.intended`, and the correlator answers from everything
 * before that position. In the one-machine default the answer is there before the append returns.
 *
 * It knows no rule's inner state. Without an answer in time the rule's `unavailable` decides.
 */
import type { Appender } from "../../infra/log/log.ts";
import { humansOf, mergeNeeds } from "../../infra/policy/quorum.ts";
import { anySteps, asksContent, gateOf, gateSteps, type MustAsk } from "../../infra/rules/gate.ts";
import { actionOf, type Gate, type RuleSet } from "../../infra/rules/rule-set.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { allowed, type HoldTerms, type Need, type Verdict } from "../../schemas/verdict.ts";
import type { Answer, Feed } from "./feed.ts";
import { type Question, strictest, tooLarge } from "./question.ts";

/** What the gateway knows of the rules: which commands must ask, and on whose terms. */
export interface ChainRules {
  readonly version: string;
  readonly mustAsk: MustAsk;
  /** Whether a command could be any step of any rule. */
  readonly mayStep: MustAsk;
  readonly gateOf: (rule: string) => Gate | null;
  /** The strictest of all gated rules: which of them would have answered is not known without the correlator. */
  readonly unavailable: Gate["unavailable"];
  /** Whether values that are shown and come back are looked at. */
  readonly asksContent?: boolean;
}

export function chainRules(rules: RuleSet): ChainRules {
  const says = rules.rules.flatMap((rule) => (actionOf(rule) === "alert" ? [] : (rule.gate?.unavailable ?? [])));
  const unavailable = says.includes("block") ? "block" : says.includes("hold") ? "hold" : "allow";
  return {
    version: rules.version,
    mustAsk: gateSteps(rules),
    mayStep: anySteps(rules),
    gateOf: (rule) => gateOf(rules, rule),
    unavailable,
    asksContent: asksContent(rules),
  };
}

export interface ChainParts {
  readonly appender: Appender;
  readonly feed: Feed;
  readonly rules: () => ChainRules;
  readonly tagsOf: (resource: string) => readonly string[];
  /** Chains are recorded and not obeyed on these targets. */
  readonly observes: (target: string) => boolean;
  readonly gateWaitMs: number;
  readonly approvalMs: number;
  /** Who answers where a rule names nobody, or is not loaded here. */
  readonly approvers: readonly string[];
  readonly after: After;
}

/** Calls back once after so many milliseconds. @returns cancels it */
export type After = (ms: number, callback: () => void) => () => void;

/** @param asks whether the command itself can be a last step; what a COMMIT makes lasting is looked at here */
export function chain(
  parts: ChainParts,
  question: Question,
  sofar: Verdict,
  asks: boolean,
): Verdict | Promise<Verdict> {
  const { facts, subject, commits } = question;
  if (!asks && (commits.length === 0 || !parts.rules().mustAsk(facts, subject, parts.tagsOf, commits))) return sofar;
  const wait: { answer: Answer | null; arrived: (answer: Answer) => void } = { answer: null, arrived: () => {} };
  const intent = parts.appender.nextId("steps");
  const forget = parts.feed.onAnswer(intent, (given) => {
    wait.answer = given;
    wait.arrived(given);
  });
  if (!intends(parts, question, forget)) return strictest(sofar, tooLarge("chain"));
  question.intent = intent;
  if (wait.answer !== null) return ruled(parts, question, sofar, wait.answer);
  return new Promise((resolve) => {
    const cancel = parts.after(parts.gateWaitMs, () => {
      forget();
      resolve(strictest(sofar, unavailable(parts)));
    });
    wait.arrived = (given) => {
      cancel();
      resolve(ruled(parts, question, sofar, given));
    };
  });
}

/** @param forget stops waiting for the answer @returns false when it is more than an event can say: then nobody can be asked */
function intends({ appender }: ChainParts, { facts, subject, commits }: Question, forget: () => void): boolean {
  try {
    appender.append({ type: "command.intended", subject, data: { ...facts, commits: [...commits] } });
    return true;
  } catch (error) {
    forget();
    if (error instanceof ThroughlineError && error.code === "frame.too_large") return false;
    throw error;
  }
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

function unavailable(parts: ChainParts): Verdict {
  const sentence = "Whether this completes a forbidden chain could not be found out in time.";
  const verdict: Verdict = { ...allowed, stage: "chain", because: ["correlator.unavailable"], sentence };
  const ruling = parts.rules().unavailable;
  if (ruling === "block") return { ...verdict, ruling };
  if (ruling === "hold") return { ...verdict, ruling, hold: holdTerms(parts, [], []) };
  return { ...allowed, observed: verdict.because };
}

function holdTerms(parts: ChainParts, rules: readonly string[], excluded: readonly string[]): HoldTerms {
  const gates = rules.flatMap((rule) => parts.rules().gateOf(rule) ?? []);
  const asked: Need[] = gates.flatMap(({ approvers }) => (approvers.length > 0 ? { approvers, humans: 1 } : []));
  const needs = mergeNeeds(asked.length > 0 ? asked : [{ approvers: parts.approvers, humans: 1 }]);
  return {
    approvers: [...new Set(needs.flatMap((need) => need.approvers))],
    humans: humansOf(needs),
    needs,
    waitMs: Math.min(parts.approvalMs, ...gates.map((gate) => gate.waitMs)),
    escalate: [...new Set(gates.flatMap((gate) => gate.escalate))],
    excluded,
  };
}
