/**
 * `throughline export`: the exact records of the log into a folder, records.ndjson and manifest.json (with text keys.json
 * too), as the api streams them; with `--format openlineage` what commands moved, for a catalog of data, as
 * openlineage.ndjson. An export that broke off is left as `.partial` and fails: half an export must not look like one.
 */

import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Context, done } from "./context.ts";
import { failed, misused } from "./failure.ts";
import { momentOf } from "./moment.ts";

export interface ExportOptions {
  readonly since: string;
  readonly until?: string;
  readonly out: string;
  readonly withText?: boolean;
  readonly format: string;
  readonly session?: string;
  readonly command?: string;
}

interface Ending {
  readonly manifest: unknown;
  /** Keys that open recorded text; only with --with-text. */
  readonly keys: unknown;
}

export async function exportLog(context: Context, options: ExportOptions): Promise<void> {
  const { out, format, session, command } = options;
  const isLineage = format === "openlineage";
  if (!isLineage && format !== "records") throw misused(`"${format}" is no format.`, "Write records or openlineage.");
  if (isLineage ? options.withText : session || command)
    throw misused(
      "That does not go with this format.",
      "--with-text is of records, --session and --command of openlineage.",
    );
  const api = await context.api();
  const now = context.parts.now();
  const lines = api.lines(isLineage ? "/api/lineage" : "/api/export", {
    since: momentOf(options.since, now),
    ...(options.until ? { until: momentOf(options.until, now) } : {}),
    ...(options.withText ? { withText: true } : {}),
    ...{ session, command },
  });
  await mkdir(out, { recursive: true, mode: 0o700 });
  const name = isLineage ? "openlineage.ndjson" : "records.ndjson";
  const partial = join(out, `${name}.partial`);
  const { ending, count } = await store(lines, partial);
  await writeJson(join(out, "manifest.json"), ending.manifest);
  if (ending.keys !== undefined) await writeJson(join(out, "keys.json"), ending.keys);
  await rename(partial, join(out, name));
  const many = count.toLocaleString("en-US");
  const sentence = isLineage
    ? `${many} run events in ${join(out, name)}. Send each line to your catalog's /api/v1/lineage.`
    : `${many} records in ${out}. Check them: throughline verify ${out} --key FILE`;
  done(context, { out, records: count, manifest: ending.manifest }, sentence);
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
}

/** Every line but the last is a record; the last says what was sent. */
async function store(lines: AsyncIterable<string>, path: string): Promise<{ ending: Ending; count: number }> {
  const file = createWriteStream(path, { mode: 0o600 });
  let held: string | null = null;
  let count = 0;
  for await (const line of lines) {
    if (held !== null) {
      count += 1;
      if (!file.write(`${held}\n`)) await once(file, "drain");
    }
    held = line;
  }
  file.end();
  await once(file, "close");
  return { ending: endingOf(held), count };
}

function endingOf(line: string | null): Ending {
  if (line?.startsWith('{"manifest":')) {
    const value: unknown = JSON.parse(line);
    if (value && typeof value === "object" && "manifest" in value)
      return { manifest: value.manifest, keys: "keys" in value ? value.keys : undefined };
  }
  throw failed(
    "export.damaged",
    "The export broke off before its manifest.",
    "Run it again; the part that came is in the file that ends in .partial.",
  );
}
