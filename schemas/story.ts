/**
 * What an event says, in one short line for people: the same words in the console, the CLI and alerts.
 *
 * It adds nothing to the event and never shows the text of a command, which is encrypted and shown beside it.
 * It refuses no type: one that this version does not know is shown by its name.
 */
import type { ChainEvidence } from "./chain.ts";
import type { EventType } from "./event.ts";
import type { BlockScope, EventData } from "./event-data.ts";
import { afterTitle } from "./places.ts";
import type { SessionSummary } from "./timeline.ts";

type Stories = { readonly [T in EventType]: (data: EventData[T]) => string };

const count = (n: number, noun: string): string => `${n.toLocaleString("en-US")} ${noun}${n === 1 ? "" : "s"}`;

/** `4 min 10 s` between two moments; milliseconds below ten seconds. */
export function spanWords(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h`;
}

/** `12 µs`, `3.4 ms`, `1.2 s`, `4 min`. @param us microseconds */
export function durationWords(us: number): string {
  if (us < 1_000) return `${us} µs`;
  if (us < 1_000_000) return `${(us / 1_000).toFixed(us < 10_000 ? 1 : 0)} ms`;
  if (us < 120_000_000) return `${(us / 1_000_000).toFixed(1)} s`;
  return `${Math.round(us / 60_000_000)} min`;
}

/**
 * `identity i1, operations delete`; what a block refuses, as the person reads it.
 * @param identityName shown for the identity's key, where it is known
 */
export function scopeWords(scope: BlockScope, identityName = ""): string {
  const parts = Object.entries(scope).flatMap(([key, value]) => {
    const words = key === "identity" && identityName ? identityName : Array.isArray(value) ? value.join(" ") : value;
    return words ? [`${key} ${words}`] : [];
  });
  return parts.join(", ") || "nothing";
}

const chainWords = ({ title, sentence }: ChainEvidence): string => `${title}: ${afterTitle(title, sentence)}`;
const because = (reason: string): string => (reason ? `: ${reason}` : "");

function decided(data: EventData["command.decided"]): string {
  const what = data.statements.join("; ") || data.kind;
  if (data.ruling === "mask") return `${what}, ${count(data.masks.length, "column")} masked`;
  if (data.ruling === "allow") return data.approval ? `${what}, under an approval` : what;
  return `${what} ${data.ruling === "hold" ? "held" : "refused"}${because(data.sentence)}`;
}

function finished(data: EventData["command.finished"]): string {
  if (data.outcome === "unknown") return "outcome unknown";
  if (data.outcome === "error") return `failed${data.code ? ` with ${data.code}` : ""}`;
  return `${data.tag || count(data.rows, "row")} in ${durationWords(data.durationUs)}`;
}

/** Name, the beginning of its key, and by whom it was issued; empty when none was shown. */
export function certificateWords({ certificate }: Pick<SessionSummary, "certificate">): string {
  return certificate === null
    ? ""
    : `${certificate.subject}, key ${certificate.key.slice(0, 16)}, by ${certificate.issuer}`;
}

const stories: Stories = {
  "identity.logged_in": (d) => `${d.identity.name} logged in (${d.method})`,
  "identity.login_failed": (d) => `Login failed for ${d.claimed}: ${d.reason}`,
  "identity.unlinked": (d) => `${d.identities.join(" and ")} are not taken to be one any more${because(d.reason)}`,
  "identity.linked": (d) => `${d.identities.join(" and ")} linked (${d.strength})`,
  "grant.issued": (d) => `${d.identity.name} may act as ${d.account} on ${d.target}: ${d.task.justification}`,
  "grant.revoked": (d) => `Grant revoked${because(d.reason)}`,
  "grant.expired": () => "Grant ended",
  "session.opened": (d) =>
    `Session opened${d.application ? ` by ${d.application}` : ""}${d.certificate ? ` with the certificate of ${d.certificate.subject}` : ""}: ${d.task.justification}`,
  "session.refused": (d) => `Session refused for ${d.claimedUser} on ${d.claimedDatabase}: ${d.reason}`,
  "session.closed": (d) => `Session closed after ${count(d.commands, "command")}${because(d.reason)}`,
  "command.intended": () => "Asked whether it completes a chain",
  "command.answered": (d) => d.sentence || `Chains say: ${d.ruling}`,
  "command.held": (d) => `Held${because(d.sentence)}`,
  "command.decided": decided,
  "command.finished": finished,
  "output.masked": (d) => `Masked ${d.columns.map((c) => `${c.resource} (${count(c.count, "value")})`).join(", ")}`,
  "content.shown": (d) => `Showed values of ${d.tags.join(", ")}`,
  "content.brought": (d) =>
    `Brings ${count(d.values, "value")} that ${d.from.length === 1 ? "another command" : `${d.from.length} others`} showed (${d.tags.join(", ")})`,
  "approval.asked": (d) => `Asks ${d.approvers.join(" or ")} for ${count(d.humans, "approval")}${because(d.sentence)}`,
  "approval.answered": (d) => `${d.byName} ${d.answer === "approve" ? "approved" : "refused"}${because(d.reason)}`,
  "approval.expired": () => "Approval expired unanswered",
  "approval.used": () => "Approval used, once",
  "approval.refused": (d) => `Answer not accepted from ${d.by}: ${d.reason}`,
  "chain.advanced": (d) => `Chain advanced, ${chainWords(d.chain)}`,
  "chain.completed": (d) => `Chain found, ${chainWords(d.chain)}`,
  "chain.dismissed": (d) => `Chain dismissed${because(d.reason)}`,
  "block.placed": (d) => `Block placed on ${scopeWords(d.scope)}${because(d.reason)}`,
  "block.enforced": (d) => `Block in force at ${d.gateway}`,
  "block.lifted": (d) => `Block lifted${because(d.reason)}`,
  "block.expired": () => "Block expired",
  "resource.tagged": (d) => `${d.resource} now carries ${d.tags.join(", ")}, from ${d.from.join(", ")}`,
  "resource.untagged": (d) => `${d.resource} no longer carries ${d.tags.join(", ")}${because(d.reason)}`,
  "target.bypassed": (d) => `${count(d.sessions.length, "session")} on the target did not come through the gateway`,
  "clock.ticked": () => "Clock",
  "gateway.followed": () => "Gateway follows the log",
  "alert.raised": (d) => `${d.title}: ${d.sentence}`,
  "alert.acknowledged": () => "Alert acknowledged",
  "alert.resolved": (d) => `Alert resolved${because(d.reason ?? "")}`,
  "alert.given_up": (d) => `Alert no longer sent to ${d.receiver}${because(d.reason)}`,
  "file.transferred": (d) => `File ${d.direction === "in" ? "received" : "sent"}: ${d.path}`,
  "recording.started": () => "Recording started",
  "recording.gap": (d) => `Recording has a gap: ${d.reason}`,
  "recording.closed": () => "Recording closed",
  "audit.read": (d) => `Read ${d.what}, ${count(d.rows, "row")}`,
  "audit.exported": (d) => `Exported ${count(d.records, "record")}${d.withText ? " with clear text" : ""}`,
  "audit.verified": (d) => `Verified ${count(d.records, "record")}: ${d.ok ? "intact" : d.finding}`,
  "policy.changed": (d) =>
    `Policy in force: ${d.parts === undefined ? Object.keys(d.files).join(", ") : `${d.digest.slice(0, 12)}, in ${d.parts} parts`}`,
  "policy.part": (d) => `Part ${d.part + 1} of policy ${d.digest.slice(0, 12)}`,
  "policy.refused": (d) => `Policy not taken over${because(d.reason)}`,
  "pipeline.proposed": (d) => `Pipeline proposed: ${d.sentence}`,
  "pipeline.accepted": (d) =>
    `${d.byName} accepted ${d.pipeline}: its runs are no chain of ${d.rule}${because(d.reason)}`,
  "pipeline.declined": (d) => `${d.byName} declined ${d.pipeline}${because(d.reason)}`,
  "pipeline.ran": (d) =>
    `Pipeline ${d.pipeline}: ${d.outcome === "ran" ? count(d.runs, "run") : `${d.outcome}${because(d.why)}`}`,
  "pipeline.withdrawn": (d) => `Pipeline ${d.pipeline} exempts nothing any more${because(d.reason)}`,
  "key.erased": (d) => `Key erased${because(d.reason)}`,
  "correlator.digested": (d) => `State after ${count(d.folded, "step")}`,
  "rules.switched": (d) => `Answers follow policy ${d.digest.slice(0, 12)} from here on`,
  "state.evicted": (d) => `${d.count} of the oldest steps of ${d.identity} were forgotten for want of room`,
  "log.checkpoint": (d) => `Signed up to ${d.upTo}`,
  "log.refused": (d) => `The log refused ${d.claimedType || "a record"} from ${d.source}: ${d.reason}`,
  "log.gap": (d) => `${count(d.count, "record")} lost: ${d.reason}`,
  "sink.failed": (d) => `${d.sink} does not accept events: ${d.reason}`,
  "sink.recovered": (d) => `${d.sink} is back, ${count(d.count, "event")} late`,
  "service.started": (d) => `${d.role} started (${d.version})`,
  "service.stopped": (d) => `${d.role} stopped${because(d.reason)}`,
};

const known = (type: string): type is EventType => Object.hasOwn(stories, type);

/** @param data the event's data, as its type has it; the log accepts no other shape. */
export function storyOf(type: string, data: unknown): string {
  if (!known(type) || data === null || typeof data !== "object") return type;
  // The pair (type, data) was checked when it was written; TypeScript cannot follow it through an index.
  return stories[type](data as never);
}

/**
 * Types that keep the machine honest but tell no story; lists for people leave them out unless asked (filter `story`).
 * `audit.read` is one: an open console reads all the time, and a reader looks for it by its type.
 */
export const quietTypes: readonly string[] = [
  "audit.read",
  "block.enforced",
  "clock.ticked",
  "gateway.followed",
  "command.answered",
  "command.intended",
  "correlator.digested",
  "log.checkpoint",
] satisfies EventType[];
