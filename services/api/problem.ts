/** Errors as RFC 9457 problem+json: the sentence, the code, what to do. A cause never leaves the process. */
import type { Problem } from "../../schemas/api.ts";
import { type ErrorCode, ThroughlineError } from "../../schemas/errors.ts";

const statuses: Partial<Record<ErrorCode, number>> = {
  "login.failed": 401,
  "login.expired": 401,
  "login.rate": 429,
  "request.rate": 429,
  "access.denied": 403,
  "request.invalid": 400,
  "request.conflict": 409,
  "not.found": 404,
  "store.unavailable": 503,
  "blobs.unavailable": 503,
  "blobs.refused": 503,
  "identity.provider": 503,
  "log.lost_connection": 503,
  "log.full": 507,
  "log.refused": 500,
};

const titles: Readonly<Record<number, string>> = {
  400: "The request is not valid",
  401: "You are not logged in",
  403: "You may not do this",
  404: "Nothing is here",
  409: "It is too late for this",
  429: "Too many requests",
  503: "A part that is needed does not answer",
  507: "The log is full",
};

export function statusOf(error: ThroughlineError): number {
  return statuses[error.code] ?? 500;
}

/** @param error anything else than a ThroughlineError is a bug: its message stays inside */
export function problemOf(error: unknown): Problem {
  const known =
    error instanceof ThroughlineError
      ? error
      : new ThroughlineError("internal.bug", "Something that should not happen happened");
  const status = statusOf(known);
  return {
    type: `urn:throughline:error:${known.code}`,
    title: titles[status] ?? "Something failed",
    status,
    detail: known.message,
    code: known.code,
    hint: known.hint,
  };
}
