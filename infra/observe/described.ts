/**
 * An error as the operator may read it: code, sentence, what to do, causes; of a bug also the places in the code. What
 * a library says may quote what it read (a key file, a statement with values): of a parser only its name is kept, of a
 * database only its code, and everything else goes through scrub.ts.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import { scrubbed } from "./scrub.ts";

export interface Described {
  readonly code: string;
  readonly message: string;
  /** What the operator should do; "" when nobody knows. */
  readonly hint: string;
  /** Nearest first. */
  readonly causes: readonly string[];
  /** Places in the code, of bugs only. */
  readonly places: readonly string[];
}

const messageLettersMax = 1_000;
const causesMax = 8;
const placesMax = 20;

export function described(error: unknown): Described {
  const known = error instanceof ThroughlineError;
  const isBug = !known || error.kind === "bug";
  const causes: string[] = [];
  let deepest = error;
  for (let cause = causeOf(error); cause !== undefined && causes.length < causesMax; cause = causeOf(cause)) {
    causes.push(words(cause));
    deepest = cause;
  }
  return {
    code: known ? error.code : "internal.bug",
    message: known ? bounded(error.message) : words(error),
    hint: known ? error.hint : "Please report it with these lines.",
    causes,
    places: isBug ? placesOf(deepest instanceof Error ? deepest : error) : [],
  };
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

function words(error: unknown): string {
  if (!(error instanceof Error)) return bounded(String(error));
  const code: unknown = Reflect.get(error, "code");
  const name = typeof code === "string" ? `${error.name} ${code}` : error.name;
  const quotes = error instanceof SyntaxError || Reflect.has(error, "severity");
  return quotes ? name : `${name}: ${bounded(error.message.split("\n")[0] ?? "")}`;
}

/** Without its first lines, which repeat the message. */
function placesOf(error: unknown): string[] {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const lines = stack.split("\n").map((line) => line.trim());
  return lines.filter((line) => line.startsWith("at ")).slice(0, placesMax);
}

function bounded(text: string): string {
  const clean = scrubbed(text);
  return clean.length <= messageLettersMax ? clean : `${clean.slice(0, messageLettersMax)}…`;
}
