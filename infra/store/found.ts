/** What the store's queries give back, as the rows readers know. Pure. */
import type { SessionSummary, TimelineRow } from "../../schemas/timeline.ts";

/** A row of `events`, as JSONEachRow has it, or of the counts per session. */
export interface Found {
  readonly position: string;
  readonly id: string;
  readonly atMs: number;
  readonly type: string;
  readonly source: string;
  readonly session: string;
  readonly command: string;
  readonly identity: string;
  readonly account: string;
  readonly task: string;
  readonly target: string;
  readonly grant_id: string;
  readonly client_address: string;
  readonly ruling: string;
  readonly operations: string[];
  readonly resources: string[];
  readonly chains: string[];
  readonly data: string;
}

export interface Counts {
  readonly session: string;
  readonly commands: number;
  readonly held: number;
  readonly blocked: number;
  readonly masked: number;
  readonly closedAtMs: number;
  readonly closing: string;
}

export interface FoundText {
  readonly text: string;
  readonly parameters: string | null;
}

export function rowFound(found: Found, clear: FoundText | undefined, names: ReadonlyMap<string, string>): TimelineRow {
  return {
    id: found.id,
    position: found.position,
    atMs: Number(found.atMs),
    type: found.type,
    source: found.source,
    session: found.session,
    command: found.command,
    identity: found.identity,
    identityName: names.get(found.identity) ?? "",
    account: found.account,
    task: found.task,
    target: found.target,
    grant: found.grant_id,
    ruling: found.ruling,
    operations: found.operations,
    resources: found.resources,
    chains: found.chains,
    text: clear?.text ?? null,
    parameters: clear?.parameters ? (JSON.parse(clear.parameters) as (string | null)[]) : null,
    data: JSON.parse(found.data) as unknown,
  };
}

export function sessionFound(
  opened: Found,
  counts: Counts | undefined,
  names: ReadonlyMap<string, string>,
): SessionSummary {
  const opening = textFields(opened.data, ["task", "application"]);
  const closing = textFields(counts?.closing ?? "", ["reason"]);
  return {
    session: opened.session,
    position: opened.position,
    identity: opened.identity,
    identityName: names.get(opened.identity) ?? "",
    account: opened.account,
    target: opened.target,
    task: opened.task,
    justification: opening.task ?? "",
    grant: opened.grant_id,
    clientAddress: opened.client_address,
    application: opening.application ?? "",
    openedAtMs: Number(opened.atMs),
    closedAtMs: counts?.closedAtMs ? Number(counts.closedAtMs) : null,
    closedBecause: closing.reason ?? "",
    commands: Number(counts?.commands ?? 0),
    held: Number(counts?.held ?? 0),
    blocked: Number(counts?.blocked ?? 0),
    masked: Number(counts?.masked ?? 0),
  };
}

/** Named text members of a data object; of `task` its justification. */
function textFields(json: string, keys: readonly string[]): Record<string, string> {
  const data = json === "" ? {} : (JSON.parse(json) as Record<string, unknown>);
  const fields: Record<string, string> = {};
  for (const key of keys) {
    const value = data[key];
    const inner = typeof value === "object" && value !== null && "justification" in value ? value.justification : value;
    if (typeof inner === "string") fields[key] = inner;
  }
  return fields;
}
