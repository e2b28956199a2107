/**
 * `throughline rules explain --event`: why a rule fires at an event of a file, or why it does not. The rule is played with one
 * demand left out at a time; whatever then fires names what was missing. The engine answers, so what is said is what counts.
 */
import { createCatalog, parseCatalog } from "../../infra/catalog.ts";
import { explainRule } from "../../infra/rules/explain.ts";
import { loadRules } from "../../infra/rules/load.ts";
import type { ChainRule, RuleSet } from "../../infra/rules/rule-set.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { declaredFor, Offline, type Run } from "./offline.ts";

/** Long before any window: without a limit in time. */
const anyTimeMs = 100 * 365 * 86_400_000;

export interface Try {
  readonly rule: ChainRule;
  /** What is said when this fires and the rule itself does not. */
  readonly lacks: string;
}

/** @returns the rules in words; @throws ThroughlineError `rule.invalid`, `rule.unsupported` */
export function explainRules(files: Run["rules"], name: string | null): string[] {
  const wanted = wantedOf(loadRules(files, { logs: "any" }), name);
  return wanted.flatMap((rule, at) => (at === 0 ? explainRule(rule) : ["", ...explainRule(rule)]));
}

/** @returns per rule what it makes of the event; @throws ThroughlineError `not.found` when the files have no such event or rule */
export async function explainEvent(run: Run, event: string, name: string | null): Promise<string[]> {
  const tags = run.catalog === null ? createCatalog([]) : parseCatalog(run.catalog.text, run.catalog.name);
  const all = loadRules(run.rules, { logs: "any" });
  const wanted = wantedOf(all, name);
  const tries = wanted.map((rule) => triesOf(rule));
  const played = numbered(all, [...wanted, ...tries.flat().map(({ rule }) => rule)]);
  const offline = new Offline(played, tags, declaredFor(all, run));
  let number = 0;
  for await (const text of run.events) {
    number += 1;
    if (text.trim() === "") continue;
    const firings = offline.take(text, number, run.warn ?? (() => {}));
    if ((JSON.parse(text) as { id?: unknown }).id !== event) continue;
    const fired = new Map(firings.map((firing) => [firing.rule, firing.chain]));
    return wanted.flatMap((rule, at) => said(rule, tries[at] ?? [], fired));
  }
  throw new ThroughlineError("not.found", `no event of the ${number} lines has the id ${event}`);
}

/** @param name null = all of them */
function wantedOf({ rules, forms, detections }: RuleSet, name: string | null): readonly ChainRule[] {
  const wanted = rules.filter((rule) => name === null || rule.name === name);
  if (wanted.length > 0) return wanted;
  const steps = new Set([...detections, ...forms].map((step) => step.name));
  const names = rules.map((rule) => rule.name);
  if (name === null) throw new ThroughlineError("not.found", "these files hold no rule");
  if (steps.has(name)) throw new ThroughlineError("not.found", `${name} is a step: ask about ${names.join(", ")}`);
  throw new ThroughlineError("not.found", `no rule is called ${name}; rules here: ${names.join(", ")}`);
}

/** @returns the same with these in place of its rules */
export function numbered(all: RuleSet, rules: readonly ChainRule[]): RuleSet {
  const placed = rules.map((rule, index) => ({ ...rule, index }));
  const timespanMsMax = Math.max(all.timespanMsMax, ...placed.map(({ timespanMs }) => timespanMs));
  return { ...all, rules: placed, forms: [...all.forms, ...placed], timespanMsMax };
}

function said(rule: ChainRule, tries: readonly Try[], fired: ReadonlyMap<string, readonly string[]>): string[] {
  const chain = fired.get(rule.name);
  return chain === undefined
    ? whyNot(rule, tries, new Set(fired.keys()))
    : [`${rule.name} fires: ${chain.join(" → ")}`];
}

/** @param fired names of what did, the rule not among them */
export function whyNot(rule: ChainRule, tries: readonly Try[], fired: ReadonlySet<string>): string[] {
  const lacks = tries.flatMap((one) => (one.lacks !== "" && fired.has(one.rule.name) ? [one.lacks] : []));
  if (lacks.length > 0) return [`${rule.name} does not fire. It would,`, ...lacks.map((what) => `  ${what}`)];
  return [`${rule.name} does not fire: ${missing(rule, fired)}`];
}

/** Where leaving out one demand is not enough. */
function missing(rule: ChainRule, fired: ReadonlySet<string>): string {
  const isLast = [...rule.lasts].some((place) => fired.has(nameOf(rule, `last ${place}`)));
  const names = [...new Set([...rule.lasts].map((place) => rule.steps[place]?.name))];
  if (!isLast) return `the event is no ${names.join(" or ")}, which completes it`;
  if (rule.count !== null || rule.variants.length > 0) return "its condition does not hold";
  if (fired.has(nameOf(rule, "bare"))) return "its steps are there, but more than one demand on them does not hold";
  return "a step before it was not seen";
}

const nameOf = (rule: ChainRule, what: string): string => `${rule.name}\u0000${what}`;

/** The rule with one demand less, each under a name of its own. */
export function triesOf(rule: ChainRule): Try[] {
  if (rule.variants.length > 0 || rule.count !== null) return lastsOf(rule);
  const made = (what: string, changes: Partial<ChainRule>, lacks: string): Try => ({
    rule: { ...rule, ...changes, name: nameOf(rule, what), gate: null, tests: [] },
    lacks,
  });
  const place = (at: number) => rule.steps[at]?.name ?? "";
  const none = { links: [], distinct: null, absences: [], groupBy: [], unless: [] };
  return [
    ...rule.links.map(({ from, to, by }, at) =>
      made(
        `link ${at}`,
        { links: rule.links.filter((_, other) => other !== at) },
        `if ${place(from)} and ${place(to)} were tied by ${by.join(" or ")}`,
      ),
    ),
    ...(rule.distinct === null
      ? []
      : [
          made(
            "distinct",
            { distinct: null },
            `with at least ${rule.distinct.min} different values of ${rule.distinct.field}`,
          ),
        ]),
    ...rule.absences.map(({ detection }, at) =>
      made(
        `absence ${at}`,
        { absences: rule.absences.filter((_, other) => other !== at) },
        `without ${detection.name} in between`,
      ),
    ),
    ...(rule.groupBy.length === 0 ? [] : [made("group", { groupBy: [] }, "if all steps agreed in what it groups by")]),
    ...(rule.unless.length === 0 ? [] : [made("unless", { unless: [] }, `outside a run of ${rule.unless.join(", ")}`)]),
    made("time", { timespanMs: anyTimeMs }, "inside its time"),
    made("order", { type: "temporal", lasts: new Set(rule.steps.keys()) }, "in its order"),
    made("bare", { ...none }, ""),
    ...lastsOf(rule),
  ];
}

/** The completing step alone. */
function lastsOf(rule: ChainRule): Try[] {
  return [...rule.lasts].flatMap((place) => alone(rule, place, `last ${place}`));
}

/** Every step alone, by its name: what of a scene it matches. */
export function stepsOf(rule: ChainRule): ReadonlyMap<string, ChainRule> {
  return new Map(
    rule.steps.flatMap(({ name }, place) => alone(rule, place, `step ${name}`).map((one) => [name, one.rule] as const)),
  );
}

function alone(rule: ChainRule, place: number, what: string): Try[] {
  const step = rule.steps[place];
  if (step === undefined) return [];
  const none = { links: [], distinct: null, absences: [], groupBy: [], unless: [], count: null, variants: [] };
  const one = { ...none, type: "single" as const, steps: [step], written: [0], lasts: new Set([0]), timespanMs: 0 };
  return [{ rule: { ...rule, ...one, name: nameOf(rule, what), gate: null, tests: [] }, lacks: "" }];
}
