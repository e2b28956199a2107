/**
 * One log record as rows of the store's tables (schemas/tables.sql). Pure.
 *
 * Refuses nothing: an event type that this version does not know still becomes a row, by its envelope. Makes no row of
 * what carries no act (clock ticks, signed heads): the log has them, `throughline verify` reads them there.
 * Cannot see clear text: that is given to it by the projector.
 */
import type { LogRecord } from "../log/log.ts";
import type { ClearText } from "./store.ts";

export type Column = string | number | null | string[];
export type TableRow = Record<string, Column>;

export interface Rows {
  readonly events: TableRow[];
  readonly axes: TableRow[];
  readonly chain_commands: TableRow[];
  readonly identities: TableRow[];
  readonly texts: TableRow[];
}

const withoutRow = new Set<string>(["clock.ticked", "log.checkpoint"]);

type Data = Readonly<Record<string, unknown>>;

const isData = (value: unknown): value is Data => typeof value === "object" && value !== null && !Array.isArray(value);
const word = (value: unknown): string => (typeof value === "string" ? value : "");
const count = (value: unknown): number => (typeof value === "number" && value > 0 ? Math.floor(value) : 0);
const words = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
const items = (value: unknown): Data[] => (Array.isArray(value) ? value.filter(isData) : []);
const distinct = (values: readonly string[]): string[] => [...new Set(values.filter((value) => value !== ""))];

/**
 * @param records in log order
 * @param texts clear text by event id
 * @param place the position as a column: text that orders as the log does
 */
export function rowsOf(
  records: readonly LogRecord[],
  texts: ReadonlyMap<string, ClearText>,
  place: (record: LogRecord) => string,
): Rows {
  const rows: Rows = { events: [], axes: [], chain_commands: [], identities: [], texts: [] };
  for (const record of records) if (!withoutRow.has(record.type)) addRecord(rows, record, place(record), texts);
  return rows;
}

function addRecord(rows: Rows, record: LogRecord, position: string, texts: ReadonlyMap<string, ClearText>): void {
  const { envelope } = record;
  const data: Data = isData(envelope.data) ? envelope.data : {};
  const row = eventRow(record, position, data);
  rows.events.push(row);
  for (const [axis, value] of axesOf(row, data)) rows.axes.push({ axis, value, position });
  for (const chain of chainsIn(data)) {
    for (const command of stepCommands(chain)) rows.chain_commands.push({ chain: word(chain.id), command });
    if (envelope.command) rows.chain_commands.push({ chain: word(chain.id), command: envelope.command });
  }
  if (isData(data.identity) && word(data.identity.key) !== "") {
    const { key, name, kind } = data.identity;
    rows.identities.push({ identity: word(key), name: word(name), kind: word(kind), at: row.at ?? null });
  }
  const clear = texts.get(envelope.id);
  if (clear) rows.texts.push({ session: envelope.session ?? "", position, ...clear });
}

function eventRow(record: LogRecord, position: string, data: Data): TableRow {
  const { envelope } = record;
  const effects = items(data.effects);
  return {
    position,
    id: envelope.id,
    at: new Date(record.atMs).toISOString().slice(0, -1).replace("T", " "),
    tenant: envelope.tenant,
    type: record.type,
    source: record.source,
    stream: record.stream,
    sequence: record.sequence,
    session: envelope.session ?? "",
    command: envelope.command ?? "",
    identity: envelope.identity ?? (isData(data.identity) ? word(data.identity.key) : ""),
    account: envelope.account ?? word(data.account),
    task: envelope.task ?? (isData(data.task) ? word(data.task.id) : ""),
    target: envelope.target ?? word(data.target),
    grant_id: envelope.grantid ?? word(data.grant),
    client_address: envelope.clientaddress ?? "",
    ruling: word(data.ruling),
    operations: distinct(effects.map((effect) => word(effect.operation))),
    resources: resourcesOf(data, effects),
    chains: distinct([...chainsIn(data).map((chain) => word(chain.id)), ...words(data.chains), word(data.chain)]),
    rows: count(data.rows),
    bytes: count(data.bytes),
    duration_us: count(data.durationUs),
    data: JSON.stringify(envelope.data ?? null),
  };
}

function resourcesOf(data: Data, effects: readonly Data[]): string[] {
  const touched = effects.flatMap((effect) => [...words(effect.reads), ...words(effect.writes)]);
  const columns = items(data.columns).map((column) => word(column.resource));
  const steps = isData(data.chain) ? items(data.chain.steps).flatMap((step) => words(step.resources)) : [];
  return distinct([
    ...touched,
    ...words(data.resources),
    ...words(data.masks),
    word(data.resource),
    ...columns,
    ...steps,
  ]);
}

/** Whole ChainEvidence wherever an event carries it. */
function chainsIn(data: Data): Data[] {
  const single = isData(data.chain) ? [data.chain] : [];
  const all = [...single, ...items(data.chains), ...items(data.enforced), ...items(data.observed)];
  return all.filter((chain) => word(chain.id) !== "");
}

function stepCommands(chain: Data): string[] {
  return distinct(items(chain.steps).map((step) => word(step.command)));
}

function axesOf(row: TableRow, data: Data): [string, string][] {
  const single: [string, unknown][] = [
    ["identity", row.identity],
    ["account", row.account],
    ["target", row.target],
    ["session", row.session],
    ["task", row.task],
    ["command", row.command],
    ["grant", row.grant_id],
    ["approval", data.approval],
    ["key", data.keyId],
  ];
  const many: [string, string][] = [
    ...distinct(words(row.resources).flatMap(withTable)).map((value): [string, string] => ["resource", value]),
    ...words(row.chains).map((value): [string, string] => ["chain", value]),
  ];
  const named = single.flatMap(([axis, value]): [string, string][] => (word(value) ? [[axis, word(value)]] : []));
  return [...named, ...many];
}

/** A column is found under its table too. */
function withTable(resource: string): string[] {
  const hash = resource.indexOf("#");
  return hash < 0 ? [resource] : [resource, resource.slice(0, hash)];
}
