/**
 * Rules over what is known only when a command has finished (rows, duration, outcome): their condition is asked again then,
 * for the command itself and for those after it in its groups, which may have finished before it (DETECTION §6). Nothing
 * can be held any more, so it is told, once for each rule and command; the next command is held by it.
 *
 * A COMMIT is not asked again: it is the same act as the commands that it makes lasting. What was withdrawn tells nothing.
 */
import { isLate } from "../../infra/rules/field.ts";
import { type ChainRule, canBeLast, formsOf, type RuleSet } from "../../infra/rules/rule-set.ts";
import { limits } from "../../schemas/limits.ts";
import { type Answer, type Completion, mayBe, observedOf, onePerRule } from "./answer.ts";
import { type Asking, budgetOf, groundOf, placesOf } from "./asking.ts";
import { holdingFrom } from "./count.ts";
import type { Ground } from "./ground.ts";
import type { Output } from "./outputs.ts";
import { saidOf } from "./said.ts";
import type { Step } from "./step.ts";

interface Told {
  readonly last: Step;
  readonly completion: Completion;
}

/** By rule (its version), by command: when the event was that it was told of. */
type ToldRules = ReadonlyMap<string, ReadonlyMap<string, number>>;

export class LateFirings {
  readonly #told = new Map<string, Map<string, number>>();
  #rules: RuleSet | null = null;
  /** By detection that can be the last step: forms of its rules that something late decides. */
  #endings: ReadonlyMap<number, readonly ChainRule[]> = new Map();

  #load(rules: RuleSet): void {
    const endings = new Map<number, ChainRule[]>();
    for (const form of rules.rules.flatMap(formsOf).filter(isDecidedLate))
      for (const index of new Set(form.steps.filter((_, at) => canBeLast(form, at)).map((step) => step.index)))
        endings.set(index, [...(endings.get(index) ?? []), form]);
    [this.#rules, this.#endings] = [rules, endings];
  }

  /** What was answered or told of a command is not told again when it finishes. */
  note({ command, atMs }: Step, { enforced, observed }: Answer): void {
    for (const { rule } of [...enforced, ...observed]) if (isDecidedLate(rule)) this.#tell(rule, command, atMs);
  }

  /** A command has finished. @param rules in force. @returns what is to be said, in the order of the log */
  finished(asking: Asking, rules: RuleSet, step: Step): readonly Output[] {
    if (rules !== this.#rules) this.#load(rules);
    if (this.#endings.size === 0 || step.commit || step.late === null) return [];
    const byRule = new Map<number, ChainRule[]>();
    for (const form of new Set(step.hits.flatMap((hit) => this.#endings.get(hit) ?? [])))
      byRule.set(form.index, [...(byRule.get(form.index) ?? []), form]);
    return [...byRule]
      .sort(([one], [other]) => one - other)
      .flatMap(([, forms]) => this.#ask(asking, forms, step))
      .sort((a, b) => a.last.at - b.last.at)
      .flatMap(({ last, completion }) => saidOf(last, { enforced: [], observed: [completion] }, "allow"));
  }

  #ask(asking: Asking, forms: readonly ChainRule[], step: Step): readonly Told[] {
    const ground = groundOf(asking, budgetOf(asking));
    const said: Told[] = [];
    const say = (last: Step, completion: Completion | undefined) => {
      if (completion === undefined) return;
      this.#tell(completion.rule, last.command, last.atMs);
      said.push({ last, completion });
    };
    const rule = forms[0];
    if (rule === undefined) return said;
    for (const last of lastsFrom(ground, rule, step)) {
      if (this.#isTold(rule, last)) continue;
      if (said.length >= limits.lateFiringsMax) ground.budget.spent = true;
      if (ground.budget.spent) break;
      say(last, onePerRule(forms.flatMap((form) => observedOf(ground, form, last) ?? []))[0]);
    }
    if (ground.budget.spent) say(step, mayBe(ground, rule, step, "the search for it was cut short", false));
    return said;
  }

  #isTold(rule: ChainRule, { command }: Step): boolean {
    return this.#told.get(keyOf(rule))?.has(command) ?? false;
  }

  #tell(rule: ChainRule, command: string, atMs: number): void {
    const commands = this.#told.get(keyOf(rule)) ?? new Map<string, number>();
    this.#told.set(keyOf(rule), commands.set(command, atMs));
    const [oldest] = commands.keys();
    if (commands.size > limits.lateToldKeptMax && oldest !== undefined) commands.delete(oldest);
  }

  /** Forgets what no window reaches any more. */
  drop(beforeMs: number): void {
    for (const [rule, commands] of this.#told) {
      for (const [command, atMs] of commands) if (atMs < beforeMs) commands.delete(command);
      if (commands.size === 0) this.#told.delete(rule);
    }
  }

  kept(): ToldRules {
    return this.#told;
  }

  /** Into an empty one. */
  restore(told: ToldRules): void {
    for (const [rule, commands] of told) this.#told.set(rule, new Map(commands));
  }
}

const keyOf = ({ name, version }: ChainRule): string => `${name} ${version}`;

/** The one that finished, and of a count those after it that its fields may change. */
function lastsFrom(ground: Ground, rule: ChainRule, step: Step): Iterable<Step> {
  return rule.count === null ? [step] : holdingFrom(ground, rule, step, placesOf(rule, step));
}

/** Whether a field that comes later can make it fire: conditions on such fields count as true before, others wait for it. */
export function isDecidedLate(rule: ChainRule): boolean {
  const { count, groupBy, distinct, steps } = rule;
  return (
    (count?.fields.some((names) => names.some(isLate)) ?? false) ||
    groupBy.some((key) => key.kind === "field" && key.fields.some(isLate)) ||
    (distinct !== null && isLate(distinct.field)) ||
    steps.some(({ firing }, at) => canBeLast(rule, at) && firing !== null && formsOf(firing).some(isDecidedLate))
  );
}
