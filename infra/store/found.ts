/** What the store's queries give back, as the rows readers know. Pure. */
import type { Envelope } from "../../schemas/event.ts";
import type { SessionSummary, TimelineRow } from "../../schemas/timeline.ts";
import { count, type Data, type Facts, factsOf, isData, word } from "./facts.ts";

/** A row of `events`, as JSONEachRow has it. */
export interface Found {
  readonly position: string;
  readonly atMs: number;
  /** The envelope as JSON. */
  readonly event: string;
}

/** A row as far as it is known without clear text and names. */
export interface FoundEvent {
  readonly position: string;
  readonly atMs: number;
  readonly envelope: Envelope;
  readonly facts: Facts;
}

export function eventFound({ position, atMs, event }: Found): FoundEvent {
  // These are the bytes that the log holds, checked when they were read there.
  const envelope = JSON.parse(event) as Envelope;
  return { position, atMs: Number(atMs), envelope, facts: factsOf(envelope) };
}

export interface Counts {
  readonly session: string;
  readonly commands: number;
  readonly held: number;
  readonly blocked: number;
  readonly masked: number;
}

export interface FoundText {
  readonly text: string;
  readonly parameters: string | null;
}

export function rowFound(
  { position, atMs, envelope, facts }: FoundEvent,
  clear: FoundText | undefined,
  names: ReadonlyMap<string, string>,
): TimelineRow {
  return {
    id: envelope.id,
    position,
    atMs,
    type: envelope.type,
    source: envelope.source,
    ...facts.acts,
    identityName: names.get(facts.acts.identity) ?? "",
    ruling: facts.ruling,
    operations: [...facts.operations],
    resources: [...facts.resources],
    chains: [...facts.chains],
    text: clear?.text ?? null,
    parameters: clear?.parameters ? (JSON.parse(clear.parameters) as (string | null)[]) : null,
    data: envelope.data,
  };
}

export function sessionFound(
  { position, atMs, envelope, facts }: FoundEvent,
  closed: FoundEvent | undefined,
  counts: Counts | undefined,
  names: ReadonlyMap<string, string>,
): SessionSummary {
  const opening = textFields(facts.data, ["task", "application"]);
  const closing = textFields(closed?.facts.data ?? {}, ["reason"]);
  const { session, identity, account, target, task, grant } = facts.acts;
  return {
    ...{ session, position, identity, account, target, task, grant },
    identityName: names.get(identity) ?? "",
    justification: opening.task ?? "",
    clientAddress: envelope.clientaddress ?? "",
    application: opening.application ?? "",
    certificate: certificateFound(facts.data.certificate),
    openedAtMs: atMs,
    closedAtMs: closed?.atMs ?? null,
    closedBecause: closing.reason ?? "",
    commands: Number(counts?.commands ?? 0),
    held: Number(counts?.held ?? 0),
    blocked: Number(counts?.blocked ?? 0),
    masked: Number(counts?.masked ?? 0),
  };
}

function certificateFound(shown: unknown): SessionSummary["certificate"] {
  if (!isData(shown)) return null;
  const { key, subject, issuer, serial, notAfterMs } = shown;
  return {
    key: word(key),
    subject: word(subject),
    issuer: word(issuer),
    serial: word(serial),
    notAfterMs: count(notAfterMs),
  };
}

/** Named text members of a data object; of `task` its justification. */
function textFields(data: Data, keys: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const key of keys) {
    const value = data[key];
    const inner = typeof value === "object" && value !== null && "justification" in value ? value.justification : value;
    if (typeof inner === "string") fields[key] = inner;
  }
  return fields;
}
