/** What rules may ask of a command's text, beside what it does. The text itself is no rule field, and stays sealed. */
import type { KeyObject } from "node:crypto";
import { keyedHash } from "../../infra/keys/seal.ts";
import type { Reading } from "../../schemas/command.ts";
import type { CommandDetails } from "../../schemas/event-data.ts";

/** Tags of one text that are told; a longer string of statements is known by its effects. */
const statementsMax = 32;
/** W3C trace context, as sqlcommenter writes it into a comment. */
const traceparent = /\btraceparent\s*=\s*'?[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/i;
/** Comments that carry a trace stand at either end. */
const lookBytes = 2_048;
const exactLetters = 32;

export function detailsOf(reading: Reading, role: string, text: string, tenantKey: Uint8Array): CommandDetails {
  const trace = traceOf(text);
  return {
    statements: [...new Set(reading.statements)].slice(0, statementsMax),
    fingerprint: fingerprintOf(reading, tenantKey),
    ...(role === "" ? {} : { role }),
    ...(trace === null ? {} : { trace }),
  };
}

/** @returns the fingerprint as it may be written down: the same at every gateway of a tenant */
export function fingerprintOf({ fingerprint, isExact }: Reading, tenantKey: Uint8Array | KeyObject): string {
  return isExact
    ? keyedHash(tenantKey, JSON.stringify(["fingerprint", fingerprint])).slice(0, exactLetters)
    : fingerprint;
}

/** @returns the resolution as it may be written down */
export function resolutionOf({ resolution, isExact }: Reading, tenantKey: Uint8Array | KeyObject): string {
  return isExact ? keyedHash(tenantKey, JSON.stringify(["resolution", resolution])) : resolution;
}

/** @returns the trace id (32 hex) that the client wrote into a comment, or null: only a claim, so only weak evidence */
export function traceOf(text: string): string | null {
  const ends = text.length <= 2 * lookBytes ? text : `${text.slice(0, lookBytes)} ${text.slice(-lookBytes)}`;
  if (!ends.includes("traceparent")) return null;
  return traceparent.exec(ends)?.[1]?.toLowerCase() ?? null;
}
