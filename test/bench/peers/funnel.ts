/**
 * ClickHouse's windowFunnel, asked again and again over what has been stored, once an hour of the log's time: per rule and
 * key the longest run of steps inside the window. It says that a key has come to the end, not by which event and not
 * how often; an event counts as noticed when the first question after it names one of its keys.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChainRule } from "../../../infra/rules/rule-set.ts";
import { openChdb } from "../../../infra/store/chdb.ts";
import { type Engine, openEngine } from "../../../infra/store/engine.ts";
import { type Line, type Matched, type Notice, type Peer, Reader } from "./events.ts";

const pollMs = 3_600_000;

export function funnel(rulesText: string, catalogText: string): Peer {
  return {
    name: "window_funnel",
    async run(lines) {
      const folder = mkdtempSync(join(tmpdir(), "throughline-funnel-"));
      const engine = openEngine({ connection: await openChdb(folder) });
      try {
        await engine.command(
          "CREATE TABLE steps (at UInt64, key String, hits Array(UInt16)) ENGINE = MergeTree ORDER BY (key, at)",
        );
        return await poll(engine, new Reader(rulesText, catalogText), lines);
      } finally {
        await engine.close();
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

async function poll(engine: Engine, reader: Reader, lines: readonly Line[]): Promise<Notice[]> {
  const noticed: Notice[] = [];
  let batch: Matched[] = [];
  let due = (lines[0]?.atMs ?? 0) + pollMs;
  const ask = async () => {
    const news = batch;
    batch = [];
    await store(engine, news);
    for (const rule of reader.sequences) {
      const last = rule.steps.at(-1)?.index ?? -1;
      const ended = news.filter(({ hits }) => hits.includes(last));
      if (ended.length === 0) continue;
      const found = await complete(engine, rule, due);
      for (const { step, keys } of ended)
        if (keys.some((key) => found.has(key))) noticed.push({ rule: rule.name, event: step.id, atMs: due });
    }
    due += pollMs;
  };
  for (const line of lines) {
    while (line.atMs >= due) await ask();
    const matched = reader.read(line);
    if (matched.hits.length > 0) batch.push(matched);
  }
  await ask();
  return noticed;
}

async function store(engine: Engine, matched: readonly Matched[]): Promise<void> {
  const rows = matched.flatMap(({ atMs, keys, hits }) =>
    keys.map((key) => `(${atMs}, '${key.replaceAll(/['\\]/g, "")}', [${hits.join(",")}])`),
  );
  if (rows.length > 0) await engine.command(`INSERT INTO steps VALUES ${rows.join(",")}`);
}

async function complete(engine: Engine, { steps, timespanMs }: ChainRule, nowMs: number): Promise<ReadonlySet<string>> {
  const conditions = steps.map(({ index }) => `has(hits, ${index})`).join(", ");
  const rows = await engine.ask<{ key: string }>(
    `SELECT key FROM steps WHERE at > ${nowMs - pollMs - timespanMs} GROUP BY key HAVING windowFunnel(${timespanMs})(at, ${conditions}) = ${steps.length}`,
  );
  return new Set(rows.map(({ key }) => key));
}
