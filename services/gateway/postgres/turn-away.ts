/**
 * A login that ends, in PostgreSQL's own words: FATAL with a SQLSTATE that drivers know, and what to do. Says nothing
 * that helps a guesser: whatever is wrong with a name or a secret reads the same. The event has the reason.
 */
import { type ErrorCode, ThroughlineError } from "../../../schemas/errors.ts";
import { errorResponse, type ReportFields } from "./messages.ts";
import { shown } from "./startup.ts";

/** SQLSTATE, PostgreSQL appendix A. */
const states: Partial<Record<ErrorCode, string>> = {
  "frame.malformed": "08P01",
  "frame.too_large": "08P01",
  "login.failed": "28P01",
  "login.expired": "28000",
  "login.rate": "28000",
  "login.timeout": "08006",
  "login.crowded": "53300",
  "login.tls_required": "28000",
  "login.certificate": "28000",
  "login.unsupported": "0A000",
  "gateway.closing": "57P03",
  "target.unknown": "3D000",
  "target.unreachable": "08006",
  "target.refused": "08004",
  "log.full": "53100",
};

/** An answer of the target to a setting, a database or a limit, which the client may know word for word. */
export class TargetTurnedAway extends ThroughlineError {
  readonly fields: ReportFields;

  constructor(fields: ReportFields) {
    super("target.refused", `the target refused the login with ${fields.code}`);
    this.fields = fields;
  }
}

/** @returns an ErrorResponse; for what is not in the catalogue, one that gives nothing away */
export function turnAway(error: unknown, user: string): Buffer {
  if (error instanceof TargetTurnedAway) return errorResponse(error.fields);
  if (error instanceof ThroughlineError && error.code.startsWith("blobs.")) {
    const message = "no session is opened: its key could not be made durable";
    return errorResponse({ severity: "FATAL", code: "58030", message });
  }
  if (!(error instanceof ThroughlineError) || states[error.code] === undefined) {
    return errorResponse({ severity: "FATAL", code: "XX000", message: "Throughline could not open a session" });
  }
  const message =
    error.code === "login.failed" ? `password authentication failed for user "${shown(user)}"` : error.message;
  return errorResponse({ severity: "FATAL", code: states[error.code]!, message, hint: error.hint });
}
