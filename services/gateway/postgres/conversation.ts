/**
 * One session between login and close, as its parts share it: what was asked, what is still to be answered, what
 * names mean, what may leave. Holds no decision; client-side.ts and target-side.ts act on it.
 */
import type { Ticket } from "../../../infra/log/log.ts";
import type { CommandId, Reading, ResourceUri } from "../../../schemas/command.ts";
import { ThroughlineError } from "../../../schemas/errors.ts";
import type { Reader } from "../effects/reader.ts";
import type { Gate } from "../gate.ts";
import type { Session } from "../session.ts";
import { Asked, question, questionReplies } from "./asked.ts";
import { nameKey } from "./codec.ts";
import type { Definitions, Party } from "./definitions.ts";
import { Masking } from "./masking.ts";
import { sync } from "./messages.ts";
import { Names } from "./names.ts";
import { Outlet } from "./outlet.ts";
import { Prepared } from "./prepared.ts";
import { Replies } from "./replies.ts";
import { TargetSide } from "./target-side.ts";
import { Transaction } from "./transaction.ts";
import type { Wire } from "./wire.ts";
import { Outbox } from "./withhold.ts";

export interface ProxyParts {
  readonly gate: Gate;
  readonly reader: Reader;
  /** Of the target, shared by its sessions. */
  readonly definitions: Definitions;
  /** Milliseconds; fractions count. */
  readonly now: () => number;
  readonly nextCommandId: () => CommandId;
  /** Tags of a resource by catalog and by travel: they choose the form of a mask. */
  readonly tagsOf: (resource: ResourceUri) => readonly string[];
  readonly bounds: {
    readonly statementBytesMax: number;
    readonly wireBufferBytesMax: number;
    readonly withheldBytesMax: number;
  };
}

export class Conversation {
  readonly wire: Wire;
  readonly parts: ProxyParts;
  readonly session: Session;
  readonly gate: Gate;
  readonly outbox: Outbox;
  readonly outlet: Outlet;
  readonly replies = new Replies();
  readonly prepared = new Prepared();
  readonly transaction: Transaction;
  readonly names: Names;
  readonly masking: Masking;
  /** This session among those of its target. */
  readonly party: Party;
  /** Read, and neither forwarded, refused nor held yet. */
  asking: Reading | null = null;
  readonly target: TargetSide;
  /** Commands that were judged. */
  commands = 0;
  /** Set while a command is held: the client went away, the session must end, or its batch has failed. */
  interrupt: (() => void) | null = null;
  /** Nobody is there any more to wait for people. */
  gone = false;
  /** Nothing reaches the target any more. */
  over = false;
  #waiting: { ticket: Ticket; go: () => void }[] = [];

  constructor(wire: Wire, parts: ProxyParts, outletDrained: () => void) {
    const { session } = wire;
    this.wire = wire;
    this.parts = parts;
    this.session = session;
    this.gate = parts.gate;
    this.transaction = new Transaction(wire.transactionStatus);
    this.names = new Names({ session, reader: parts.reader });
    this.masking = new Masking({ reader: parts.reader, names: this.names, tagsOf: parts.tagsOf });
    this.party = parts.definitions.join({
      underWay: () => this.#underWay(),
      searchPath: () => this.names.context.searchPath.map((name) => (name === "$user" ? session.role : name)),
    });
    this.outlet = new Outlet(wire.target, outletDrained);
    this.outbox = new Outbox({
      client: wire.client,
      isDurable: (ticket) => parts.gate.isDurable(session, ticket),
      bytesMax: parts.bounds.withheldBytesMax,
      pressed: (paused) => (paused ? wire.target.pause() : wire.target.resume()),
      // A result without an end has one when nobody reads it, as without us.
      vain: () => wire.cancelTarget(),
    });
    this.replies.onSkipping = () => this.interrupt?.();
    this.target = new TargetSide({ ...this, now: parts.now, parameters: wire.parameters });
  }

  /** The log has synced: what waited for it goes on. */
  synced(): void {
    this.outbox.release();
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    const done = waiting.filter(({ ticket }) => this.gate.isDurable(this.session, ticket));
    this.#waiting = waiting.filter((one) => !done.includes(one));
    for (const { go } of done) go();
  }

  /** The client went away, or the session is over: what is held is given up, and so is what would be from now on. */
  leave(): void {
    this.gone = true;
    this.interrupt?.();
  }

  /** The session is over: what waits here for its record never runs, and says so. */
  end(): void {
    this.over = true;
    this.leave();
    for (const { go } of this.#waiting.splice(0)) go();
  }

  /** @returns null when it is durable already */
  durable(ticket: Ticket): Promise<void> | null {
    if (this.gate.isDurable(this.session, ticket)) return null;
    return new Promise((go) => this.#waiting.push({ ticket, go }));
  }

  /** A transaction is open at the target, its own or the implicit one of a pipeline. */
  get inTransaction(): boolean {
    return this.transaction.status !== "I" || this.outlet.executed;
  }

  #underWay(): Reading[] {
    const found = this.asking === null ? [] : [this.asking];
    this.replies.some(({ run }) => {
      if (run !== undefined) found.push(run.judgement.command.reading);
      return false;
    });
    return found;
  }

  /** Everything that was forwarded has been answered. */
  drained(): Promise<void> {
    this.outlet.urge();
    return this.replies.drained();
  }

  /** What must be known before the next message is read; null when it is. */
  readable(): Promise<void> | null {
    return this.names.sure && this.names.catalogKnown && !this.parts.reader.stale ? null : this.#learn();
  }

  /**
   * Reads a text; once more when the reading found that the catalog may be too old for it (an unknown name).
   * Unless our own uncommitted definitions may lock what the catalog's reader wants to see: it would wait for us.
   */
  fresh(read: () => Reading, go: (reading: Reading) => void | Promise<void>): void | Promise<void> {
    const { reader } = this.parts;
    const reading = read();
    if (this.names.defining || !this.names.catalogKnown) return go(reading);
    const wait = reader.stale ? this.refresh() : this.#renewed(reading);
    if (wait === null) return go(reading);
    return wait.then(() => (this.replies.skipping ? undefined : go(read())));
  }

  /**
   * Loads the catalog again. Where that fails nothing is read with the old one: this command is opaque, and the next one
   * tries again.
   */
  refresh(force = false): Promise<void> {
    return this.#known(this.parts.reader.refresh(force));
  }

  #renewed(reading: Reading): Promise<void> | null {
    const wait = this.parts.reader.renewed(this.names.asMade(reading));
    return wait === null ? null : this.#known(wait);
  }

  async #known(load: Promise<void>): Promise<void> {
    try {
      await load;
      this.names.catalogKnown = true;
    } catch (error) {
      if (!(error instanceof ThroughlineError) || error.kind === "bug") throw error;
      this.names.catalogKnown = false;
    }
  }

  async #learn(): Promise<void> {
    const { reader } = this.parts;
    await this.drained();
    if (this.replies.skipping) return;
    if ((reader.stale || !this.names.catalogKnown) && !this.names.defining) await this.refresh();
    if (this.names.sure || this.transaction.status === "E") return;
    const asked = this.#ask(this.names.questions());
    const answers = await asked.done;
    if (answers === null) {
      if (this.replies.skipping)
        throw new ThroughlineError("target.unreachable", "the target did not answer the gateway");
      return this.names.unanswered();
    }
    const known = this.names.answered(answers);
    if (known !== null) this.prepared.restore(known.map(([name, text]) => [nameKey(name) ?? "", text]));
  }

  /** Nothing is outstanding. Inside a batch there is no Sync of ours: it would end the client's implicit transaction. */
  #ask(questions: readonly string[]): Asked {
    const asked = new Asked();
    const inBatch = this.outlet.batchOpen;
    for (const text of questions) {
      for (const kind of questionReplies) this.replies.push({ kind, asked });
      this.outlet.extended(question(text));
    }
    if (inBatch) this.outlet.urge();
    else {
      this.replies.push({ kind: "sync", asked });
      this.outlet.final(sync());
    }
    this.target.attend();
    this.outlet.send();
    return asked;
  }
}
