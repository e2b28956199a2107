/**
 * What a process tells its operator, line by line: JSON on standard output for machines, or sentences for people (faults
 * on the error output). The one file that imports pino.
 *
 * A note holds a sentence of ours and plain facts, never a statement, a value, a password or a token; what others' errors
 * quote is taken out (described.ts, scrub.ts). A reader that stops reading loses notes, it does not stop the process.
 */
import { type DestinationStream, destination, type Logger, pino } from "pino";
import { described } from "./described.ts";
import { scrubbed } from "./scrub.ts";

export type NoteFormat = "json" | "text";
export type Facts = Readonly<Record<string, string | number | boolean | null>>;

export interface Notes {
  info(what: string, facts?: Facts): void;
  /** Something the operator should look at; nothing is broken yet. */
  warn(what: string, facts?: Facts): void;
  /** Something went wrong here and is nobody's refusal. */
  fault(error: unknown): void;
  /** The process ends because of it: written before this returns. */
  fatal(error: unknown): void;
  /** Writes what waits. */
  flush(): void;
}

export interface NotesParts {
  readonly format: NoteFormat;
  /** On every line: service, name, version. */
  readonly base: Facts;
  /** In place of the process's own outputs, for tests. */
  readonly out?: DestinationStream;
  readonly err?: (line: string) => void;
}

/** Kept for a reader that is slow; beyond, notes are lost. */
const waitingBytesMax = 1024 * 1024;
const retriesMax = 5;

export function openNotes(parts: NotesParts): Notes {
  return parts.format === "json" ? machineNotes(parts) : humanNotes(parts);
}

function machineNotes({ base, out }: NotesParts): Notes {
  let retries = 0;
  const own = out
    ? null
    : destination({
        fd: 1,
        sync: false,
        maxLength: waitingBytesMax,
        // At the end a reader that is stuck is waited for a moment, not for ever.
        retryEAGAIN: () => {
          retries += 1;
          return retries <= retriesMax;
        },
      });
  own?.on("write", () => {
    retries = 0;
  });
  // The reader has gone: nobody is left to tell.
  own?.on("error", () => undefined);
  const logger: Logger = pino(
    { base: { ...base }, timestamp: pino.stdTimeFunctions.isoTime, messageKey: "what", formatters: { level: named } },
    out ?? own ?? process.stdout,
  );
  const complain = (level: "error" | "fatal", error: unknown) => {
    const { message, ...facts } = described(error);
    logger[level](facts, message);
  };
  const flush = () => {
    own?.flushSync();
  };
  return {
    info: (what, facts) => logger.info(safe(facts), scrubbed(what)),
    warn: (what, facts) => logger.warn(safe(facts), scrubbed(what)),
    fault: (error) => complain("error", error),
    fatal(error) {
      complain("fatal", error);
      flush();
    },
    flush,
  };
}

function humanNotes({ out, err }: NotesParts): Notes {
  const say = (line: string) => void (out ? out.write(`${line}\n`) : process.stdout.write(`${line}\n`));
  const cry = err ?? ((line: string) => void process.stderr.write(`${line}\n`));
  return {
    info: (what, facts) => say(sentence(what, facts)),
    warn: (what, facts) => cry(`warning: ${sentence(what, facts)}`),
    fault: (error) => cry(complaint(error)),
    fatal: (error) => cry(complaint(error)),
    flush: () => undefined,
  };
}

/** `code: sentence`, the hint, the causes and the places, one a line. */
export function complaint(error: unknown): string {
  const { code, message, hint, causes, places } = described(error);
  const lines = [`${code}: ${message}`, hint, ...causes.map((cause) => `caused by: ${cause}`), ...places];
  return lines.filter((line) => line !== "").join("\n  ");
}

function sentence(what: string, facts: Facts = {}): string {
  const words = Object.entries(safe(facts)).map(([name, value]) => `${name}=${String(value)}`);
  return [scrubbed(what), ...words].join(" ");
}

function safe(facts: Facts = {}): Record<string, string | number | boolean | null> {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [name, typeof value === "string" ? scrubbed(value) : value]),
  );
}

function named(level: string): { level: string } {
  return { level };
}
