/**
 * `throughline export`: the exact records of the log into a folder, records.ndjson and manifest.json, as the api
 * streams them. An export that broke off is left as `.partial` and fails: half an export must not look like one.
 */

import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Context, done } from "./context.ts";
import { failed } from "./failure.ts";
import { momentOf } from "./moment.ts";

export interface ExportOptions {
  readonly since: string;
  readonly until?: string;
  readonly out: string;
  readonly withText?: boolean;
}

export async function exportLog(context: Context, options: ExportOptions): Promise<void> {
  const api = await context.api();
  const now = context.parts.now();
  const lines = api.lines("/api/export", {
    since: momentOf(options.since, now),
    ...(options.until ? { until: momentOf(options.until, now) } : {}),
    ...(options.withText ? { withText: true } : {}),
  });
  await mkdir(options.out, { recursive: true, mode: 0o700 });
  const partial = join(options.out, "records.ndjson.partial");
  const { manifest, count } = await store(lines, partial);
  await writeFile(join(options.out, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
  await rename(partial, join(options.out, "records.ndjson"));
  const sentence = `${count.toLocaleString("en-US")} records in ${options.out}. Check them: throughline verify ${options.out} --key FILE`;
  done(context, { out: options.out, records: count, manifest }, sentence);
}

/** Every line but the last is a record; the last is the manifest. */
async function store(lines: AsyncIterable<string>, path: string): Promise<{ manifest: unknown; count: number }> {
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
  return { manifest: manifestOf(held), count };
}

function manifestOf(line: string | null): unknown {
  if (line?.startsWith('{"manifest":')) {
    const value: unknown = JSON.parse(line);
    if (value && typeof value === "object" && "manifest" in value) return value.manifest;
  }
  throw failed(
    "export.damaged",
    "The export broke off before its manifest.",
    "Run it again; the part that came is in records.ndjson.partial.",
  );
}
