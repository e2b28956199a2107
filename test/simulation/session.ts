/**
 * A client's session at a gateway, as the product's proxy does it without the bytes: ask the gate, wait for what must be
 * durable, forward, wait for the target, show, report. Transactions are followed by the product's own follower.
 */
import type { Command, CommandId, Reading } from "../../schemas/command.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { CommittedEffect } from "../../schemas/event-data.ts";
import type { Grant } from "../../schemas/identity.ts";
import type { Judgement } from "../../services/gateway/gate.ts";
import { commitReading } from "../../services/gateway/postgres/opaque.ts";
import { type Settled, Transaction } from "../../services/gateway/postgres/transaction.ts";
import type { Session } from "../../services/gateway/session.ts";
import { closeSession, openSession } from "../../services/gateway/sessions.ts";
import type { Gateway, Serving } from "./gateway.ts";
import type { Machine } from "./loop.ts";
import { judgedShared } from "./needs.ts";
import type { Statement } from "./plan.ts";
import type { Stage } from "./process.ts";
import type { Brought, Said, Target, Told } from "./target.ts";
import type { Fact } from "./truth.ts";

/** Whom a command is for, and by what it was judged. */
export type Doing = Pick<Fact, "gateway" | "identity" | "account" | "rules" | "needs">;

/** The rest of the play, as a session needs it. */
export interface Around {
  readonly stage: Stage;
  readonly target: Target;
  begins(session: string, command: string, doing: Doing): void;
  tell(machine: Machine, session: string, told: Told): Promise<Said>;
  hangUp(session: string): void;
  happened(kind: Fact["kind"], session: string, told: Told, by: string, news: readonly Brought[]): void;
}

export type Result = "ok" | "error" | "refused";

export class ClientSession {
  readonly session: Session;
  /** The run of the gateway that it is connected to. */
  readonly serving: Serving;
  readonly #play: Around;
  readonly #gateway: Gateway;
  readonly #transaction = new Transaction("I");

  private constructor(play: Around, gateway: Gateway, serving: Serving, session: Session) {
    this.#play = play;
    this.#gateway = gateway;
    this.serving = serving;
    this.session = session;
  }

  /** @throws ThroughlineError when the Grant is not known there */
  static async open(play: Around, gateway: Gateway, serving: Serving, grant: Grant["id"]): Promise<ClientSession> {
    const keys = {
      create: async () => Buffer.alloc(32, 1),
      get: async () => null,
      erase: async () => {},
      tenantKey: async () => Buffer.alloc(32, 7),
      close: async () => {},
    };
    const { feed, newId, machine } = serving;
    const appender = serving.run.shared("gateway");
    const commandsOf = (session: Session) => serving.gate.commandsOf(session);
    const parts = { appender, keys, grants: feed.grants, newId, now: machine.now, commandsOf, roleOf: () => "r" };
    const found = feed.grants.find(grant)?.grant;
    if (found === undefined) throw new ThroughlineError("login.failed", "not known yet");
    const facts = { wire: "postgres" as const, clientAddress: "127.0.0.1:5", application: "psql", tls: false };
    const session = await openSession(parts, found, facts);
    return new ClientSession(play, gateway, serving, session);
  }

  get inTransaction(): boolean {
    return this.#transaction.status !== "I";
  }

  close(): void {
    const { appender, feed, newId, machine, gate } = this.serving;
    const rest = { keys: null as never, roleOf: () => "", commandsOf: gate.commandsOf };
    const parts = { appender, grants: feed.grants, newId, now: machine.now, ...rest };
    closeSession(parts, this.session, { reason: "done", clientBytes: 0, targetBytes: 0 });
    this.#play.hangUp(this.session.id);
  }

  async command(statement: Statement): Promise<Result> {
    const { gate, newId, machine } = this.serving;
    const id = newId() as CommandId;
    for (let turn = 0; ; turn += 1) {
      const commits = statement.kind === "commit" ? this.#transaction.commits() : [];
      const command = this.#command(id, statement, commits);
      const judgement = await gate.judge(this.session, command, commits, this.inTransaction);
      const { ruling } = judgement.verdict;
      if (ruling === "allow" || ruling === "mask") return this.#run(statement, judgement);
      await this.#durable(judgement);
      if (ruling === "block" || judgement.held === null || turn > 3) return this.#refused();
      const answer = await judgement.held.settled;
      if (answer !== "approved") return this.#refused();
      await machine.sleep(1);
    }
  }

  #command(id: CommandId, { text, effects, opaque, kind }: Statement, commits: readonly CommittedEffect[]): Command {
    const reading: Reading = {
      effects,
      opaque: opaque ? "dice" : null,
      transaction: { kind },
      undoable: !opaque,
      shows: [],
      outputs: [],
      reveals: [],
      changes: [],
      resolution: "r0",
      fingerprint: text,
      statements: [kind],
    };
    const whole = commits.length === 0 ? reading : commitReading(reading, commits);
    return { id, session: this.session.id, kind: "query", text, parameters: [], reading: whole };
  }

  #refused(): Result {
    // The target was told a text that cannot parse: a transaction is failed.
    if (this.inTransaction) this.#play.target.execute(this.session.id, failing);
    if (this.inTransaction) this.#transaction.ready("E");
    return "refused";
  }

  async #run(statement: Statement, judgement: Judgement): Promise<Result> {
    const { bugs } = this.#play.stage;
    const early = judgement.approved === null && this.#mayRunBeforeRecord(judgement.command.reading);
    const { machine, gate } = this.serving;
    if (!early && !bugs.has("forwards-unrecorded")) {
      const waited = !gate.isDurable(this.session, judgement.ticket);
      await this.#durable(judgement);
      if (waited && gate.mayStart(this.session, judgement) !== null) return this.#unrun(judgement);
    }
    const told = {
      command: judgement.command.id,
      effects: judgement.command.reading.effects,
      kind: statement.kind,
      undoable: judgement.command.reading.undoable,
      fails: statement.fails,
    };
    const step = {
      id: judgement.command.id,
      control: judgement.command.reading.transaction,
      effects: told.effects,
      opaque: judgement.command.reading.opaque !== null,
      undoable: told.undoable,
      approved: judgement.approved,
    };
    this.#play.begins(this.session.id, judgement.command.id, this.#fact(judgement));
    const said = await this.#play.tell(machine, this.session.id, told);
    const isOutdated = said.ok && !gate.mayShow(this.session, judgement);
    const settled = said.ok ? this.#transaction.ran(step, statement.kind) : this.#transaction.failed(step);
    const more = this.#transaction.ready(said.status);
    if (said.ok && !bugs.has("shows-unrecorded")) await this.#durable(judgement);
    const shows = said.ok && told.effects.some(({ operation }) => operation === "read") && statement.kind === "none";
    if (shows && !isOutdated) this.#play.happened("shown", this.session.id, told, judgement.command.id, []);
    this.#finished(judgement, said.ok, sum(settled, more), said.ok && !isOutdated);
    if (isOutdated) throw new ThroughlineError("result.outdated", "the session ends");
    return said.ok ? "ok" : "error";
  }

  /** What was placed or tagged while it waited stops it: it never runs. */
  #unrun(judgement: Judgement): Result {
    const { id } = judgement.command;
    this.#finished(judgement, false, { undone: [id], lasted: [] }, false);
    return this.#refused();
  }

  #finished(judgement: Judgement, ok: boolean, settled: Settled, shown: boolean): void {
    const outcome = ok ? ("ok" as const) : ("error" as const);
    const about = { rows: 0, bytes: 0, tag: "", code: ok ? null : "22000", durationUs: 0, shown };
    this.serving.gate.finished(this.session, judgement, { outcome, ...about, ...settled });
  }

  /** As judged.ts of the product decides it. */
  #mayRunBeforeRecord({ opaque, transaction, effects, undoable }: Reading): boolean {
    if (opaque !== null || transaction.kind === "commit") return false;
    if (transaction.kind !== "none") return effects.length === 0;
    if (!undoable) return false;
    return effects.every(({ operation }) => operation === "read") || this.#transaction.status === "T";
  }

  #durable({ ticket }: Judgement): Promise<void> {
    const { gate } = this.serving;
    if (gate.isDurable(this.session, ticket)) return Promise.resolve();
    return new Promise((resolve) => {
      const stop = gate.onDurable(() => {
        if (!gate.isDurable(this.session, ticket)) return;
        stop();
        resolve();
      });
    });
  }

  #fact({ command }: Judgement): Doing {
    const { grant } = this.session;
    const { catalog, digest } = this.serving.rules;
    const needs = judgedShared(this.serving.rules, catalog, command.reading) ? ("shared" as const) : ("local" as const);
    const about = { identity: grant.identity.key, account: grant.account, rules: digest };
    return { gateway: this.#gateway.machine.name, ...about, needs };
  }
}

const failing = { command: "", effects: [], kind: "none" as const, undoable: true, fails: true };

function sum(one: Settled, other: Settled): Settled {
  return { undone: [...one.undone, ...other.undone], lasted: [...one.lasted, ...other.lasted] };
}
