/**
 * An approval that is asked for or answered, as a step that rules of category `approval` read: who, from where, about which
 * approval (resource `throughline/approval.<id>`), and `statement` ASK, APPROVE or REFUSE. It has happened when it is read:
 * it is never held, and moves no data.
 */
import type { Entry } from "../../infra/log/entry.ts";
import type { Effect, ResourceUri } from "../../schemas/command.ts";
import type { EventType } from "../../schemas/event.ts";
import { makeStep } from "./compact.ts";
import { approvalKind, type Step } from "./step.ts";

type EntryOf<T extends EventType> = Extract<Entry, { type: T }>;

/** @param at its place in the order of records */
export function approvalStep(entry: EntryOf<"approval.asked" | "approval.answered">, at: number): Step {
  const { id, atMs, source, subject, data } = entry;
  const about = `throughline/approval.${data.approval}` as ResourceUri;
  const effect: Effect = { operation: "execute", reads: [], writes: [about], ends: [], destroys: false };
  const statement = entry.type === "approval.asked" ? "ASK" : entry.data.answer.toUpperCase();
  return makeStep({
    id,
    at,
    atMs,
    subject,
    // Never the held command itself: that is a step of its own.
    command: id,
    source,
    kind: approvalKind,
    opaque: false,
    undoable: false,
    commit: false,
    effects: [{ effect, of: id, approved: [], withdrawn: false, tags: [] }],
    more: null,
    details: { statements: [statement], fingerprint: "" },
    decidedAt: at,
    finishedAt: at,
    lostAt: Number.POSITIVE_INFINITY,
    late: null,
    settled: true,
    lineage: [],
    hits: [],
    sure: [],
    alike: null,
  });
}
