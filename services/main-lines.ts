/**
 * The lines of a file of events, as other tools leave it: `-` is standard input, `.gz` is unpacked, CRLF and a byte order
 * mark are no part of a line. Only a line feed ends a line: JSON may hold U+2028 as it stands. What is not UTF-8 is
 * refused: two different names would both be read as the same question marks.
 */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { isUtf16 } from "../infra/text-file.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import { limits } from "../schemas/limits.ts";

/** @throws ThroughlineError `config.unreadable`, `request.invalid` */
export async function* linesOf(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let number = 1;
  let rest = "";
  for await (const bytes of bytesOf(file)) {
    if (number === 1 && rest === "" && isUtf16(bytes))
      throw new ThroughlineError("request.invalid", `${file}:1: is UTF-16: save it as UTF-8`);
    const [first = "", ...lines] = decoded(decoder, bytes, file, number).split("\n");
    rest += first;
    for (const line of lines) {
      yield whole(rest);
      rest = line;
      number += 1;
    }
    if (rest.length > limits.plainLineCharsMax)
      throw new ThroughlineError(
        "request.invalid",
        `line ${number}: is longer than ${limits.plainLineCharsMax} characters`,
      );
  }
  rest += decoded(decoder, undefined, file, number);
  if (rest !== "") yield whole(rest);
}

function whole(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

function decoded(decoder: TextDecoder, bytes: Uint8Array | undefined, file: string, number: number): string {
  try {
    return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
  } catch (cause) {
    throw new ThroughlineError("request.invalid", `${file}: line ${number} or soon after: is not UTF-8`, cause);
  }
}

/** Opened when the first line is asked for. */
async function* bytesOf(file: string): AsyncGenerator<Uint8Array> {
  const raw = file === "-" ? process.stdin : createReadStream(file);
  // A failure of the file reaches the reader of what is unpacked by way of the pipeline.
  const input = file.endsWith(".gz") ? pipeline(raw, createGunzip(), () => {}) : raw;
  try {
    for await (const bytes of input) yield bytes;
  } catch (cause) {
    throw new ThroughlineError("config.unreadable", `${file} cannot be read`, cause);
  }
}
