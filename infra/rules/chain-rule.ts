/** A Sigma correlation with its `x-chain` → ChainRule: names become indexes, everything that cannot be meant is refused. */
import type { ThroughlineError } from "../../schemas/errors.ts";
import type { ChainKey, CorrelationFile, CountCondition, DetectionFile } from "../../schemas/rule.ts";
import type { Absence, ChainRule, Detection, Gate, GroupKey, LinkPair } from "./rule-set.ts";
import type { Source } from "./source.ts";

type Resolve = (reference: string, complain: (message: string, unsupported?: boolean) => ThroughlineError) => Detection;

const defaultWaitMs = 15 * 60_000;
/** Search depth; nobody writes more. */
const stepsMax = 10;
const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

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
}

/** @throws ThroughlineError `rule.invalid` or `rule.unsupported` */
export function buildRule(
  document: Source,
  name: string,
  file: CorrelationFile,
  resolve: Resolve,
  version: string,
): Omit<ChainRule, "index"> {
  const { correlation } = file;
  const chain = file["x-chain"] ?? {};
  const references = correlation.rules;
  const complain = (path: readonly (string | number)[]) => (message: string, unsupported?: boolean) =>
    document.wrong(path, message, unsupported ? "rule.unsupported" : "rule.invalid");
  const steps = references.map((reference, at) => resolve(reference, complain(["correlation", "rules", at])));
  if (steps.length > stepsMax) throw complain(["correlation", "rules"])(`more than ${stepsMax} steps`);
  const context: Context = { document, references, steps, resolve, wrong: document.wrong };
  const counts = correlation.type === "event_count" || correlation.type === "value_count";
  if (counts) refuseForCounts(document, chain);
  const groupBy = buildGroupBy(context, correlation["group-by"] ?? [], correlation.aliases ?? {});
  return {
    name,
    title: file.title,
    level: file.level ?? "medium",
    version,
    file: document.file,
    type: correlation.type,
    steps,
    timespanMs: durationMs(correlation.timespan),
    groupBy,
    groupNull: chain["group-by-null"] ?? false,
    links: (chain.links ?? []).map((link, at) => buildLink(context, link, at)),
    distinct: chain.distinct ?? null,
    absences: buildAbsences(context, chain, correlation["group-by"] ?? [], correlation.aliases ?? {}),
    mode: chain.mode ?? "enforce",
    gate: buildGate(context, chain.gate, correlation.type),
    count: buildCount(context, correlation.type, correlation.condition),
    tests: file.tests ?? [],
  };
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
    if (key !== "mode" && key !== "gate")
      throw document.wrong(["x-chain", key], "belongs to a correlation; a detection rule takes mode and gate");
  }
  const context: Context = {
    document,
    references: [detection.name],
    steps: [detection],
    resolve: () => detection,
    wrong: document.wrong,
  };
  return {
    name: detection.name,
    title: detection.title,
    level: detection.level,
    version,
    file: document.file,
    type: "single",
    steps: [detection],
    timespanMs: 0,
    groupBy: [],
    groupNull: false,
    links: [],
    distinct: null,
    absences: [],
    mode: chain.mode ?? "enforce",
    gate: buildGate(context, chain.gate, "single"),
    count: null,
    tests: file.tests ?? [],
  };
}

function refuseForCounts(document: Source, chain: ChainKey): void {
  for (const key of ["links", "distinct", "absent", "until"] as const) {
    if (chain[key] !== undefined)
      throw document.wrong(["x-chain", key], "a counting correlation has no steps to tie", "rule.unsupported");
  }
}

/** @returns the place of the one step with this name */
function stepAt({ references, wrong }: Context, name: string, path: readonly (string | number)[]): number {
  const at = references.indexOf(name);
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

function buildGroupBy(context: Context, names: readonly string[], aliases: Aliases): GroupKey[] {
  return names.map((name, at) => {
    if (name === "chain.lineage") return { kind: "lineage" };
    if (name === "chain.actor") return { kind: "actor" };
    if (name.startsWith("chain."))
      throw context.wrong(["correlation", "group-by", at], "known: chain.lineage, chain.actor", "rule.unsupported");
    const alias = Object.hasOwn(aliases, name) ? aliases[name] : undefined;
    if (alias === undefined) return { kind: "field", name, fields: context.references.map(() => name) };
    const fields = context.references.map((reference) => {
      const field = Object.hasOwn(alias, reference) ? alias[reference] : undefined;
      if (field === undefined)
        throw context.wrong(["correlation", "aliases", name], `does not say which field of "${reference}" is meant`);
      return field;
    });
    return { kind: "field", name, fields };
  });
}

function buildAbsences(context: Context, chain: ChainKey, names: readonly string[], aliases: Aliases): Absence[] {
  const written = chain.absent === undefined ? [] : Array.isArray(chain.absent) ? chain.absent : [chain.absent];
  const build = (reference: string, between: Absence["between"], path: readonly (string | number)[]): Absence => ({
    detection: context.resolve(reference, (message, unsupported) =>
      context.wrong(path, message, unsupported ? "rule.unsupported" : "rule.invalid"),
    ),
    between,
    fields: names.map((name) => (Object.hasOwn(aliases, name) ? aliases[name]?.[reference] : undefined) ?? name),
  });
  const absences = written.map(({ rule, between: [a, b] }, at) => {
    const path = ["x-chain", "absent", ...(Array.isArray(chain.absent) ? [at] : [])];
    return build(rule, [stepAt(context, a, [...path, "between"]), stepAt(context, b, [...path, "between"])], path);
  });
  return chain.until === undefined ? absences : [...absences, build(chain.until, null, ["x-chain", "until"])];
}

function buildGate(context: Context, gate: ChainKey["gate"], type: ChainRule["type"]): Gate | null {
  if (gate === undefined) return null;
  const path = ["x-chain", "gate"];
  const places = (names: string | readonly string[], key: string) =>
    new Set([names].flat().map((name) => stepAt(context, name, [...path, key])));
  const steps = gate.step === undefined ? null : places(gate.step, "step");
  if (steps && type === "temporal_ordered" && !steps.has(context.steps.length - 1))
    throw context.wrong([...path, "step"], `only the last step can complete the chain: ${context.references.at(-1)}`);
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

function buildCount(context: Context, type: ChainRule["type"], condition?: CountCondition): ChainRule["count"] {
  const path = ["correlation", "condition"];
  if (type !== "event_count" && type !== "value_count") {
    if (condition === undefined) return null;
    throw context.wrong(path, "extended conditions are not evaluated by this version", "rule.unsupported");
  }
  if (condition === undefined) throw context.wrong(["correlation"], `${type} needs a condition such as { gte: 10 }`);
  const { field, gt, gte, lt, lte, eq, neq } = condition;
  if (Array.isArray(field)) throw context.wrong([...path, "field"], "one field only", "rule.unsupported");
  if (type === "value_count" && field === undefined) throw context.wrong(path, "value_count needs a field");
  if (type === "event_count" && field !== undefined)
    throw context.wrong([...path, "field"], "event_count has no field");
  if ([gt, gte, lt, lte, eq, neq].every((bound) => bound === undefined)) throw context.wrong(path, "needs a number");
  const holds = (count: number) =>
    (gt === undefined || count > gt) &&
    (gte === undefined || count >= gte) &&
    (lt === undefined || count < lt) &&
    (lte === undefined || count <= lte) &&
    (eq === undefined || count === eq) &&
    (neq === undefined || count !== neq);
  return { field: field ?? null, holds };
}
