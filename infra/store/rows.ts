/**
 * Log records as rows of the store's tables (schemas/tables.sql). Pure.
 *
 * Refuses nothing: an event type that this version does not know still becomes a row, by its envelope. Makes no row of
 * what carries no act (clock ticks, signed heads): the log has them, `throughline verify` reads them there.
 * Cannot see clear text: that is given to it by the projector.
 */
import type { LogRecord } from "../log/log.ts";
import { blockBytes, MaybeTextColumn, NumberColumn, TextColumn, TextsColumn } from "./block.ts";
import { chainsIn, count, type Data, type Facts, factsOf, isData, stepCommands, withTables, word } from "./facts.ts";
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
    const facts = factsOf(envelope);
    const { data } = facts;
    const position = this.#place(record);
    const deleteOn = deleteOnDay(this.#retention, classOf(record.type, facts.ruling), record.atMs);
    this.#addEvent(record, facts, position, deleteOn);
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

  #addEvent(record: LogRecord, facts: Facts, position: string, deleteOn: number): void {
    const { envelope } = record;
    const { data, acts, ruling, operations, resources, chains } = facts;
    const to = this.#events;
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
    to.ruling.add(ruling);
    to.operations.add(operations);
    to.resources.add(resources);
    to.chains.add(chains);
    to.rows.add(count(data.rows));
    to.bytes.add(count(data.bytes));
    to.duration_us.add(count(data.durationUs));
    to.event.addBytes(record.json);
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
    event: text(),
    delete_on: day(),
  };
}

function tableRows(table: string, columns: Parameters<typeof blockBytes>[0], rows: number): TableRows {
  return { table, columns: Object.keys(columns), rows, bytes: rows === 0 ? [] : blockBytes(columns, rows) };
}
