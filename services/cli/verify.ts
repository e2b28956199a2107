/**
 * `throughline verify FOLDER --key FILE`: checks an export, or a data folder as it lies there, with keys that came from
 * elsewhere (a `sources.json` that the auditor was given). An export that brings its own keys proves nothing, so without
 * --key there is no answer at all. Exit 1 when anything is missing or changed.
 */
import { createReadStream, existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseSources, type Source } from "../../infra/log/sources.ts";
import type { VerifyReport } from "../../infra/log/verify.ts";
import { verifyExport } from "../../infra/log/verify-export.ts";
import { verifyFolder } from "../../infra/log/verify-folder.ts";
import { type Context, tell } from "./context.ts";
import { failed } from "./failure.ts";
import { facts, paint } from "./paint.ts";
import type { Terminal } from "./parts.ts";

export interface VerifyOptions {
  readonly key: readonly string[];
}

export async function verify(context: Context, folder: string, options: VerifyOptions): Promise<void> {
  const trusted = new Map<string, Source>();
  for (const path of options.key)
    for (const [name, source] of parseSources(await textOf(path)).known) trusted.set(name, source);
  const manifest = join(folder, "manifest.json");
  const report = existsSync(manifest)
    ? await verifyExport({ lines: linesOf(folder), manifest: parsed(await textOf(manifest), manifest), trusted })
    : verifyFolder(folder, trusted);
  tell(context, report, () => reportLines(context.parts.terminal, report));
  const { problem } = report;
  if (!report.ok) throw failed("export.damaged", problem === null ? "Nothing was proven." : problemWords(problem));
}

/** A generator, so that nothing is read before somebody takes the first line: readline drops what nobody waits for. */
async function* linesOf(folder: string): AsyncGenerator<string, void> {
  const path = join(folder, "records.ndjson");
  if (!existsSync(path)) throw failed("export.damaged", `${path} is missing.`);
  yield* createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
}

const problemWords = (problem: NonNullable<VerifyReport["problem"]>): string =>
  `position ${problem.position}, ${problem.source} ${problem.stream} ${problem.sequence}: ${problem.what}`;

function reportLines(terminal: Terminal, report: VerifyReport): string[] {
  const verdict = report.ok ? paint(terminal, "green", "intact") : paint(terminal, "red", "damaged");
  const range = report.first === null ? "" : `, positions ${report.first} to ${report.last}`;
  const tails = report.unsigned.map(
    (tail) => `${tail.count} of ${tail.source} (${tail.stream}) from ${tail.from} on: signed by nobody yet`,
  );
  return [
    `${verdict}  ${report.records.toLocaleString("en-US")} records of ${report.tenant}${range}`,
    ...facts(terminal, [
      ...report.trusted.map(
        (key) =>
          ["trusted", `${key.source} ${key.fingerprint}, ${key.signatures} signatures`] satisfies [string, string],
      ),
      ["first wrong", report.problem === null ? "" : problemWords(report.problem)],
      ...tails.map((tail) => ["not proven", tail] satisfies [string, string]),
      ...report.cannotKnow.map((what) => ["cannot know", what] satisfies [string, string]),
    ]),
  ];
}

async function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => {
    throw failed("config.unreadable", `Cannot read ${path}.`);
  });
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw failed("export.damaged", `${path} is not JSON.`);
  }
}
