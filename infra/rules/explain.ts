/** A rule in words, from what was loaded: what it looks for, in which time, what must tie it, and what happens then. */
import { linkWords } from "../../schemas/links.ts";
import { actionOf, type ChainRule, type Count, type Detection, type GroupKey } from "./rule-set.ts";

/** Longer ones are cut: they stand in the file. */
const detectionLettersMax = 300;

/** @returns lines of plain text */
export function explainRule(rule: ChainRule): string[] {
  const head = `${rule.name}: ${rule.title} (level ${rule.level}, ${rule.type})`;
  return [head, ...bodyLines(rule), ...gateLines(rule)];
}

/** What it looks for; of a correlation inside it the same, further right. */
function bodyLines(rule: ChainRule): string[] {
  const lines: string[] = [];
  if (rule.count === null) lines.push(...stepLines(rule));
  else lines.push(...countLines(rule, rule.count));
  for (const key of rule.groupBy)
    lines.push(`  all in one ${keyWords(key)}${rule.groupNull ? ", or without any" : ""}`);
  for (const { from, to, by } of rule.links)
    lines.push(
      `  step ${from + 1} and step ${to + 1}: ${by.map((kind) => `${linkWords[kind]} (${kind})`).join(", or ")}`,
    );
  if (rule.distinct) lines.push(`  at least ${rule.distinct.min} different values of ${rule.distinct.field}`);
  for (const { detection, between, scope } of rule.absences)
    lines.push(
      scope === "window"
        ? `  and nobody does ${detection.name} in that time`
        : `  and nobody outside does ${detection.name} between ${between === null ? "the first and the last" : between.map((place) => `step ${place + 1}`).join(" and ")}`,
      ...matchLines(detection),
    );
  for (const pipeline of rule.unless) lines.push(`  unless it is one run of the pipeline ${pipeline}`);
  for (const [at, form] of rule.variants.entries())
    lines.push(`  way ${at + 1} to fulfil its condition:`, ...stepLines(form).map((line) => `  ${line}`));
  return lines;
}

function countLines({ steps, timespanMs }: ChainRule, count: Count): string[] {
  const counted = [...new Map(steps.map((step) => [step.name, step])).values()];
  const names = counted.map(({ name }) => name).join(" or ");
  return [`  counts ${names} within ${spanOf(timespanMs)}: ${countWords(count)}`, ...counted.flatMap(matchLines)];
}

function stepLines({ steps, type, timespanMs }: ChainRule): string[] {
  const [only] = steps;
  if (only !== undefined && steps.length === 1) return [`  one event: ${only.title}`, ...matchLines(only)];
  const order = type === "temporal_ordered" ? "in this order" : "in any order";
  return [
    `  ${steps.length} events ${order}, within ${spanOf(timespanMs)}:`,
    ...steps.flatMap((step, place) => [
      `  ${place + 1}. ${step.name}: ${step.title}`,
      // Of a step that must happen several times once is enough.
      ...(steps[place - 1] === step ? [] : matchLines(step)),
    ]),
  ];
}

/** What an event must be, as it is written. */
function matchLines({ firing, said }: Detection): string[] {
  if (firing !== null) return bodyLines(firing).map((line) => `     ${line}`);
  const [, { condition, ...parts }] = JSON.parse(said) as [unknown, Readonly<Record<string, unknown>>];
  const named = Object.entries(parts).map(([name, part]) =>
    name === condition ? plain(part) : `${name} ${plain(part)}`,
  );
  const whole = [
    ...named,
    ...(typeof condition === "string" && condition in parts ? [] : [`condition ${plain(condition)}`]),
  ];
  const text = whole.join(", ");
  return [`       ${text.length <= detectionLettersMax ? text : `${text.slice(0, detectionLettersMax - 1)}…`}`];
}

/** `{operation: read, tags: [pii, card]}` */
function plain(value: unknown): string {
  return (JSON.stringify(value) ?? "").replaceAll(/"([^",:{}[\]\\]+)"/g, "$1").replaceAll(/([:,])(?=\S)/g, "$1 ");
}

function gateLines(rule: ChainRule): string[] {
  const { gate, steps } = rule;
  if (gate === null || actionOf(rule) === "alert") return ["  → it tells (alert); nothing waits"];
  const asked = gate.steps === null ? [...rule.lasts] : [...gate.steps];
  const who = gate.approvers.length === 0 ? "the approvers of the configuration" : gate.approvers.join(", ");
  const then = gate.escalate.length === 0 ? "" : `, then ${gate.escalate.join(", ")}`;
  return [
    `  → ${gate.action === "hold" ? "held" : "blocked"} before it runs: ${[...new Set(asked.map((place) => steps[place]?.name))].join(", ")}`,
    `    may be let through by ${who}${then}; waits ${spanOf(gate.waitMs)}; if nobody can be asked: ${gate.unavailable}`,
  ];
}

function countWords({ what, fields, percentile, bounds }: Count): string {
  const field = [...new Set(fields.flat())].join(" + ");
  const of: Record<Count["what"], string> = {
    events: "how many",
    values: `different values of ${field}`,
    sum: `the sum of ${field}`,
    avg: `the average of ${field}`,
    percentile: `percentile ${percentile} of ${field}`,
    share: `the share of ${field} in percent`,
  };
  const words = { gt: ">", gte: "≥", lt: "<", lte: "≤", eq: "=", neq: "≠" } as const;
  const limits = Object.entries(bounds).map(([key, bound]) => `${words[key as keyof typeof words]} ${bound}`);
  return `${of[what]} ${limits.join(" and ")}`;
}

function keyWords(key: GroupKey): string {
  if (key.kind !== "field") return key.kind === "actor" ? "actor" : "lineage (data of the same tagged origin)";
  const other = [...new Set(key.fields)].filter((field) => field !== key.name);
  return other.length === 0 ? key.name : `${key.name} (${other.join(", ")})`;
}

/** `2 h`, `30 d` */
function spanOf(ms: number): string {
  const units = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["min", 60_000],
  ] as const;
  for (const [unit, size] of units) if (ms >= size && ms % size === 0) return `${ms / size} ${unit}`;
  return `${ms / 1_000} s`;
}
