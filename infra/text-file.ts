/**
 * Text files that people write: rules, catalog, pipelines, policy, configuration. UTF-8, or refused with the line: a byte that
 * is read as a question mark makes a name that matches nothing, and nobody would see it.
 */
import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { type ErrorCode, ThroughlineError } from "../schemas/errors.ts";

/** @param wrong the code for what is no UTF-8. @throws ThroughlineError `config.unreadable`, and of that code */
export async function readTextFile(file: string, wrong: ErrorCode): Promise<string> {
  return textFrom(await readFile(file).catch(unreadable(file)), file, wrong);
}

/** @returns null where there is no such file */
export async function readTextFileIfAny(file: string, wrong: ErrorCode): Promise<string | null> {
  const missing = (error: NodeJS.ErrnoException) => (error.code === "ENOENT" ? null : unreadable(file)(error));
  const bytes = await readFile(file).catch(missing);
  return bytes === null ? null : textFrom(bytes, file, wrong);
}

export function unreadable(path: string): (cause: unknown) => never {
  return (cause) => {
    throw new ThroughlineError("config.unreadable", `${path} cannot be read`, cause);
  };
}

/** Windows writes these before UTF-16, the first also before UTF-32. */
export function isUtf16([first, second]: Uint8Array): boolean {
  return (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
}

const lineFeed = 10;

function textFrom(bytes: Buffer, file: string, wrong: ErrorCode): string {
  const refuse = (line: number, what: string) => new ThroughlineError(wrong, `${file}:${line}: ${what}`);
  if (isUtf16(bytes)) throw refuse(1, "is UTF-16: save it as UTF-8");
  if (!isUtf8(bytes)) throw refuse(firstLineNotUtf8(bytes), "is not UTF-8: save the file as UTF-8");
  // UTF-16 without its mark is UTF-8 by chance.
  const zero = bytes.indexOf(0);
  if (zero !== -1) throw refuse(lineAt(bytes, zero), "holds a zero byte, which no text does: save it as UTF-8");
  return bytes.toString("utf8");
}

/** No letter of UTF-8 holds the byte of a line feed. */
function firstLineNotUtf8(bytes: Buffer): number {
  let line = 1;
  for (let start = 0; ; line += 1) {
    const end = bytes.indexOf(lineFeed, start);
    if (end === -1 || !isUtf8(bytes.subarray(start, end))) return line;
    start = end + 1;
  }
}

function lineAt(bytes: Buffer, offset: number): number {
  return bytes.subarray(0, offset).filter((byte) => byte === lineFeed).length + 1;
}
