/**
 * P8, peers: the product and three other ways to find chains, over the same labelled events with the same rules: how many
 * of the chains each notices at their completing event, how late, with how many alarms on everyday work, how fast.
 * Ways that have no plain form (ties between identities told on their own) count as missed by everybody.
 */
import { readFileSync } from "node:fs";
import { runRules } from "../../services/correlator/offline.ts";
import { catalogText } from "../corpus/company.ts";
import { corpusEvents } from "../corpus/events.ts";
import { type Bench, type Figure, median } from "./figures.ts";
import { consuming } from "./peers/consuming.ts";
import type { Line, Notice, Peer } from "./peers/events.ts";
import { funnel } from "./peers/funnel.ts";
import { perIdentity } from "./peers/per-identity.ts";

const seed = 2_026;
const size = { days: 10, chains: 40, commands: 10_000 };
const rulesText = readFileSync(new URL("../corpus/rules.yml", import.meta.url), "utf8");

function product(): Peer {
  return {
    name: "throughline",
    async run(lines) {
      const rules = [{ name: "corpus.yml", text: rulesText }];
      const catalog = { name: "catalog.yaml", text: catalogText };
      const times = new Map(lines.map(({ id, atMs }) => [id, atMs]));
      const noticed: Notice[] = [];
      for await (const { rule, event } of runRules({ rules, catalog, events: lines.map(({ text }) => text) }))
        noticed.push({ rule, event, atMs: times.get(event) ?? 0 });
      return noticed;
    },
  };
}

async function linesOf(): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const { event, label } of corpusEvents(seed, size)) {
    const { id, time } = event as { readonly id: string; readonly time: string };
    lines.push({ text: JSON.stringify(event), id, atMs: Date.parse(time), label });
  }
  return lines;
}

async function contest(peer: Peer, lines: readonly Line[]): Promise<Figure[]> {
  const before = process.cpuUsage();
  const noticed = await peer.run(lines);
  const { user, system } = process.cpuUsage(before);
  const byId = new Map(lines.map((line) => [line.id, line]));
  const late = new Map<string, number>();
  const idle = new Set<string>();
  for (const { event, atMs } of noticed) {
    const line = byId.get(event);
    if (line === undefined) continue;
    if (line.label?.last && line.label.decoy === null)
      late.set(event, Math.min(late.get(event) ?? Number.POSITIVE_INFINITY, atMs - line.atMs));
    else if (line.label === null || line.label.decoy !== null) idle.add(event);
  }
  const chains = lines.filter(({ label }) => label?.last && label.decoy === null).length;
  const name = `P8.peer_${peer.name}`;
  return [
    {
      name: `${name}_recall`,
      value: round(late.size / chains),
      text: `of ${chains} labelled chains, noticed at the event that completes them`,
    },
    {
      name: `${name}_late_s`,
      value: round(median([...late.values()]) / 1_000),
      text: "seconds of the log's time until it was noticed, median",
    },
    {
      name: `${name}_false_per_100k`,
      value: round((idle.size / lines.length) * 100_000),
      text: "events of everyday work and decoys that raised an alarm, of 100,000 events",
    },
    {
      name: `${name}_events`,
      value: Math.round(lines.length / ((user + system) / 1e6)),
      text: "events/s of CPU, JSON lines included",
    },
  ];
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

export const peersBench: Bench = {
  names: ["P8"],
  async run() {
    const lines = await linesOf();
    const figures: Figure[] = [
      {
        name: "P8.peer_corpus",
        value: lines.length,
        text: `events of the labelled corpus, seed ${seed}, ${size.days} days`,
      },
    ];
    for (const peer of [
      product(),
      perIdentity(rulesText, catalogText),
      consuming(rulesText, catalogText),
      funnel(rulesText, catalogText),
    ])
      figures.push(...(await contest(peer, lines)));
    return figures;
  },
};
