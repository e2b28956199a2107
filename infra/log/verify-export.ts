/** Verifies an export: its manifest, then its records as verify.ts does, with keys that did not come with it. */
import { createHash } from "node:crypto";
import { ThroughlineError } from "../../schemas/errors.ts";
import { findings } from "../../schemas/shape.ts";
import { textTable } from "./bytes.ts";
import { type ExportLine, type ExportManifest, frameOf, lineSchema, manifestSchema } from "./export.ts";
import { readRecord } from "./record.ts";
import { type TrustedKeys, Verifier, type VerifyReport } from "./verify.ts";
import type { LogState } from "./walk.ts";

export interface VerifyExportOptions {
  /** The lines file, line by line; line ends are put back. */
  readonly lines: AsyncIterable<string> | Iterable<string>;
  /** The manifest as parsed JSON. */
  readonly manifest: unknown;
  readonly trusted: TrustedKeys;
}

/** @throws ThroughlineError `export.damaged` when manifest or a line has not the form of one */
export async function verifyExport({ lines, manifest: given, trusted }: VerifyExportOptions): Promise<VerifyReport> {
  const manifest = manifestOf(given);
  const verifier = new Verifier(trusted, stateOf(manifest));
  const digest = createHash("sha256");
  const texts = textTable(256);
  let count = 0;
  for await (const given of lines) {
    const text = given.endsWith("\n") ? given : `${given}\n`;
    digest.update(text);
    count++;
    const line = lineAt(text, count);
    const frame = frameOf(line);
    const record = readRecord(frame, 0, frame.length, texts);
    if (frame.readUInt32LE(4) !== line.crc) verifier.fail(record, "its bytes are not those that were written");
    verifier.accept(record);
  }
  if (count !== manifest.count) verifier.fail(null, `the manifest says ${manifest.count} lines, here are ${count}`);
  if (digest.digest("hex") !== manifest.sha256) verifier.fail(null, "the manifest's digest is of other lines");
  return verifier.finish();
}

function manifestOf(value: unknown): ExportManifest {
  const [wrong] = findings(manifestSchema, value);
  if (wrong) throw new ThroughlineError("export.damaged", `The manifest: ${wrong.path.join(".")}: ${wrong.message}`);
  return value as ExportManifest;
}

function lineAt(text: string, number: number): ExportLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ThroughlineError("export.damaged", `Line ${number} is not JSON`, cause);
  }
  const [wrong] = findings(lineSchema, value);
  if (wrong) throw new ThroughlineError("export.damaged", `Line ${number}: ${wrong.path.join(".")}: ${wrong.message}`);
  return value as ExportLine;
}

function stateOf({ tenant, writer, heads }: ExportManifest): LogState {
  const bytes = (hex: string) => Buffer.from(hex, "hex");
  const lanes = heads.lanes.map((lane) => ({ ...lane, head: bytes(lane.head) }));
  return { tenant, writer, position: heads.position, atMs: heads.atMs, head: bytes(heads.head), lanes };
}
