/** A gate and a reader whose every answer the test decides; the durability of records above all. */
import type { Ticket } from "../../infra/log/log.ts";
import type { Command, Effect, Operation, Reading, ResourceUri, TransactionControl } from "../../schemas/command.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { CommittedEffect, EventData } from "../../schemas/event-data.ts";
import { allowed, type Verdict } from "../../schemas/verdict.ts";
import type { Content } from "../../services/gateway/content.ts";
import type { NameContext, Reader } from "../../services/gateway/effects/reader.ts";
import type { Gate, Held, Judgement, Outcome, Previewed } from "../../services/gateway/gate.ts";
import type { Session } from "../../services/gateway/session.ts";

export const uri = (path: string): ResourceUri => path as ResourceUri;

export function effect(operation: Operation, resource = "orders/public.t"): Effect {
  const reads = operation === "read" || operation === "transfer" ? [uri(resource)] : [];
  return { operation, reads, writes: reads.length > 0 ? [] : [uri(resource)], ends: [], destroys: false };
}

export function reading(partial: Partial<Reading> = {}): Reading {
  return {
    effects: [],
    opaque: null,
    transaction: { kind: "none" },
    undoable: true,
    shows: [],
    outputs: [],
    reveals: [],
    changes: [],
    resolution: "r1",
    fingerprint: "f1",
    statements: [],
    ...partial,
  };
}

const controls: Record<string, TransactionControl["kind"]> = {
  BEGIN: "begin",
  COMMIT: "commit",
  ROLLBACK: "rollback",
};

function guess(text: string): Reading {
  const [word = "", second = "", third = ""] = text.trim().split(/\s+/);
  const statements = [word];
  if (word === "ROLLBACK" && second === "TO") return reading({ transaction: { kind: "rollback-to", name: third } });
  if (word === "SAVEPOINT") return reading({ transaction: { kind: "savepoint", name: second } });
  const control = controls[word];
  if (control !== undefined) return reading({ transaction: { kind: control } as TransactionControl, statements });
  if (word === "SELECT" || word === "SHOW") return reading({ effects: [effect("read")], statements });
  if (word === "SET") return reading({ changes: ["settings"], statements });
  if (word === "INSERT" || word === "UPDATE") return reading({ effects: [effect("write")], statements });
  if (word === "DELETE") return reading({ effects: [{ ...effect("delete"), destroys: true }], statements });
  if (word === "CREATE" || word === "DROP") {
    return reading({ effects: [effect("define", `orders/public.${third}`)], changes: ["definitions"], statements });
  }
  return reading({ opaque: "not read", undoable: false, effects: [effect("write", "orders")], statements });
}

export class FakeReader implements Reader {
  readonly texts = new Map<string, Reading>();
  readonly asked: { text: string; names: NameContext }[] = [];
  sources: (oid: number, attribute: number) => readonly ResourceUri[] | null = () => [];
  refreshed = 0;
  stale = false;

  read(text: string, names: NameContext): Reading {
    this.asked.push({ text, names });
    let found = this.texts.get(text);
    if (found === undefined) {
      found = guess(text);
      this.texts.set(text, found);
    }
    return found;
  }
  sourcesOf(oid: number, attribute: number): readonly ResourceUri[] | null {
    return this.sources(oid, attribute);
  }
  canRead(): boolean {
    return true;
  }
  resources(): readonly ResourceUri[] {
    return [];
  }
  renewed(): null {
    return null;
  }
  outdate(): void {
    this.stale = true;
  }
  async refresh(): Promise<void> {
    this.refreshed += 1;
    this.stale = false;
  }
}

export class FakeHeld implements Held {
  readonly approval = "a1";
  readonly address = "http://console/approvals/a1";
  readonly mode: "wait" | "retry";
  readonly untilMs = 0;
  readonly settled: Promise<"approved" | "refused" | "expired">;
  gaveUp = false;
  answer: (answer: "approved" | "refused" | "expired") => void = () => undefined;

  constructor(mode: "wait" | "retry") {
    this.mode = mode;
    this.settled = new Promise((resolve) => {
      this.answer = resolve;
    });
  }
  giveUp(): void {
    this.gaveUp = true;
  }
}

export const block: Verdict = {
  ruling: "block",
  stage: "deny",
  because: ["no-deletes"],
  sentence: "Deleting is not permitted here.",
  masks: [],
};
export const hold: Verdict = {
  ...block,
  ruling: "hold",
  because: ["chain-rule"],
  sentence: "It would complete a chain.",
};

export class FakeGate implements Gate {
  /** Every record is durable at once; false: when the test says `sync()`. */
  instant = true;
  verdict: (command: Command) => Verdict = () => allowed;
  preview_: (command: Command) => Verdict = () => allowed;
  showing = true;
  scrubbing = false;
  /** The log takes nothing more. */
  full = false;
  nextHeld: FakeHeld | null = null;
  readonly judged: { command: Command; commits: readonly CommittedEffect[]; inTransaction: boolean }[] = [];
  readonly done: { text: string; id: string; outcome: Outcome }[] = [];
  readonly failed: Command[] = [];
  content: Content | null = null;
  readonly maskCounts: EventData["output.masked"]["columns"][] = [];
  readonly #listeners = new Set<() => void>();
  #last: Ticket = 0;
  #durable: Ticket = 0;

  judge(_: Session, command: Command, commits: readonly CommittedEffect[], inTransaction: boolean): Judgement {
    this.judged.push({ command, commits, inTransaction });
    const verdict = this.verdict(command);
    const held = verdict.ruling === "hold" ? (this.nextHeld ?? new FakeHeld("retry")) : null;
    return { command, verdict, ticket: ++this.#last, held, approved: null };
  }
  preview(_: Session, command: Command): Previewed {
    const verdict = this.preview_(command);
    return { verdict, ticket: verdict.ruling === "block" ? ++this.#last : 0 };
  }
  recordFailed(_: Session, command: Command): Ticket {
    if (this.full) throw new ThroughlineError("log.full", "the disk of the log is full");
    this.failed.push(command);
    return ++this.#last;
  }
  finished(_: Session, judgement: Judgement, outcome: Outcome): void {
    this.done.push({ text: judgement.command.text, id: judgement.command.id, outcome });
  }
  masked(_: Session, __: Judgement, columns: EventData["output.masked"]["columns"]): void {
    this.maskCounts.push(columns);
  }
  /** What a test refuses after the wait for a record. */
  late: Verdict | null = null;
  mayStart(): Verdict | null {
    return this.late;
  }
  isDurable(_: Session, ticket: Ticket): boolean {
    return this.instant || ticket <= this.#durable;
  }
  onDurable(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  scrubs(): boolean {
    return this.scrubbing;
  }
  mayShow(): boolean {
    return this.showing;
  }
  /** The log has synced everything that was judged so far. */
  sync(): void {
    this.#durable = this.#last;
    for (const listener of [...this.#listeners]) listener();
  }
  get listeners(): number {
    return this.#listeners.size;
  }
}
