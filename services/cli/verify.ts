/**
 * `throughline verify FOLDER --key FILE`: checks an export with keys that came from elsewhere. An export that brings its
 * own keys proves nothing, so without --key there is no answer at all. Exit 1 when anything is missing or changed.
 */
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Context, tell } from "./context.ts";
import { failed } from "./failure.ts";
import { facts, paint } from "./paint.ts";
import type { Terminal, VerifyReport } from "./parts.ts";

export interface VerifyOptions {
  readonly key: readonly string[];
}

export async function verify(context: Context, folder: string, options: VerifyOptions): Promise<void> {
  const keys = await Promise.all(options.key.map((path) => textOf(path)));
  const manifest: unknown = parsed(await textOf(join(folder, "manifest.json")), folder);
  const input = createReadStream(join(folder, "records.ndjson"));
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  const report = await context.parts.offline.verify({ lines, manifest, keys });
  tell(context, report, () => reportLines(context.parts.terminal, report));
  if (!report.ok) throw failed("export.damaged", report.finding ?? "The export fails verification.");
}

function reportLines(terminal: Terminal, report: VerifyReport): string[] {
  const verdict = report.ok ? paint(terminal, "green", "intact") : paint(terminal, "red", "damaged");
  return [
    `${verdict}  ${report.records.toLocaleString("en-US")} records`,
    ...facts(terminal, [
      ...report.trusted.map((key) => ["trusted key", key] satisfies [string, string]),
      ["first wrong", report.finding ?? ""],
      ...report.unsigned.map((tail) => ["not signed", tail] satisfies [string, string]),
      ...report.cannotKnow.map((what) => ["cannot know", what] satisfies [string, string]),
    ]),
  ];
}

async function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => {
    throw failed("config.unreadable", `Cannot read ${path}.`);
  });
}

function parsed(text: string, folder: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw failed("export.damaged", `${join(folder, "manifest.json")} is not JSON.`);
  }
}
