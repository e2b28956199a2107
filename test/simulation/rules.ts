/** The rules of a play: as text for the product, as plain predicates for the brute-force definition. */
import { createHash } from "node:crypto";
import { createCatalog } from "../../infra/catalog.ts";
import { loadRules } from "../../infra/rules/load.ts";
import type { Effect } from "../../schemas/command.ts";
import { type ChainRules, chainRules } from "../../services/gateway/chain.ts";
import type { Dice } from "../correlator/dice.ts";
import { type Event, type OracleRule, type OracleStep, tagsAt } from "../correlator/oracle.ts";
import { type RandomRule, randomRule } from "../correlator/random-rule.ts";
import { catalogs } from "../correlator/scenery.ts";

export interface Ruling {
  readonly digest: string;
  readonly files: Record<string, string>;
  readonly chain: ChainRules;
  readonly catalog: (typeof catalogs)[number];
  readonly catalogVersion: string;
  readonly rule: RandomRule;
  /** What may take over in this play. */
  others: readonly Ruling[];
}

const is =
  (operation: Effect["operation"]): OracleStep["matches"] =>
  (effect, tags, event) =>
    (event.opaque || effect.operation === operation) && tags.includes("pii");
const destroys: OracleStep["matches"] = (effect, _tags, event) => event.opaque || effect.destroys;

const step = (name: string, selection: string) =>
  `title: ${name}\nname: ${name}\nlogsource: { product: throughline, category: command }\ndetection:\n  selection: ${selection}\n  condition: selection\n`;

interface Written {
  readonly steps: readonly { readonly selection: string; readonly matches: OracleStep["matches"] }[];
  readonly links: OracleRule["links"];
  readonly timespanS: number;
}

function written({ steps, links, timespanS }: Written): RandomRule {
  const lines = [
    "title: r\nname: r\ncorrelation:\n  type: temporal_ordered",
    `  rules: [${steps.map((_, index) => `s${index}`).join(", ")}]`,
    `  timespan: ${timespanS}s\nx-chain:\n  links:`,
    ...links.map(({ from, to, by }) => `    - { from: s${from}, to: s${to}, by: [${by.join(", ")}] }`),
    "  distinct: { field: account, min: 2 }\n  gate: { action: hold, approvers: [x] }\n",
  ];
  const oracle: OracleRule = {
    ordered: true,
    steps,
    timespanMs: timespanS * 1_000,
    groupBy: [],
    links,
    distinct: { field: "account", min: 2 },
    absent: null,
  };
  return {
    oracle,
    action: "hold",
    text: [...steps.map(({ selection }, index) => step(`s${index}`, selection)), lines.join("\n")].join("---\n"),
    lastPlaces: [steps.length - 1],
    matchesAt: (world, place, part: Event) =>
      part.parts.some((one) => steps[place]!.matches(one.effect, tagsAt(world, one, part), part)),
  };
}

/** Read, copied, destroyed: the story of the house. */
const destroyed = written({
  steps: [
    { selection: "{ operation: read, tags: pii }", matches: is("read") },
    { selection: "{ operation: transform, tags: pii }", matches: is("transform") },
    { selection: "{ destroys: true }", matches: destroys },
  ],
  links: [
    { from: 0, to: 1, by: ["lineage", "actor", "task"] },
    { from: 1, to: 2, by: ["flow", "lineage"] },
  ],
  timespanS: 60,
});

/** Copied, then read elsewhere: whether the last step must ask is known only by a tag that has travelled. */
const carriedOff = written({
  steps: [
    { selection: "{ operation: transform, tags: pii }", matches: is("transform") },
    { selection: "{ operation: read, tags: pii }", matches: is("read") },
  ],
  links: [{ from: 0, to: 1, by: ["flow"] }],
  timespanS: 60,
});

function rulingOf(rule: RandomRule, catalog: (typeof catalogs)[number]): Ruling {
  const files = { "rules/r.yml": rule.text, "catalog.yaml": JSON.stringify(catalog) };
  const digest = createHash("sha256").update(JSON.stringify(files)).digest("hex");
  const chain = chainRules(loadRules([{ name: "rules/r.yml", text: rule.text }]));
  return { digest, files, chain, catalog, catalogVersion: createCatalog(catalog).version, rule, others: [] };
}

/** @returns the rules that a play begins with; `others` may take over */
export function randomRuling(dice: Dice): Ruling {
  const catalog = catalogs[dice(catalogs.length)]!;
  const pick = () => [destroyed, destroyed, carriedOff, carriedOff, randomRule(dice)][dice(5)]!;
  const first = rulingOf(pick(), catalog);
  const next = rulingOf(pick(), catalog);
  [first.others, next.others] = [[next], [first]];
  return first;
}
