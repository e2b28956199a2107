/** Random rules for plain events, each as text for the engine and as predicates for the oracle. */
import type { Dice } from "./dice.ts";
import type { Matches, OracleRule, OracleStep } from "./plain-oracle.ts";

interface Template {
  readonly text: string;
  readonly matches: Matches;
}

/** What an opaque command does is not known: a condition on it may hold, and so may its opposite. */
const does =
  (test: (operation: string) => boolean): Matches =>
  (effect, event) =>
    effect !== null && (event.opaque === true || test(effect.operation));

const templates: readonly Template[] = [
  { text: "selection: { operation: read }", matches: does((operation) => operation === "read") },
  {
    text: "selection: { operation: [transform, write] }",
    matches: does((operation) => operation === "transform" || operation === "write"),
  },
  {
    text: "selection: { destroys: true }",
    matches: (effect, event) =>
      effect !== null &&
      (event.opaque === true || (effect.destroys ?? (effect.operation === "delete" || effect.ends.length > 0))),
  },
  { text: "selection: { tags: pii }", matches: (effect, _, tags) => effect !== null && tags.includes("pii") },
  {
    text: "selection: { operation: [read, transform, write], tags|contains: card }",
    matches: (effect, event, tags) =>
      does((operation) => /read|transform|write/.test(operation))(effect, event, tags) &&
      tags.some((tag) => tag.includes("card")),
  },
  { text: "selection: { region: eu }", matches: (_, event) => [event.fields.region].flat().includes("eu") },
  { text: "selection: { level|gte: 2 }", matches: (_, event) => Number(event.fields.level ?? -1) >= 2 },
  {
    text: "selection: { rows|gt: 0 }",
    matches: (_, event) => (event.rows ?? 0) > 0,
  },
  {
    text: "selection: { account|startswith: a }\n  other: { account: a2 }",
    matches: (_, event) => event.account !== undefined && event.account !== "a2",
  },
];

const linkKinds = ["flow", "lineage", "resource", "actor", "task", "account", "identity", "trace", "address"];
const groupings = [
  "account",
  "identity",
  "task",
  "region",
  "zone",
  "resource",
  "chain.lineage",
  "chain.actor",
  "level",
];
const fields = ["account", "region", "zone", "level", "rows", "resource", "identity"];

export interface RandomRules {
  readonly text: string;
  readonly rules: readonly OracleRule[];
}

/** One to three rules over shared steps; sometimes one is a step of another. */
export function randomRules(dice: Dice): RandomRules {
  const steps = Array.from({ length: 4 }, (_, index) => ({
    name: `s${index}`,
    of: templates[dice(templates.length)]!,
  }));
  const documents = steps.map(({ name, of }) => {
    const condition = of.text.includes("other:") ? "selection and not other" : "selection";
    return `title: ${name}\nname: ${name}\nlogsource: {}\ndetection:\n  ${of.text}\n  condition: ${condition}\n`;
  });
  const known: OracleStep[] = steps.map(({ name, of }) => ({ name, matches: of.matches }));
  const rules: OracleRule[] = [];
  const used = new Set<string>();
  const generated = new Set<string>();
  for (let number = 0; number <= dice(3); number += 1) {
    const made = dice(3) === 0 ? counting(dice, known, `r${number}`) : chaining(dice, known, `r${number}`);
    const generate = dice(4) === 0;
    for (const { name } of made.refers) used.add(name);
    if (generate) for (const { name } of made.rule.steps) generated.add(name);
    documents.push(generate ? made.text.replace("correlation:", "generate: true\ncorrelation:") : made.text);
    rules.push(made.rule);
    if (dice(2) === 0) known.push({ name: made.rule.name, matches: made.rule });
  }
  const singles = known.flatMap((step) => (typeof step.matches === "function" ? [single(step)] : []));
  const alone = ({ name, action }: OracleRule) => action !== "alert" || !used.has(name) || generated.has(name);
  return { text: documents.join("---\n"), rules: [...singles, ...rules].filter(alone) };
}

interface Made {
  readonly text: string;
  readonly rule: OracleRule;
  readonly refers: readonly OracleStep[];
}

const plain: Omit<OracleRule, "name" | "steps" | "groupBy"> = {
  kind: "ordered",
  action: "alert",
  runs: [1],
  timespanMs: 0,
  groupNull: false,
  links: [],
  distinct: null,
  absent: [],
  ways: [{ happens: [0], never: [] }],
  field: "",
  percentile: 50,
  holds: () => true,
};

function single(step: OracleStep): OracleRule {
  return { ...plain, name: step.name, steps: [step], groupBy: [] };
}

function some<T>(dice: Dice, all: readonly T[], most: number): T[] {
  const left = [...all];
  return Array.from({ length: most }, () => left.splice(dice(left.length), 1)).flat();
}

/** Sometimes under another name per rule. */
function grouping(dice: Dice, steps: readonly OracleStep[]): { lines: string[]; groupBy: string[][] } {
  const names = dice(5) < 3 ? some(dice, groupings, 1 + dice(2)) : [];
  const alias = names.length > 0 && dice(5) === 0 ? ["account", "region", "zone", "identity"] : null;
  const first = steps.map(() => (alias ? alias[dice(alias.length)]! : names[0]!));
  const groupBy = names.map((name, index) =>
    alias && index === 0 ? [...first, "who"] : [...steps.map(() => name), name],
  );
  if (names.length === 0) return { lines: [], groupBy: [] };
  const aliases = `  aliases: { who: { ${steps.map(({ name }, index) => `${name}: ${first[index]}`).join(", ")} } }`;
  const written = names.map((name, index) => (alias && index === 0 ? "who" : name));
  return { lines: [`  group-by: [${written.join(", ")}]`, ...(alias ? [aliases] : [])], groupBy };
}

const spans = ["1s", "3s", "10s", "1m"] as const;
/** Which of the rules that hold block, nothing being thrown for it. */
const heldFor = { "1s": "hold", "3s": "block", "10s": "block", "1m": "hold" } as const;
const spanMs = { "1s": 1_000, "3s": 3_000, "10s": 10_000, "1m": 60_000 } as const;

function chaining(dice: Dice, known: readonly OracleStep[], name: string): Made {
  const steps = some(dice, known, 1 + dice(3));
  const kind = dice(3) > 0 ? ("ordered" as const) : ("any order" as const);
  const span = spans[dice(spans.length)]!;
  const { lines, groupBy } = grouping(dice, steps);
  const place = () => dice(steps.length);
  const pairs = Array.from({ length: steps.length > 1 ? dice(3) : 0 }, () => [place(), place()] as const);
  const links = pairs
    .filter(([from, to]) => from !== to)
    .map(([from, to]) => ({ from, to, by: some(dice, linkKinds, 1 + dice(2)) }));
  const distinct = dice(3) === 0 ? { field: ["account", "identity", "zone"][dice(3)]!, min: 2 } : null;
  const offender = known[dice(known.length)]!;
  // A step that is also what must not be has the name that the alias gives it.
  const itself = steps.indexOf(offender);
  if (itself !== -1) for (const names of groupBy) names[names.length - 1] = names[itself]!;
  const between = steps.length > 1 && dice(2) === 0 ? ([place(), place()] as const) : null;
  const absent = dice(3) === 0 ? [{ step: offender, between }] : [];
  const runs = steps.map(() => (dice(8) === 0 ? 2 : 1));
  const { ways, condition } = waysOf(dice, steps);
  const action = dice(2) === 0 ? heldFor[span] : ("alert" as const);
  const groupNull = groupBy.length > 0 && dice(6) === 0;
  const own = (index: number) => steps[index]!.name;
  const x = [
    ...(links.length > 0
      ? [
          `links: [${links.map(({ from, to, by }) => `{ from: ${own(from)}, to: ${own(to)}, by: [${by.join(", ")}] }`).join(", ")}]`,
        ]
      : []),
    ...(distinct ? [`distinct: { field: ${distinct.field}, min: 2 }`] : []),
    ...absent.map(({ step }) =>
      between
        ? `absent: { rule: ${step.name}, between: [${own(between[0])}, ${own(between[1])}] }`
        : `until: ${step.name}`,
    ),
    ...(runs.includes(2)
      ? [`runs: [${runs.flatMap((often, at) => (often === 2 ? [`{ rule: ${own(at)}, min: 2 }`] : [])).join(", ")}]`]
      : []),
    ...(groupNull ? ["group-by-null: true"] : []),
    ...(action === "alert" ? [] : [`gate: { action: ${action} }`]),
  ];
  const type = kind === "ordered" ? "temporal_ordered" : "temporal";
  const head = [`type: ${type}`, `rules: [${steps.map((step) => step.name).join(", ")}]`, `timespan: ${span}`];
  const text = document(name, [...head.map((line) => `  ${line}`), ...lines, ...condition], x);
  const rule = { ...plain, name, kind, action, steps, runs, groupBy, groupNull, links, distinct, absent, ways };
  return { text, rule: { ...rule, timespanMs: spanMs[span] }, refers: [...steps, ...absent.map(({ step }) => step)] };
}

function document(name: string, lines: readonly string[], x: readonly string[]): string {
  const own = x.length > 0 ? `x-chain:\n${x.map((line) => `  ${line}\n`).join("")}` : "";
  return `title: ${name}\nname: ${name}\ncorrelation:\n${lines.join("\n")}\n${own}`;
}

/** All; an expression over the rules; or so many of them. */
function waysOf(dice: Dice, steps: readonly OracleStep[]): { ways: OracleRule["ways"]; condition: string[] } {
  const all = [...steps.keys()];
  const usual = { ways: [{ happens: all, never: [] }], condition: [] };
  if (steps.length < 2 || dice(3) > 0) return usual;
  if (dice(2) === 0) {
    const least = 1 + dice(steps.length);
    const exactly = dice(2) === 0;
    const sets = Array.from({ length: 2 ** all.length }, (_, bits) => all.filter((place) => (bits >> place) % 2 === 1));
    const ways = sets
      .filter((set) => set.length === least)
      .map((happens) => ({ happens, never: exactly ? all.filter((place) => !happens.includes(place)) : [] }));
    return { ways, condition: [`  condition: { ${exactly ? "eq" : "gte"}: ${least} }`] };
  }
  const names = steps.map(({ name }) => name);
  const [a, b] = [0, 1 + dice(steps.length - 1)];
  const rest = all.filter((place) => place !== a && place !== b);
  const more = rest.map((place) => ` and ${names[place]}`).join("");
  const [one, other] = dice(2) === 0 ? [a, b] : [b, a];
  if (dice(2) === 0) {
    const happens = all.filter((place) => place !== other);
    return {
      ways: [{ happens, never: [other] }],
      condition: [`  condition: ${names[one]} and not ${names[other]}${more}`],
    };
  }
  const ways = [a, b].map((place) => ({
    happens: all.filter((step) => step === place || rest.includes(step)),
    never: [],
  }));
  return { ways, condition: [`  condition: (${names[a]} or ${names[b]})${more}`] };
}

const counts = [
  ["event_count", "events"],
  ["value_count", "values"],
  ["value_sum", "sum"],
  ["value_avg", "avg"],
  ["value_percentile", "percentile"],
  ["value_percentile", "share"],
] as const;

function counting(dice: Dice, known: readonly OracleStep[], name: string): Made {
  const steps = some(dice, known, 1 + dice(2));
  const [type, kind] = counts[dice(counts.length)]!;
  const span = spans[dice(spans.length)]!;
  const { lines, groupBy } = grouping(dice, steps);
  const numeric = kind === "sum" || kind === "avg" || kind === "percentile";
  const field = numeric ? ["level", "rows", "zone"][dice(3)]! : fields[dice(fields.length)]!;
  const percentile = [0, 25, 50, 90, 100][dice(5)]!;
  const bound = kind === "share" ? 25 * (1 + dice(4)) : kind === "sum" ? dice(12) : 1 + dice(3);
  const bounds = { gte: bound, lt: bound + 1 + dice(3) };
  const how = ["gte", "range", "lte", "neq"][dice(4)]!;
  const written = {
    gte: `gte: ${bound}`,
    range: `gte: ${bounds.gte}, lt: ${bounds.lt}`,
    lte: `lte: ${bound}`,
    neq: `neq: ${bound}`,
  }[how];
  const tests: Record<string, (number: number) => boolean> = {
    gte: (number) => number >= bound,
    range: (number) => number >= bounds.gte && number < bounds.lt,
    lte: (number) => number <= bound,
    neq: (number) => number !== bound,
  };
  const parts = [
    ...(kind === "events" ? [] : [`field: ${field}`]),
    ...(kind === "percentile" ? [`percentile: ${percentile}`] : []),
    written,
  ];
  const action = dice(2) === 0 ? heldFor[span] : ("alert" as const);
  const groupNull = groupBy.length > 0 && dice(6) === 0;
  const body = [
    `  type: ${type}`,
    `  rules: [${steps.map((step) => step.name).join(", ")}]`,
    `  timespan: ${span}`,
    ...lines,
    `  condition: { ${parts.join(", ")} }`,
  ];
  const x = [
    ...(groupNull ? ["group-by-null: true"] : []),
    ...(action === "alert" ? [] : [`gate: { action: ${action} }`]),
  ];
  const about = { name, kind, action, steps, groupBy, groupNull, field, percentile, holds: tests[how]! };
  return { text: document(name, body, x), rule: { ...plain, ...about, timespanMs: spanMs[span] }, refers: steps };
}
