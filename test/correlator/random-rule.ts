/** Random chain rules, each as rule text for the engine and as plain predicates for the oracle. */
import type { Effect } from "../../schemas/command.ts";
import type { Dice } from "./dice.ts";
import { type Event, type OracleRule, type OracleStep, tagsAt, type World } from "./oracle.ts";

interface Template {
  /** One that it may match. */
  readonly operation: Effect["operation"];
  readonly detection: string;
  readonly matches: OracleStep["matches"];
}

const is =
  (...words: Effect["operation"][]) =>
  (effect: Effect, event: Event) =>
    event.opaque || words.includes(effect.operation);

const templates: readonly Template[] = [
  {
    operation: "read",
    detection: "selection: { operation: read }\n  condition: selection",
    matches: (effect, _, event) => is("read")(effect, event),
  },
  {
    operation: "read",
    detection: "selection: { operation: read, tags: pii }\n  condition: selection",
    matches: (effect, tags, event) => is("read")(effect, event) && tags.includes("pii"),
  },
  {
    operation: "transform",
    detection: "selection: { operation: transform }\n  condition: selection",
    matches: (effect, _, event) => is("transform")(effect, event),
  },
  {
    operation: "write",
    detection: "selection: { operation: [transform, write], tags: [pii, card] }\n  condition: selection",
    matches: (effect, tags, event) =>
      is("transform", "write")(effect, event) && (tags.includes("pii") || tags.includes("card")),
  },
  {
    operation: "delete",
    detection: "selection: { destroys: true }\n  condition: selection",
    matches: (effect, _, event) => event.opaque || effect.destroys,
  },
  {
    operation: "read",
    detection:
      "selection: { operation: [read, transform] }\n  tagged: { tags: pii }\n  condition: selection and not tagged",
    matches: (effect, tags, event) => is("read", "transform")(effect, event) && (event.opaque || !tags.includes("pii")),
  },
  {
    operation: "transform",
    detection: "selection: { account: acc1 }\n  condition: selection",
    matches: (_, __, event) => event.account === "acc1",
  },
];

export interface RandomRule {
  readonly text: string;
  readonly oracle: OracleRule;
  readonly action: "hold" | "block";
  readonly lastPlaces: readonly number[];
  matchesAt(world: World, place: number, part: Event, at: Event): boolean;
}

interface Drawn extends RandomRule {
  /** By step: one that it may match. */
  readonly operations: readonly Effect["operation"][];
}

/** @param unless pipelines whose runs are no chains of it */
export function randomRule(dice: Dice, unless: readonly string[] = []): Drawn {
  const count = 2 + dice(2);
  const chosen = Array.from({ length: count }, () => templates[dice(templates.length)]!);
  const ordered = dice(3) > 0;
  const timespanS = [2, 5, 60][dice(3)]!;
  const kinds = ["flow", "flow", "lineage", "lineage", "actor", "task", "account", "identity", "resource"];
  const links: { from: number; to: number; by: string[] }[] = [];
  for (let from = 0; from < count; from += 1)
    for (let to = from + 1; to < count; to += 1)
      if (dice(to === from + 1 ? 2 : 4) === 0)
        links.push({ from, to, by: Array.from({ length: 1 + dice(2) }, () => kinds[dice(kinds.length)]!) });
  const groups = [[], [], [], ["account"], ["chain.lineage"], ["chain.actor"], ["task", "chain.lineage"]] as const;
  const groupBy = groups[dice(groups.length)]!;
  const fields = ["account", "identity", "task"] as const;
  const distinct = dice(3) === 0 ? { field: fields[dice(3)]!, min: 2 } : null;
  const q = dice(3) === 0 ? templates[dice(templates.length)]! : null;
  const between = dice(2) === 0 || count === 1 ? null : ([0, count - 1 - dice(count - 1)] as const);
  const absent = q === null ? null : { step: q, between };
  const action = dice(3) === 0 ? "block" : "hold";
  const oracle: OracleRule = {
    ordered,
    steps: chosen,
    timespanMs: timespanS * 1_000,
    groupBy,
    links,
    distinct,
    absent,
  };
  return {
    oracle,
    action,
    text: textOf(oracle, chosen, q, timespanS, [
      ...(unless.length > 0 ? [`  unless: { pipeline: [${unless.join(", ")}] }`] : []),
      `  gate: { action: ${action}, approvers: [x] }`,
    ]),
    operations: chosen.map(({ operation }) => operation),
    lastPlaces: ordered ? [count - 1] : chosen.map((_, place) => place),
    matchesAt: (world, place, part) =>
      part.parts.some((one) => chosen[place]!.matches(one.effect, tagsAt(world, one, part), part)),
  };
}

function textOf(
  rule: OracleRule,
  chosen: readonly Template[],
  q: Template | null,
  timespanS: number,
  more: readonly string[],
): string {
  const detections = [...chosen, ...(q ? [q] : [])].map(
    ({ detection }, index) =>
      `title: step\nname: ${index < chosen.length ? `s${index}` : "q"}\nlogsource: { product: throughline, category: command }\ndetection:\n  ${detection}\n`,
  );
  const { links, distinct, absent, groupBy } = rule;
  const lines = [
    "title: random",
    "name: r",
    "correlation:",
    `  type: ${rule.ordered ? "temporal_ordered" : "temporal"}`,
    `  rules: [${chosen.map((_, index) => `s${index}`).join(", ")}]`,
    `  timespan: ${timespanS}s`,
    ...(groupBy.length > 0 ? [`  group-by: [${groupBy.join(", ")}]`] : []),
    "x-chain:",
    ...(links.length > 0 ? ["  links:"] : []),
    ...links.map(({ from, to, by }) => `    - { from: s${from}, to: s${to}, by: [${by.join(", ")}] }`),
    ...(distinct ? [`  distinct: { field: ${distinct.field}, min: ${distinct.min} }`] : []),
    ...(absent?.between ? [`  absent: { rule: q, between: [s${absent.between[0]}, s${absent.between[1]}] }`] : []),
    ...(absent && !absent.between ? ["  until: q"] : []),
    ...more,
  ];
  return [...detections, `${lines.join("\n")}\n`].join("---\n");
}
