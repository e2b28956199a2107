/**
 * Log records as rows of the store's tables (schemas/tables.sql). Pure.
 *
 * Refuses nothing: an event type that this version does not know still becomes a row, by its envelope. Makes no row of
 * what carries no act (clock ticks, signed heads): the log has them, `throughline verify` reads them there.
 * Cannot see clear text: that is given to it by the projector.
 */
import type { LogRecord } from "../log/log.ts";
import { blockBytes, MaybeTextColumn, NumberColumn, TextColumn, TextsColumn } from "./block.ts";
import { classOf, deleteOnDay, type Retention } from "./retention.ts";
import type { ClearText } from "./store.ts";

/** The rows of one table. */
export interface TableRows {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: number;
  /** A block in ClickHouse's format `Native`, in pieces. */
  readonly bytes: readonly Uint8Array[];
}

const withoutRow = new Set<string>(["clock.ticked", "gateway.followed", "log.checkpoint"]);

type Data = Readonly<Record<string, unknown>>;

const isData = (value: unknown): value is Data => typeof value === "object" && value !== null && !Array.isArray(value);
const word = (value: unknown): string => (typeof value === "string" ? value : "");
const count = (value: unknown): number =>
  typeof value === "number" && value > 0 ? Math.min(Math.floor(value), Number.MAX_SAFE_INTEGER) : 0;
const words = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
const items = (value: unknown): Data[] => (Array.isArray(value) ? value.filter(isData) : []);
const distinct = (values: readonly string[]): string[] => [...new Set(values.filter((value) => value !== ""))];

export class Rows {
  readonly #place: (record: LogRecord) => string;
  readonly #retention: Retention;
  readonly #events = eventColumns();
  readonly #axes = { axis: new TextColumn(), value: new TextColumn(), position: new TextColumn(), delete_on: day() };
  readonly #chainCommands = { chain: new TextColumn(), command: new TextColumn() };
  readonly #identities = {
    identity: new TextColumn(),
    name: new TextColumn(),
    kind: new TextColumn(),
    at: new NumberColumn("DateTime64(3, 'UTC')"),
  };
  readonly #texts = {
    session: new TextColumn(),
    position: new TextColumn(),
    text: new TextColumn(),
    parameters: new MaybeTextColumn(),
    delete_on: day(),
  };
  readonly #count = { events: 0, axes: 0, chain_commands: 0, identities: 0, texts: 0 };

  /** @param place the position as a column: text that orders as the log does */
  constructor(place: (record: LogRecord) => string, retention: Retention) {
    this.#place = place;
    this.#retention = retention;
  }

  /** In log order. @param clear its clear text, where it has any */
  add(record: LogRecord, clear: ClearText | undefined): void {
    if (withoutRow.has(record.type)) return;
    const { envelope } = record;
    const data: Data = isData(envelope.data) ? envelope.data : {};
    const position = this.#place(record);
    const ruling = word(data.ruling);
    const deleteOn = deleteOnDay(this.#retention, classOf(record.type, ruling), record.atMs);
    this.#addEvent(record, data, position, deleteOn);
    for (const chain of chainsIn(data)) {
      for (const command of stepCommands(chain)) this.#addChainCommand(word(chain.id), command);
      if (envelope.command) this.#addChainCommand(word(chain.id), envelope.command);
    }
    if (isData(data.identity) && word(data.identity.key) !== "") this.#addIdentity(data.identity, record.atMs);
    if (clear) this.#addText(envelope.session ?? "", position, clear, deleteOn);
  }

  /** Axes, names and clear text first, events last: what the events say is in, is in. */
  tables(): TableRows[] {
    const count = this.#count;
    return [
      tableRows("identities", this.#identities, count.identities),
      tableRows("texts", this.#texts, count.texts),
      tableRows("chain_commands", this.#chainCommands, count.chain_commands),
      tableRows("axes", this.#axes, count.axes),
      tableRows("events", this.#events, count.events),
    ].filter(({ rows }) => rows > 0);
  }

  #addEvent(record: LogRecord, data: Data, position: string, deleteOn: number): void {
    const { envelope } = record;
    const to = this.#events;
    const effects = items(data.effects);
    const acts = {
      identity: envelope.identity ?? (isData(data.identity) ? word(data.identity.key) : ""),
      account: envelope.account ?? word(data.account),
      target: envelope.target ?? word(data.target),
      session: envelope.session ?? "",
      task: envelope.task ?? (isData(data.task) ? word(data.task.id) : ""),
      command: envelope.command ?? "",
      grant: envelope.grantid ?? word(data.grant),
    };
    const resources = resourcesOf(data, effects);
    const chains = distinct([...chainsIn(data).map(({ id }) => word(id)), ...words(data.chains), word(data.chain)]);
    to.position.add(position);
    to.id.add(envelope.id);
    to.at.add(record.atMs);
    to.tenant.add(envelope.tenant);
    to.type.add(record.type);
    to.source.add(record.source);
    to.stream.add(record.stream);
    to.sequence.add(record.sequence);
    to.session.add(acts.session);
    to.command.add(acts.command);
    to.identity.add(acts.identity);
    to.account.add(acts.account);
    to.task.add(acts.task);
    to.target.add(acts.target);
    to.grant_id.add(acts.grant);
    to.client_address.add(envelope.clientaddress ?? "");
    to.ruling.add(word(data.ruling));
    to.operations.add(distinct(effects.map((effect) => word(effect.operation))));
    to.resources.add(resources);
    to.chains.add(chains);
    to.rows.add(count(data.rows));
    to.bytes.add(count(data.bytes));
    to.duration_us.add(count(data.durationUs));
    to.data.add(JSON.stringify(envelope.data ?? null));
    to.delete_on.add(deleteOn);
    this.#count.events += 1;
    for (const axis in acts) this.#addAxis(axis, acts[axis as keyof typeof acts], position, deleteOn);
    this.#addAxis("approval", word(data.approval), position, deleteOn);
    this.#addAxis("key", word(data.keyId), position, deleteOn);
    for (const resource of withTables(resources)) this.#addAxis("resource", resource, position, deleteOn);
    for (const chain of chains) this.#addAxis("chain", chain, position, deleteOn);
    if (isOutput(record)) this.#addAxis("output", envelope.id, position, deleteOn);
  }

  #addAxis(axis: string, value: string, position: string, deleteOn: number): void {
    if (value === "") return;
    const to = this.#axes;
    to.axis.add(axis);
    to.value.add(value);
    to.position.add(position);
    to.delete_on.add(deleteOn);
    this.#count.axes += 1;
  }

  #addChainCommand(chain: string, command: string): void {
    this.#chainCommands.chain.add(chain);
    this.#chainCommands.command.add(command);
    this.#count.chain_commands += 1;
  }

  #addIdentity(identity: Data, atMs: number): void {
    this.#identities.identity.add(word(identity.key));
    this.#identities.name.add(word(identity.name));
    this.#identities.kind.add(word(identity.kind));
    this.#identities.at.add(atMs);
    this.#count.identities += 1;
  }

  #addText(session: string, position: string, clear: ClearText, deleteOn: number): void {
    this.#texts.session.add(session);
    this.#texts.position.add(position);
    this.#texts.text.add(clear.text);
    this.#texts.parameters.add(clear.parameters);
    this.#texts.delete_on.add(deleteOn);
    this.#count.texts += 1;
  }
}

/** Whether the event brought its own id, a hash of evidence, which a replica or a replay says again. */
export function isOutput(record: LogRecord): boolean {
  return !String(record.envelope.id).startsWith(`${record.source}/`);
}

const day = () => new NumberColumn("Date");

function eventColumns() {
  const text = () => new TextColumn();
  const number = () => new NumberColumn("UInt64");
  return {
    position: text(),
    id: text(),
    at: new NumberColumn("DateTime64(3, 'UTC')"),
    tenant: text(),
    type: text(),
    source: text(),
    stream: text(),
    sequence: number(),
    session: text(),
    command: text(),
    identity: text(),
    account: text(),
    task: text(),
    target: text(),
    grant_id: text(),
    client_address: text(),
    ruling: text(),
    operations: new TextsColumn(),
    resources: new TextsColumn(),
    chains: new TextsColumn(),
    rows: number(),
    bytes: number(),
    duration_us: number(),
    data: text(),
    delete_on: day(),
  };
}

function tableRows(table: string, columns: Parameters<typeof blockBytes>[0], rows: number): TableRows {
  return { table, columns: Object.keys(columns), rows, bytes: rows === 0 ? [] : blockBytes(columns, rows) };
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

/** A column is found under its table too. */
function withTables(resources: readonly string[]): Iterable<string> {
  const all = new Set(resources);
  for (const resource of resources) {
    const hash = resource.indexOf("#");
    if (hash > 0) all.add(resource.slice(0, hash));
  }
  return all;
}
