/**
 * What must be exact and fresh: approvals, grants, blocks, alerts and names, folded in memory over the log that this
 * process follows, from its first record. The same fold at boot and live; nothing of it comes from the store.
 *
 * Refuses a record whose source may not say its type. What this process says itself it sees only when it comes back
 * durable: `said` resolves then, so that whoever was answered reads what they wrote.
 */
import type { Entry } from "../../infra/log/entry.ts";
import { entryOf, foldedData, subjectOf } from "../../infra/log/fold.ts";
import { Ids } from "../../infra/log/ids.ts";
import type { Appender, Draft, Following, Log, LogRecord, Position } from "../../infra/log/log.ts";
import { People } from "../../infra/policy/people.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { catalogue, type EventType, maySay } from "../../schemas/event.ts";
import { Asked } from "./asked.ts";
import { Issued } from "./issued.ts";
import { Links } from "./linked.ts";
import { Placed } from "./placed.ts";
import { Proposals } from "./proposed.ts";
import { Raised } from "./raised.ts";

const comesBackMsMax = 10_000;
const outputIdsKept = 20_000;

/** Only these are parsed; everything else passes by unread. */
const folded = new Set<EventType>([
  "identity.logged_in",
  "identity.linked",
  "identity.unlinked",
  "grant.issued",
  "grant.revoked",
  "grant.expired",
  "session.opened",
  "session.closed",
  "approval.asked",
  "approval.answered",
  "approval.refused",
  "approval.expired",
  "approval.used",
  "block.placed",
  "block.enforced",
  "block.lifted",
  "block.expired",
  "chain.completed",
  "target.bypassed",
  "log.gap",
  "alert.raised",
  "alert.acknowledged",
  "alert.resolved",
  "alert.given_up",
  "policy.changed",
  "pipeline.proposed",
  "pipeline.accepted",
  "pipeline.withdrawn",
  "pipeline.declined",
  "pipeline.ran",
]);

/** Hears every folded entry too, in order, with its place in the log. */
export type Hearer = (entry: Entry, position: Position) => void;

export class State {
  readonly people = new People();
  readonly asked = new Asked(this.people);
  readonly issued = new Issued();
  readonly placed = new Placed();
  readonly raised = new Raised();
  readonly links = new Links();
  readonly proposals = new Proposals();
  readonly #appender: Appender;
  readonly #waiting = new Map<string, () => void>();
  readonly #following: Following;
  readonly #hear: Hearer;
  readonly #outputs = new Ids(outputIdsKept);
  #afterBatch: () => void = () => {};
  #caughtUp = false;
  #position: Position | null = null;

  constructor(log: Log, appender: Appender, hear: Hearer = () => {}) {
    this.#appender = appender;
    this.#hear = hear;
    this.#following = log.follow({ after: null, streams: ["steps", "events"] }, (records) => this.#take(records));
    this.#following.caughtUp.then(
      () => {
        this.#caughtUp = true;
        this.#afterBatch();
      },
      () => {},
    );
  }

  get caughtUp(): Promise<void> {
    return this.#following.caughtUp;
  }

  get isCaughtUp(): boolean {
    return this.#caughtUp;
  }

  /** Rejects when the log breaks or a record is forged. */
  get ended(): Promise<void> {
    return this.#following.ended;
  }

  /** Of the last record that was heard; null while there is none. */
  get position(): Position | null {
    return this.#position;
  }

  /** Called after every batch once the fold has caught up. */
  onBatch(listener: () => void): void {
    this.#afterBatch = listener;
    if (this.#caughtUp) listener();
  }

  /**
   * Appends, waits until it is durable and folded here. @returns the event's id
   * @param whenLate called when it does not come back in time; what is appended there stands behind it
   * @throws ThroughlineError `log.lost_connection` when it does not come back in time: then it may still be recorded
   */
  async said<T extends EventType>(
    draft: Draft<T>,
    whenLate: (append: <L extends EventType>(draft: Draft<L>) => void) => void = () => {},
  ): Promise<string> {
    const id = this.#appender.nextId(catalogue[draft.type].stream);
    const back = Promise.withResolvers<void>();
    this.#waiting.set(id, back.resolve);
    const late = setTimeout(() => {
      const what = `${draft.type} has not come back from the log in ${comesBackMsMax / 1_000} s; it may still be recorded`;
      const error = new ThroughlineError("log.lost_connection", what);
      try {
        whenLate((behind) => void this.#appender.append(behind));
        back.reject(error);
      } catch (cause) {
        back.reject(cause);
      }
    }, comesBackMsMax);
    try {
      this.#appender.append(draft);
      await back.promise;
      return id;
    } finally {
      clearTimeout(late);
      this.#waiting.delete(id);
    }
  }

  close(): Promise<void> {
    return this.#following.close();
  }

  /** Said before by another replica of the correlator. */
  #isRepeated({ role, envelope }: LogRecord): boolean {
    return role === "correlator" && !envelope.id.includes("/") && this.#outputs.has(envelope.id);
  }

  #take(records: readonly LogRecord[]): void {
    for (const record of records) {
      if (folded.has(record.type) && !this.#isRepeated(record)) this.#fold(entryFrom(record), record.position);
      this.#position = record.position;
      if (this.#waiting.size > 0 && record.source === this.#appender.source) this.#waiting.get(record.envelope.id)?.();
    }
    if (this.#caughtUp) this.#afterBatch();
  }

  #fold(entry: Entry, position: Position): void {
    this.people.fold(entry);
    this.asked.fold(entry);
    this.issued.fold(entry);
    this.placed.fold(entry);
    this.raised.fold(entry);
    this.links.fold(entry);
    this.proposals.fold(entry);
    this.#hear(entry, position);
  }
}

/** @throws ThroughlineError `log.refused` */
function entryFrom(record: LogRecord): Entry {
  const { type, role, source, atMs, envelope } = record;
  if (!maySay(role, type)) throw new ThroughlineError("log.refused", `${source} may not say ${type}`);
  const data = foldedData(type, envelope.data);
  return entryOf({ type, id: envelope.id, atMs, source, role, subject: subjectOf(envelope), data });
}
