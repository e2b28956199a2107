/**
 * The one catalogue of errors: code, what the operator should do, and of which kind it is.
 *
 * refusal: the user sees it in the protocol's own words, the session lives. fault: ends the session (or the request),
 * recorded. bug: ends the process. The cause is always kept; nothing logs and goes on.
 */

export type ErrorKind = "refusal" | "fault" | "bug";

interface Entry {
  readonly kind: ErrorKind;
  /** What the operator should do. */
  readonly hint: string;
}

export const errorCatalogue = {
  "config.invalid": { kind: "fault", hint: "Correct the named key; `throughline config check` shows all of them." },
  "config.unreadable": { kind: "fault", hint: "Check that the file exists and that this user may read it." },
  "policy.invalid": {
    kind: "fault",
    hint: "Correct policy.cedar at the place named; the running policy stays in force.",
  },
  "policy.too_large": {
    kind: "fault",
    hint: "Fewer or shorter rule files: combine rules that differ in a value only, and keep long texts out of them.",
  },
  "catalog.invalid": { kind: "fault", hint: "Correct catalog.yaml at the place named." },
  "rule.invalid": { kind: "fault", hint: "Correct the rule at the place named; `throughline rules test` tries it." },
  "rule.unsupported": {
    kind: "fault",
    hint: "What is named is not evaluated here; the message says what to write instead, or leave it out.",
  },
  "pipeline.invalid": {
    kind: "fault",
    hint: "Correct the pipeline at the place named; what was in force stays.",
  },
  "log.locked": { kind: "fault", hint: "Another process owns this data folder; stop it, or use another folder." },
  "log.full": {
    kind: "fault",
    hint: "The disk that holds the log is full: free space. New commands are refused until then; nothing recorded is lost.",
  },
  "log.damaged": {
    kind: "fault",
    hint: "The log has a damaged record that is not a torn tail. Keep the folder as it is and run `throughline verify`.",
  },
  "log.sync_failed": {
    kind: "bug",
    hint: "The kernel could not make the log durable. Check the disk before starting again.",
  },
  "log.refused": {
    kind: "fault",
    hint: "A source said something its role may not say, or its signature is wrong. Treat it as an intrusion.",
  },
  "log.lost_connection": {
    kind: "fault",
    hint: "The process that owns the log is down or restarting; appends are resent by sequence.",
  },
  "log.digest_differs": {
    kind: "bug",
    hint: "Folding the log again gave another state than was recorded. Do not go on; keep the log and report it.",
  },
  "keys.missing": { kind: "fault", hint: "The session key was erased or the key folder belongs to another log." },
  "keys.master": { kind: "fault", hint: "The master key does not open the key folder: use the one it was made with." },
  "keys.exposed": { kind: "fault", hint: "Take the file away from others: chmod 600; then rotate the key in it." },
  "keys.unreadable": { kind: "fault", hint: "The key file is damaged: put it back from a backup." },
  "frame.malformed": { kind: "fault", hint: "The peer broke the protocol; look at its address in the event." },
  "frame.too_large": { kind: "fault", hint: "A message is over the limit in schemas/limits.ts." },
  "result.outdated": {
    kind: "fault",
    hint: "Something became tagged while a command that reads it ran, or the shared log was out of reach; run it again.",
  },
  "login.failed": { kind: "fault", hint: "Wrong user name or secret; `throughline connect` makes a new Grant." },
  "login.expired": { kind: "fault", hint: "The Grant has ended; `throughline connect` makes a new one." },
  "login.rate": { kind: "fault", hint: "Too many failed logins from this address; wait." },
  "login.abandoned": { kind: "fault", hint: "The peer closed the connection during its login." },
  "login.timeout": { kind: "fault", hint: "The peer was too slow to log in; look at its address in the event." },
  "login.crowded": {
    kind: "fault",
    hint: "Too many connections were logging in at once; the most silent one made way.",
  },
  "login.tls_required": { kind: "fault", hint: "Connect with sslmode=require, or better verify-full." },
  "login.certificate": {
    kind: "fault",
    hint: "Connect with a client certificate of the CA that the gateway trusts (sslcert, sslkey); the message says what is wrong.",
  },
  "login.unsupported": { kind: "fault", hint: "Leave that out of the connection string; the message says what." },
  "gateway.closing": { kind: "fault", hint: "The gateway is shutting down; connect again in a moment." },
  "cancel.unknown": { kind: "fault", hint: "A cancel request named no running session of this gateway." },
  "target.unknown": { kind: "fault", hint: "No configured target or database has that name." },
  "target.unreachable": {
    kind: "fault",
    hint: "The target does not accept connections; check its address and that it runs.",
  },
  "target.refused": {
    kind: "fault",
    hint: "The target refused the account's credential; check accounts: in the configuration.",
  },
  "command.blocked": { kind: "refusal", hint: "Policy, a block or a chain rule refused it; the DETAIL names which." },
  "command.held": { kind: "refusal", hint: "A human must answer first; the HINT has the address." },
  "store.newer": {
    kind: "fault",
    hint: "Start the version that made this store, or a newer one; or fill it again: `throughline store rebuild`.",
  },
  "store.foreign": {
    kind: "fault",
    hint: "Each tenant has a database of its own: correct tenant or store.database in the configuration.",
  },
  "store.unavailable": {
    kind: "fault",
    hint: "The store does not answer; the log keeps everything, timelines are late until it is back.",
  },
  "alert.undelivered": {
    kind: "fault",
    hint: "Check that the receiver under alerts: runs and takes the message; the alert itself is in the log.",
  },
  "identity.provider": { kind: "fault", hint: "The identity provider does not answer or gave an invalid token." },
  "access.denied": { kind: "fault", hint: "Your groups do not permit this; policy.cedar says who may." },
  "request.invalid": { kind: "fault", hint: "The request does not have the form the API documents." },
  "request.conflict": { kind: "fault", hint: "Somebody was there first, or the time is over; look at it again." },
  "request.rate": { kind: "fault", hint: "Too many requests from one address or identity; wait a minute." },
  "blobs.unavailable": {
    kind: "fault",
    hint: "The object storage under blobs: does not answer; check its address and that it runs.",
  },
  "blobs.refused": {
    kind: "fault",
    hint: "The object storage refuses: check bucket, region, keys and permissions (get, put, list) under blobs:.",
  },
  "not.found": { kind: "fault", hint: "Nothing here has that name or id." },
  "export.damaged": {
    kind: "fault",
    hint: "The export fails verification; the message names the first record that is missing or changed.",
  },
  "internal.bug": { kind: "bug", hint: "Please report it with the log of the process." },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof errorCatalogue;

export class ThroughlineError extends Error {
  readonly code: ErrorCode;

  /** @param message one sentence without values of customers, passwords or tokens */
  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "ThroughlineError";
    this.code = code;
  }

  get kind(): ErrorKind {
    return errorCatalogue[this.code].kind;
  }

  get hint(): string {
    return errorCatalogue[this.code].hint;
  }
}
