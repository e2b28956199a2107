/** A Sigma correlation with its `x-chain` → ChainRule: names become indexes, everything that cannot be meant is refused. */

import type { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import type { ChainKey, CorrelationFile, DetectionFile } from "../../schemas/rule.ts";
import { adviceIn } from "./advice.ts";
import { type Alternative, fromBounds, fromExpression, rulesNamed } from "./alternatives.ts";
import { boundsOf, buildCount, isCounting, within } from "./count-rule.ts";
import { checkName, type Logs } from "./detection.ts";
import { formOf, type Written } from "./form.ts";
import { DetectionError } from "./predicate.ts";
import type { Absence, ChainRule, Detection, Gate, GroupKey, LinkPair } from "./rule-set.ts";
import type { Source } from "./source.ts";

type Path = readonly (string | number)[];
export type Complain = (message: string, unsupported?: boolean) => ThroughlineError;
/** @returns the rule of this name or id, as a step */
export type Resolve = (reference: string, complain: Complain) => Detection;

const defaultWaitMs = 15 * 60_000;
const secondMs = 1_000;
/** Months and years are mean ones of the Gregorian calendar, as in pySigma. */
const units: Readonly<Record<string, number>> = {
  s: secondMs,
  m: 60 * secondMs,
  h: 3_600 * secondMs,
  d: 86_400 * secondMs,
  w: 604_800 * secondMs,
  M: 2_629_746 * secondMs,
  y: 31_556_952 * secondMs,
};

/** `15m` → 900000; the schema has checked the form. */
export function durationMs(text: string): number {
  return Number(text.slice(0, -1)) * (units[text.slice(-1)] ?? 0);
}

interface Context {
  readonly document: Source;
  readonly references: readonly string[];
  readonly steps: readonly Detection[];
  readonly resolve: Resolve;
  readonly wrong: Source["wrong"];
  readonly aliases: Aliases;
  readonly logs: Logs;
}

interface Given {
  readonly document: Source;
  readonly name: string;
  readonly file: CorrelationFile;
  readonly resolve: Resolve;
  readonly version: string;
  readonly logs: Logs;
}

/** @throws ThroughlineError `rule.invalid` or `rule.unsupported` */
export function buildRule({ document, name, file, resolve, version, logs }: Given): Omit<ChainRule, "index"> {
  const { correlation } = file;
  const { type, condition } = correlation;
  const chain = file["x-chain"] ?? {};
  const references = referencesOf(document, correlation);
  const steps = references.map((reference, at) => resolve(reference, complainAt(document, rulesPath(file, at))));
  const { wrong } = document;
  const context: Context = { document, references, steps, resolve, wrong, aliases: aliasesOf(file), logs };
  checkAliases(context, file);
  if (isCounting(type)) refuseForCounts(document, chain);
  const groupBy = buildGroupBy(context, correlation["group-by"] ?? []);
  const complainCount = (path: Path, message: string) => document.wrong(["correlation", ...path], message);
  const fieldsOf = (field: string) => fieldsIn(context, field, ["correlation", "condition", "field"]);
  const written: Written = {
    name,
    title: file.title,
    level: file.level ?? "medium",
    version,
    file: document.file,
    type,
    steps,
    runs: runsOf(context, chain),
    ordered: type === "temporal_ordered",
    timespanMs: durationMs(correlation.timespan),
    groupBy,
    groupNull: chain["group-by-null"] ?? false,
    links: (chain.links ?? []).map((link, at) => buildLink(context, link, at)),
    distinct: distinctOf(context, chain),
    absences: buildAbsences(context, chain, correlation["group-by"] ?? []),
    unless: unlessOf(chain),
    mode: chain.mode ?? "enforce",
    gate: buildGate(context, chain.gate),
    count: isCounting(type) ? buildCount(type, condition, fieldsOf, complainCount) : null,
    tests: file.tests ?? [],
    check: adviceIn(file.description),
    index: -1,
  };
  return assemble(written, context, condition);
}

function distinctOf(context: Context, { distinct }: ChainKey): ChainRule["distinct"] {
  if (distinct === undefined) return null;
  const path = ["x-chain", "distinct", "field"];
  if (Object.hasOwn(context.aliases, distinct.field))
    throw context.wrong(path, "is read by its own name; an alias is for group-by and condition", "rule.unsupported");
  return { ...distinct, field: knownField(context, distinct.field, path) };
}

/** @returns the name. A field that no event has would make a rule that never fires, and nobody would see it. */
function knownField({ logs, wrong }: Context, field: string, path: Path): string {
  try {
    checkName(field, logs);
  } catch (error) {
    const unsupported = error instanceof DetectionError && error.unsupported;
    const message = error instanceof Error ? error.message : String(error);
    throw wrong(path, message, unsupported ? "rule.unsupported" : "rule.invalid");
  }
  return field;
}

function unlessOf({ unless }: ChainKey): readonly string[] {
  return unless === undefined ? [] : [...new Set([unless.pipeline].flat())];
}

/** The rule itself and, for a condition over rules, the chains that fulfil it. */
function assemble(written: Written, context: Context, condition: Condition): ChainRule {
  const rule = formOf(written, { happens: [...written.steps.keys()], never: [] });
  if (rule.steps.length > limits.chainEventsMax)
    throw context.wrong(
      ["x-chain", "runs"],
      `a chain of more than ${limits.chainEventsMax} events; count them instead`,
    );
  const ways = written.count === null ? waysOf(context, condition) : [];
  const [only] = ways;
  const isUsual = ways.length === 1 && only?.never.length === 0 && only.happens.length === written.steps.length;
  const variants = ways.length === 0 || isUsual ? [] : ways.map((way) => formOf(written, way));
  const ends = variants.flatMap((form) => [...form.lasts].map((at) => form.written[at]));
  const lasts = new Set([...rule.written.keys()].filter((at) => ends.includes(rule.written[at])));
  const whole = variants.length === 0 ? rule : { ...rule, variants, lasts };
  const gated = whole.gate?.steps;
  if (gated && ![...whole.lasts].some((at) => gated.has(at)))
    throw context.wrong(
      ["x-chain", "gate", "step"],
      `only what can be the last step completes the chain: ${lastNames(whole)}`,
    );
  return whole;
}

function lastNames({ lasts, steps }: ChainRule): string {
  return [...new Set([...lasts].map((at) => steps[at]?.name))].join(", ");
}

type Condition = CorrelationFile["correlation"]["condition"];

function waysOf({ references, wrong }: Context, condition: Condition): readonly Alternative[] {
  if (condition === undefined) return [];
  try {
    if (typeof condition === "string") return fromExpression(condition, references, limits.ruleWaysMax);
    if (condition.field !== undefined) throw new Error("a temporal condition counts rules and has no field");
    const bounds = boundsOf(condition);
    return fromBounds(references, bounds, within(bounds), limits.ruleWaysMax);
  } catch (error) {
    throw wrong(["correlation", "condition"], error instanceof Error ? error.message : String(error));
  }
}

function rulesPath({ correlation }: CorrelationFile, at: number): Path {
  return correlation.rules === undefined ? ["correlation", "condition"] : ["correlation", "rules", at];
}

function complainAt(document: Source, path: Path): Complain {
  return (message, unsupported) => document.wrong(path, message, unsupported ? "rule.unsupported" : "rule.invalid");
}

/** @returns the steps' names; an expression over rules may stand for the list */
export function referencesOf(
  document: Source,
  { rules, condition }: CorrelationFile["correlation"],
): readonly string[] {
  const references = rules ?? (typeof condition === "string" ? rulesNamed(condition) : []);
  if (references.length === 0) throw document.wrong(["correlation"], "rules: names the rules to correlate");
  if (references.length > limits.ruleStepsMax)
    throw document.wrong(["correlation", "rules"], `more than ${limits.ruleStepsMax} steps`);
  return references;
}

function runsOf(context: Context, { runs }: ChainKey): readonly number[] {
  const often = context.references.map(() => 1);
  for (const [at, { rule, min }] of (runs ?? []).entries()) {
    const place = stepAt(context, rule, ["x-chain", "runs", at, "rule"]);
    if (often[place] !== 1) throw context.wrong(["x-chain", "runs", at], `says twice how often "${rule}" happens`);
    if (min > limits.chainEventsMax)
      throw context.wrong(["x-chain", "runs", at, "min"], `at most ${limits.chainEventsMax}; use event_count for more`);
    often[place] = min;
  }
  return often;
}

/** A detection rule that no correlation uses: every match is a chain of one. */
export function single(
  document: Source,
  file: DetectionFile,
  detection: Detection,
  version: string,
): Omit<ChainRule, "index"> {
  const chain = file["x-chain"] ?? {};
  for (const key of Object.keys(chain)) {
    if (key !== "mode" && key !== "gate" && key !== "unless")
      throw document.wrong(["x-chain", key], "belongs to a correlation; a detection rule takes mode, gate and unless");
  }
  const context: Context = {
    document,
    references: [detection.name],
    steps: [detection],
    resolve: () => detection,
    wrong: document.wrong,
    aliases: {},
    logs: "any",
  };
  return {
    name: detection.name,
    title: detection.title,
    level: detection.level,
    version,
    file: document.file,
    type: "single",
    steps: [detection],
    written: [0],
    lasts: new Set([0]),
    variants: [],
    timespanMs: 0,
    groupBy: [],
    groupNull: false,
    links: [],
    distinct: null,
    absences: [],
    unless: unlessOf(chain),
    mode: chain.mode ?? "enforce",
    gate: buildGate(context, chain.gate),
    count: null,
    tests: file.tests ?? [],
    check: adviceIn(file.description),
  };
}

function refuseForCounts(document: Source, chain: ChainKey): void {
  for (const key of ["links", "distinct", "absent", "until", "runs"] as const) {
    if (chain[key] !== undefined)
      throw document.wrong(["x-chain", key], "a counting correlation has no steps to tie", "rule.unsupported");
  }
  if (chain.gate?.["may-approve"] !== undefined)
    throw document.wrong(["x-chain", "gate", "may-approve"], "everybody counted is part of it", "rule.unsupported");
}

/** @returns the place of the one step with this name or id */
function stepAt({ references, steps, wrong }: Context, name: string, path: Path): number {
  const at = references.indexOf(name) === -1 ? steps.findIndex((step) => step.name === name) : references.indexOf(name);
  if (at === -1) throw wrong(path, `"${name}" is no step; steps: ${references.join(", ")}`);
  if (references.indexOf(name, at + 1) !== -1)
    throw wrong(path, `"${name}" is two steps: give each its own rule to say which is meant`, "rule.unsupported");
  return at;
}

function buildLink(context: Context, link: NonNullable<ChainKey["links"]>[number], at: number): LinkPair {
  const path = ["x-chain", "links", at];
  const from = stepAt(context, link.from, [...path, "from"]);
  const to = stepAt(context, link.to, [...path, "to"]);
  if (from === to) throw context.wrong(path, "a step is not linked to itself");
  return { from, to, by: link.by };
}

type Aliases = Readonly<Record<string, Readonly<Record<string, string>>>>;

function aliasesOf({ correlation }: CorrelationFile): Aliases {
  return correlation.aliases ?? {};
}

function buildGroupBy(context: Context, names: readonly string[]): GroupKey[] {
  return names.map((name, at) => {
    const path = ["correlation", "group-by", at];
    if (name === "chain.lineage") return { kind: "lineage" };
    if (name === "chain.actor") return { kind: "actor" };
    if (name.startsWith("chain.")) throw context.wrong(path, "known: chain.lineage, chain.actor", "rule.unsupported");
    return { kind: "field", name, fields: fieldsIn(context, name, path) };
  });
}

/** One that nothing asks for, or that is about a rule which is not here, is a slip: it was meant to do something. */
function checkAliases({ references, steps, aliases, wrong }: Context, file: CorrelationFile): void {
  const { "group-by": groupBy = [], condition } = file.correlation;
  const counted = typeof condition === "object" ? [condition.field ?? []].flat() : [];
  const { absent = [], until } = file["x-chain"] ?? {};
  const others = [...[absent].flat().map(({ rule }) => rule), ...(until === undefined ? [] : [until])];
  const rules = new Set([...references, ...steps.map(({ name }) => name), ...others]);
  for (const [name, fields] of Object.entries(aliases)) {
    const path = ["correlation", "aliases", name];
    if (!groupBy.includes(name) && !counted.includes(name))
      throw wrong(path, "nothing asks for it: name it in group-by or condition.field, or leave it out");
    const foreign = Object.keys(fields).find((rule) => !rules.has(rule));
    if (foreign !== undefined)
      throw wrong([...path, foreign], `"${foreign}" is no step; steps: ${references.join(", ")}`);
  }
}

/** @returns how the events of each step call a field */
function fieldsIn(context: Context, name: string, path: Path): readonly string[] {
  const alias = Object.hasOwn(context.aliases, name) ? context.aliases[name] : undefined;
  return context.steps.map((step, at) => {
    const reference = context.references[at] ?? "";
    if (alias === undefined) return knownField(context, keyOfFiring(context, step, name, path) ?? name, path);
    const rule = [reference, step.name].find((called) => Object.hasOwn(alias, called));
    if (rule === undefined)
      throw context.wrong(["correlation", "aliases", name], `does not say which field of "${reference}" is meant`);
    return knownField(context, alias[rule] ?? name, ["correlation", "aliases", name, rule]);
  });
}

/** A firing has its event's fields and the group key: an alias of the inner correlation is a field of the firing. */
function keyOfFiring(context: Context, { firing, name: step }: Detection, name: string, path: Path): string | null {
  const key = firing?.groupBy.find((known) => known.kind === "field" && known.name === name);
  if (firing === null || key === undefined || key.kind !== "field") return null;
  const fields = new Set([...firing.lasts].map((at) => key.fields[at] ?? name));
  const [field = name] = fields;
  if (fields.size === 1) return field;
  const several = `is ${[...fields].join(" or ")} in the event that completes "${step}"`;
  throw context.wrong(path, `${several}: say which by an alias of this correlation`, "rule.unsupported");
}

function buildAbsences(context: Context, chain: ChainKey, names: readonly string[]): Absence[] {
  const written = chain.absent === undefined ? [] : Array.isArray(chain.absent) ? chain.absent : [chain.absent];
  const build = (reference: string, between: Absence["between"], path: Path): Absence => ({
    scope: "between",
    detection: context.resolve(reference, complainAt(context.document, path)),
    between,
    fields: names.map((name) => fieldOfAbsent(context, name, reference, path)),
  });
  const absences = written.map(({ rule, between: [a, b] }, at) => {
    const path = ["x-chain", "absent", ...(Array.isArray(chain.absent) ? [at] : [])];
    return build(rule, [stepAt(context, a, [...path, "between"]), stepAt(context, b, [...path, "between"])], path);
  });
  return chain.until === undefined ? absences : [...absences, build(chain.until, null, ["x-chain", "until"])];
}

/** How the events that must not happen call a field of the group: without an alias of their own, by its name. */
function fieldOfAbsent(context: Context, name: string, reference: string, path: Path): string {
  const alias = Object.hasOwn(context.aliases, name) ? context.aliases[name] : undefined;
  if (alias !== undefined && Object.hasOwn(alias, reference))
    return knownField(context, alias[reference] ?? name, ["correlation", "aliases", name, reference]);
  if (name.startsWith("chain.")) return name;
  if (alias === undefined) return knownField(context, name, path);
  if (context.logs === "commands")
    throw context.wrong(["correlation", "aliases", name], `does not say which field of "${reference}" is meant`);
  return name;
}

function buildGate(context: Context, gate: ChainKey["gate"]): Gate | null {
  if (gate === undefined) return null;
  const path = ["x-chain", "gate"];
  const places = (names: string | readonly string[], key: string) =>
    new Set([names].flat().map((name) => stepAt(context, name, [...path, key])));
  const steps = gate.step === undefined ? null : places(gate.step, "step");
  return {
    action: gate.action,
    approvers: gate.approvers ?? [],
    escalate: gate.escalate ?? [],
    waitMs: gate.wait === undefined ? defaultWaitMs : durationMs(gate.wait),
    unavailable: gate.unavailable ?? "hold",
    steps,
    mayApprove: gate["may-approve"] === undefined ? new Set() : places(gate["may-approve"], "may-approve"),
    block: gate.block === undefined ? null : { scope: gate.block.scope, forMs: durationMs(gate.block.for) },
  };
}
