/**
 * Refusing without leaving client and target apart (promise 3): in place of what is refused the target gets something
 * that is certain to fail, so that its own state machine fails the transaction and skips to Sync; the error on its way
 * back is replaced by ours. Never FATAL.
 *
 * In the extended protocol that is a Parse of a text no grammar accepts: a statement or portal "that does not exist"
 * could be made to exist by dynamic SQL, a syntax error cannot be made to succeed.
 */
import type { Verdict } from "../../../schemas/verdict.ts";
import type { Held } from "../gate.ts";
import { clientTypes } from "./frames.ts";
import { errorResponse, noticeResponse, parse, query } from "./messages.ts";
import type { ReplyKind } from "./replies.ts";

/** No statement begins with such a word. */
const unparsable = "refused_by_throughline";
const nowhere = "throughline:refused";

/** Names that only the gateway uses at the target. */
export function isReserved(name: string): boolean {
  return name.startsWith("throughline:");
}

/** FunctionCall of OID 0, which no function has: no formats, no arguments, text result. */
const functionZero = Buffer.from([clientTypes.FunctionCall, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

export interface Substitute {
  readonly bytes: Buffer;
  /** What kind of answer the target's error is. */
  readonly kind: ReplyKind;
}

/**
 * @param type of the message that is refused
 * @param unnamed it was a Parse of the unnamed statement: the target forgets the old one, as it would have
 */
export function substitute(type: number, unnamed: boolean): Substitute {
  switch (type) {
    case clientTypes.Query:
      return { bytes: query(unparsable), kind: "query" };
    case clientTypes.FunctionCall:
      return { bytes: functionZero, kind: "function" };
    default:
      return { bytes: parse(unnamed ? "" : nowhere, unparsable), kind: "parse" };
  }
}

/** Why it was refused, in the client's protocol. @param hint what the person can do now */
export function refusedError(command: string, verdict: Verdict, hint: string): Buffer {
  return errorResponse({
    severity: "ERROR",
    code: isFull(verdict) ? "53100" : "42501",
    message: verdict.sentence,
    detail: detail(command, verdict),
    hint,
  });
}

/** Nobody forbade it: there is no space to record it. */
function isFull({ because }: Verdict): boolean {
  return because.includes("log.full");
}

export function refusalHint(verdict: Verdict): string {
  if (isFull(verdict)) return "Whoever runs the gateway must free space on its disk; then run the same again.";
  return verdict.stage === "block"
    ? "A standing block is in force; ask whoever placed it, and name the command."
    : "Ask the owner of the data or your security team, and name the command.";
}

/** A refusal of our own making, where no verdict was asked for. */
export function plainError(code: string, message: string, detailed: string, hint: string): Buffer {
  return errorResponse({ severity: "ERROR", code, message, detail: detailed, hint });
}

export function cancelledError(command: string): Buffer {
  return errorResponse({
    severity: "ERROR",
    code: "57014",
    message: "canceling statement due to user request",
    detail: `Command ${command} was held and never reached the target.`,
  });
}

const locked = "The gateway waited for it as a lock would have; nothing of the command reached the target.";

/** What it uses is being defined by a session that has not ended its transaction. */
export function beingDefinedError(): Buffer {
  return plainError("55P03", "another session is changing the definition of what this uses", locked, "Try again.");
}

export function inUseError(): Buffer {
  return plainError("55P03", "another session is using what this would define anew", locked, "Try again.");
}

/** At once, while the command waits. */
export function heldNotice(command: string, verdict: Verdict, held: Held): Buffer {
  return noticeResponse({
    severity: "NOTICE",
    code: "00000",
    message: `Held by Throughline: ${verdict.sentence}`,
    detail: detail(command, verdict),
    hint: heldHint(verdict, held),
  });
}

export function heldHint(verdict: Verdict, held: Pick<Held, "approval" | "address" | "mode">): string {
  const groups = verdict.hold?.approvers.join(", ") ?? "";
  const who = groups === "" ? "An approver" : `An approver (${groups})`;
  const then = held.mode === "retry" ? " Then run the same statement again." : "";
  return `${who} can answer at ${held.address}.${then} Why, in full: throughline explain ${held.approval}`;
}

function detail(command: string, verdict: Verdict): string {
  const chains = (verdict.chains ?? []).map((chain) => `${chain.rule} (chain ${chain.id.slice(0, 12)})`);
  const because = [...new Set([...verdict.because, ...chains])].join(", ");
  return `Decided by ${because === "" ? verdict.stage : because}. Command ${command}.`;
}

/** The last message of a session that is ended from here. */
export function goodbye(code: string, message: string): Buffer {
  return errorResponse({ severity: "FATAL", code, message });
}
