/**
 * The number by which an event type is written in a record. Numbers are for ever: add at the end, never reuse one.
 * A number that this version does not know stays readable as bytes (verify, export); folds and followers refuse it.
 */
import type { EventType } from "../../schemas/event.ts";

const codes: { readonly [T in EventType]: number } = {
  "identity.logged_in": 1,
  "identity.login_failed": 2,
  "identity.linked": 3,
  "grant.issued": 4,
  "grant.revoked": 5,
  "grant.expired": 6,
  "session.opened": 7,
  "session.refused": 8,
  "session.closed": 9,
  "command.intended": 10,
  "command.answered": 11,
  "command.held": 12,
  "command.decided": 13,
  "command.finished": 14,
  "output.masked": 15,
  "approval.asked": 16,
  "approval.answered": 17,
  "approval.expired": 18,
  "approval.used": 19,
  "approval.refused": 20,
  "chain.advanced": 21,
  "chain.completed": 22,
  "chain.dismissed": 23,
  "block.placed": 24,
  "block.enforced": 25,
  "block.lifted": 26,
  "block.expired": 27,
  "resource.tagged": 28,
  "resource.untagged": 29,
  "target.bypassed": 30,
  "clock.ticked": 31,
  "alert.raised": 32,
  "alert.acknowledged": 33,
  "alert.resolved": 34,
  "file.transferred": 35,
  "recording.started": 36,
  "recording.gap": 37,
  "recording.closed": 38,
  "audit.read": 39,
  "audit.exported": 40,
  "audit.verified": 41,
  "policy.changed": 42,
  "key.erased": 43,
  "correlator.digested": 44,
  "log.checkpoint": 45,
  "log.refused": 46,
  "log.gap": 47,
  "sink.failed": 48,
  "sink.recovered": 49,
  "service.started": 50,
  "service.stopped": 51,
  "gateway.followed": 52,
  "alert.given_up": 53,
  "policy.refused": 54,
  "content.shown": 60,
  "content.brought": 61,
  "identity.unlinked": 70,
  "policy.part": 71,
  "state.evicted": 72,
  "rules.switched": 73,
  "pipeline.proposed": 80,
  "pipeline.accepted": 81,
  "pipeline.withdrawn": 82,
  "pipeline.declined": 83,
  "pipeline.ran": 84,
};

const types: ReadonlyMap<number, EventType> = new Map(
  Object.entries(codes).map(([type, code]) => [code, type as EventType]),
);

export function codeOf(type: EventType): number {
  return codes[type];
}

/** @returns null for a number that a newer version has written. */
export function typeOf(code: number): EventType | null {
  return types.get(code) ?? null;
}
