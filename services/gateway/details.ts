/** What rules may ask of a command's text, beside what it does. The text itself is no rule field, and stays sealed. */
import type { Reading } from "../../schemas/command.ts";
import type { CommandDetails } from "../../schemas/event-data.ts";

/** Tags of one text that are told; a longer string of statements is known by its effects. */
const statementsMax = 32;
/** W3C trace context, as sqlcommenter writes it into a comment. */
const traceparent = /\btraceparent\s*=\s*'?[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/i;
/** Comments that carry a trace stand at either end. */
const lookBytes = 2_048;

export function detailsOf({ statements, fingerprint }: Reading, role: string, text: string): CommandDetails {
  const trace = traceOf(text);
  return {
    statements: [...new Set(statements)].slice(0, statementsMax),
    fingerprint,
    ...(role === "" ? {} : { role }),
    ...(trace === null ? {} : { trace }),
  };
}

/** @returns the trace id (32 hex) that the client wrote into a comment, or null: only a claim, so only weak evidence */
export function traceOf(text: string): string | null {
  const ends = text.length <= 2 * lookBytes ? text : `${text.slice(0, lookBytes)} ${text.slice(-lookBytes)}`;
  if (!ends.includes("traceparent")) return null;
  return traceparent.exec(ends)?.[1]?.toLowerCase() ?? null;
}
