/**
 * A small gateway for random streams: turns dice into records that a real one could have written, folds them into the
 * engine, keeps the same history for the oracle, and compares every answer.
 */
import assert from "node:assert/strict";
import { createCatalog } from "../../infra/catalog.ts";
import type { Entry } from "../../infra/log/entry.ts";
import type { Effect, ResourceUri, TransactionControl } from "../../schemas/command.ts";
import type { CommittedEffect } from "../../schemas/event-data.ts";
import type { PipelineText } from "../../schemas/pipeline.ts";
import type { Correlator } from "../../services/correlator/correlator.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import type { Output } from "../../services/correlator/outputs.ts";
import { isLasting } from "../../services/correlator/step.ts";
import type { Dice } from "./dice.ts";
import { type Expected, expectedOf, type OpenPart, saidOf } from "./expected.ts";
import type { Event, Untag, World } from "./oracle.ts";
import type { Declared } from "./oracle-pipelines.ts";
import { People } from "./people.ts";
import { randomEffects } from "./random-effects.ts";
import { effectOf, fingerprints } from "./random-pipeline.ts";
import type { RandomRule } from "./random-rule.ts";
import type { catalogs } from "./scenery.ts";
import { newSession, type Running, type Session } from "./session.ts";
import { Library } from "./tested.ts";

/** What a stream has around it; usually nothing is declared, and nothing is known of the rule. */
export interface Around {
  readonly pipelines: readonly PipelineText[];
  readonly library: Library;
}
const usual: Around = { pipelines: [], library: new Library(false) };

export class Simulation {
  readonly entries: Entry[] = [];
  readonly outputs: Output[] = [];
  readonly #dice: Dice;
  readonly #rule: RandomRule;
  readonly #library: Library;
  readonly #declared: Declared;
  /** Which declared command comes next, as far as anybody keeps to it. */
  #due = 0;
  #correlator: Correlator;
  readonly #waiting: Entry[] = [];
  readonly #sessions: Session[];
  readonly #events: Event[] = [];
  readonly #people = new People();
  readonly #open = (data: object): string => this.#fold({ type: "session.opened", subject: {}, data });
  readonly #untags: Untag[] = [];
  readonly #tagsOf: (resource: string) => readonly string[];
  #count = 0;
  #atMs = 1_000;
  /** How many answers named a chain: a run that never finds one proves nothing. */
  found = 0;
  /** Answers compared with the oracle's. */
  compared = 0;

  /** @param library may know the rule already */
  constructor(
    dice: Dice,
    rule: RandomRule,
    catalog: (typeof catalogs)[number],
    { pipelines, library }: Around = usual,
  ) {
    const isDeclared = pipelines.length > 0;
    // Just before a window begins, or some time in one that began before anything was declared.
    if (isDeclared) this.#atMs = [120_000, 120_000, 120_000, 119_500, 135_000][dice(5)]!;
    this.#declared = { pipelines, sinceMs: this.#atMs };
    this.#dice = dice;
    this.#rule = rule;
    this.#tagsOf = createCatalog(catalog).tagsOf;
    this.#library = library;
    this.#sessions = [0, 1, 2, 3].map((number) => newSession(dice, number, isDeclared));
    const declared = isDeclared ? { "pipelines.yaml": JSON.stringify(pipelines) } : {};
    const files = { "rules/r.yml": rule.text, "catalog.yaml": JSON.stringify(catalog), ...declared };
    const data = { digest: "", engine: engineVersion, files };
    const policy = this.#next({ type: "policy.changed", subject: {}, data });
    this.#correlator = library.open(policy, this.#emit);
    this.#people.arrive(rule.text, this.#sessions, this.#open);
  }

  get digest(): string {
    return this.#correlator.digest();
  }

  step(): void {
    const dice = this.#dice;
    this.#atMs += [0, 0, 400, 1_000, 2_500][dice(5)] ?? 0;
    const session = this.#sessions[dice(this.#sessions.length)]!;
    if (this.#declared.pipelines.length > 0 && dice(4) > 0) {
      this.#keepTo();
      return;
    }
    const what = dice(24);
    if (what === 0) this.#restart();
    else if (what === 1 && dice(3) > 0) this.#link();
    else if (what === 1) this.#say({ type: "identity.unlinked", data: this.#people.unlink(dice) });
    else if (what === 2 && dice(3) === 0) this.#untag();
    else if (what < 6 && session.running) this.#advance(session);
    else {
      while (session.running) this.#advance(session);
      if (session.open === null && what < 9) this.#command(session, "begin", []);
      else if (session.open !== null && what < 10) this.#command(session, "commit", []);
      else if (session.open !== null && what < 12) this.#command(session, "rollback", []);
      else this.#command(session, "none", randomEffects(this.#dice));
    }
  }

  /** Somebody does what is declared next, or something like it; then as a rule it is over at once. */
  #keepTo(): void {
    const dice = this.#dice;
    if (dice(25) === 0) this.#atMs += 20_000;
    const { steps } = this.#declared.pipelines[dice(this.#declared.pipelines.length)]!;
    const step = steps[this.#due % steps.length]!;
    this.#due = dice(8) === 0 ? 0 : this.#due + 1;
    const isMeant = ({ account, identity }: Session) =>
      account === step.account && [step.identity].flat().includes(identity);
    const session = this.#sessions.find(isMeant) ?? this.#sessions[dice(this.#sessions.length)]!;
    const inTurn = (kind: "none" | "begin" | "commit", effects: readonly Effect[], text?: string) => {
      while (session.running) this.#advance(session);
      this.#command(session, kind, effects, text);
    };
    if (session.open === null && dice(4) === 0) inTurn("begin", []);
    inTurn("none", effectOf(dice, step), [step.fingerprint].flat()[0]);
    while (session.running && dice(6) > 0) this.#advance(session);
    if (session.open !== null && dice(3) === 0) inTurn("commit", []);
  }

  #next(draft: Record<string, unknown> & Pick<Entry, "type" | "subject">): Entry {
    this.#count += 1;
    const id = `e${this.#count}`;
    const entry = { id, atMs: this.#atMs, source: "gateway/g", role: "gateway", ...draft } as Entry;
    this.entries.push(entry);
    return entry;
  }

  /** What a fold appends comes behind it, as in the log. */
  #fold(draft: Record<string, unknown> & Pick<Entry, "type" | "subject">): string {
    const entry = this.#next(draft);
    this.#waiting.push(entry);
    if (this.#waiting.length > 1) return entry.id;
    for (const next of this.#waiting) this.#correlator.fold(next);
    this.#waiting.length = 0;
    return entry.id;
  }

  readonly #emit = (output: Output): void => {
    this.outputs.push(output);
    this.#fold({ ...output, source: "correlator/c", role: "correlator" });
  };

  /** Another correlator takes its place, from a snapshot and the rest of the log. */
  resume(): void {
    this.#correlator = this.#library.resume(this.#dice, this.#correlator, this.entries, this.#emit);
  }

  #restart(): void {
    this.#fold({ type: "service.started", subject: {}, data: { role: "gateway", version: "", positions: {} } });
    for (const session of this.#sessions) {
      if (session.running?.undecided) for (const part of session.running.event.parts) part.gone = true;
      if (session.running) session.running.event.lostAt = this.#count;
      session.running = null;
      session.open = null;
      session.loose = [];
    }
  }

  #untag(): void {
    const resource = ["t/s.a", "t/s.a#x", "t/s.b", "t/s.b#x", "t/s.d"][this.#dice(5)] as ResourceUri;
    const data = { resource, tags: ["pii"], by: "olga", reason: "dice" };
    this.#say({ type: "resource.untagged", data });
    this.#untags.push({ at: this.#count, resource, tags: ["pii"] });
  }

  #say(draft: Pick<Entry, "type"> & { readonly data: unknown }): string {
    return this.#fold({ role: "api", source: "api/a", subject: {}, ...draft } as never);
  }

  #link(): void {
    const data = this.#people.link(this.#dice);
    if (data.identities[0] === data.identities[1]) this.#people.show(`${data.identities[0]}`, this.#count, this.#open);
    else this.#people.linked(this.#say({ type: "identity.linked", data }), data.identities);
  }

  #command(
    session: Session,
    kind: "none" | "begin" | "commit" | "rollback",
    effects: readonly Effect[],
    text?: string,
  ): void {
    const dice = this.#dice;
    const command = `c${this.#count + 1}`;
    // In some streams much is opaque: there most evidence is weak.
    const isOpaque = kind === "none" && dice(this.#rule.text.length % 4 === 1 ? 3 : 10) === 0;
    const whole = ["t"] as ResourceUri[];
    const widened = (["read", "write"] as const).map((operation) => ({
      operation,
      reads: operation === "read" ? whole : [],
      writes: operation === "write" ? whole : [],
      ends: [],
      destroys: true,
    }));
    // What is known of an opaque command stands before what it may do besides.
    const own = isOpaque ? [...(dice(2) === 0 ? effects : []), ...widened] : effects;
    const { id, identity, account, task, address } = session;
    const isDeclared = this.#declared.pipelines.length > 0;
    const subject = {
      ...{ session: id, command, identity, account, task, target: "t" },
      ...(isDeclared ? { clientaddress: address } : {}),
    };
    const fingerprint = isDeclared ? (text ?? fingerprints[dice(fingerprints.length)]!) : "";
    const role = isDeclared && dice(8) > 0 ? account : null;
    const details = { statements: [], fingerprint, ...(role === null ? {} : { role }) };
    const facts = {
      ...(isDeclared ? { details } : {}),
      kind: "query",
      effects: own,
      opaque: isOpaque ? "dice" : null,
      undoable: !isOpaque,
      transaction: { kind } as TransactionControl,
    };
    const open = kind === "commit" ? (session.open ?? []).filter(({ gone }) => !gone) : [];
    const commits = open.map(({ effect, of, approved }) => ({
      command: of,
      effect,
      ...(approved ? { approved } : {}),
    }));
    const parts = [
      ...own.map((effect) => ({ effect, of: command, gone: false })),
      ...open.map(({ effect, of }) => ({ effect, of, gone: false })),
    ];
    const event = (at: number, eventId: string): Event => ({
      id: eventId,
      at,
      atMs: this.#atMs,
      identity,
      account,
      task,
      command,
      opaque: isOpaque,
      commit: kind === "commit",
      ...(isDeclared ? { ran: { address, fingerprint, role, late: null } } : {}),
      parts,
      decidedAt: at,
      finishedAt: Number.POSITIVE_INFINITY,
      lostAt: Number.POSITIVE_INFINITY,
      lastedAt: Number.POSITIVE_INFINITY,
    });
    const start = (made: Event, undecided: boolean, intent: string): Running => ({
      event: made,
      undecided,
      control: facts.transaction,
      inTransaction: session.open !== null,
      entry: { subject, data: { ...facts, commits } },
      intent,
    });
    if (dice(3) > 0 && kind !== "begin") {
      const asked = event(this.#count + 1, `e${this.#count + 1}`);
      const intent = this.#fold({ type: "command.intended", subject, data: { ...facts, commits } });
      const expected = this.#compare(asked, intent, open);
      if (expected === null) {
        if (parts.length > 0) this.#events.push(asked);
        session.running = start(asked, true, intent);
      } else if (dice(2) === 0) this.#decide(subject, facts, "hold", intent);
      else {
        const made = event(this.#count + 1, `e${this.#count + 1}`);
        this.#decide(subject, facts, "allow", intent);
        if (parts.length > 0) this.#events.push(made);
        session.running = start(made, false, intent);
        this.#after(session, made, facts, {
          rule: "r",
          before: expected.filter((one) => one !== asked).map((one) => one.id),
        });
      }
      return;
    }
    const made = event(this.#count + 1, `e${this.#count + 1}`);
    const before = this.outputs.length;
    this.#decide(subject, facts, "allow", null);
    this.#compareTold(made, before);
    if (parts.length > 0) this.#events.push(made);
    session.running = start(made, false, "");
    this.#after(session, made, facts, undefined);
  }

  #decide(subject: Entry["subject"], facts: object, ruling: "allow" | "hold", intent: string | null): void {
    this.#fold({ type: "command.decided", subject, data: { ...facts, ruling, approval: null, intent } });
  }

  /** What the session's transaction gains by an allowed command. */
  #after(
    session: Session,
    event: Event,
    facts: { readonly undoable: boolean; readonly transaction: TransactionControl },
    approved: CommittedEffect["approved"],
  ): void {
    if (facts.transaction.kind === "begin") [session.open, session.loose] = [session.loose, []];
    else if (facts.transaction.kind === "none" && facts.undoable)
      for (const part of event.parts)
        if (isLasting(part.effect))
          (session.open ?? session.loose).push(Object.assign(part, { approved, owner: event }));
  }

  #advance(session: Session): void {
    const { running } = session;
    if (!running) return;
    if (running.undecided) {
      running.undecided = false;
      running.event.decidedAt = this.#count + 1;
      this.#decide(running.entry.subject, running.entry.data, "allow", running.intent);
      this.#after(session, running.event, running.entry.data, undefined);
      return;
    }
    session.running = null;
    this.#finish(session, running);
  }

  #finish(session: Session, { event, control, inTransaction, entry }: Running): void {
    const failed = this.#dice(6) === 0;
    const isLost = !failed && control.kind === "none" && this.#dice(12) === 0;
    const shown = !failed || this.#dice(2) === 0;
    const open = session.open ?? [];
    const owners = [...new Set(open.map(({ owner }) => owner))];
    const ended = control.kind === "commit" || control.kind === "rollback";
    const undone = ended && (failed || control.kind === "rollback");
    const ids = owners.map(({ command }) => command);
    const lasts = !event.opaque && control.kind === "none" && !inTransaction && !failed && !isLost;
    const rows = this.#declared.pipelines.length > 0 && this.#dice(12) === 0 ? 11 : 0;
    const outcome = failed ? "error" : isLost ? "unknown" : "ok";
    if (event.ran !== undefined) event.ran.late = { outcome, rows };
    // What failed is tried again.
    if (failed && this.#due > 0) this.#due -= 1;
    const data = {
      outcome,
      rows,
      bytes: 0,
      tag: "",
      code: null,
      durationUs: 0,
      shown,
      undone: undone ? ids : [],
      lasted: ended && !undone ? ids : lasts ? [event.command] : [],
    };
    this.#fold({ type: "command.finished", subject: entry.subject, data });
    if (isLost) event.lostAt = this.#count;
    else event.finishedAt = this.#count;
    if (failed && !event.opaque)
      for (const part of event.parts)
        if (isLasting(part.effect) || (!shown && !event.commit) || event.commit) part.gone = true;
    if (lasts) {
      event.lastedAt = this.#count;
      session.loose = session.loose.filter(({ owner }) => owner !== event);
    }
    if (!ended) return;
    for (const owner of owners) {
      if (undone) for (const part of owner.parts) part.gone ||= isLasting(part.effect);
      else owner.lastedAt = this.#count;
    }
    if (undone && event.commit) for (const part of event.parts) part.gone = true;
    session.open = null;
  }

  get #world(): World {
    return {
      events: this.#events,
      catalogTags: this.#tagsOf,
      clusterOf: (identity) => this.#people.clusterOf(identity),
      untags: this.#untags,
    };
  }

  #expect(asked: Event, open: readonly OpenPart[] | null): Expected {
    this.compared += 1;
    const expected = expectedOf({ world: this.#world, rule: this.#rule, declared: this.#declared, asked, open });
    if (expected.chain !== null) this.found += 1;
    return expected;
  }

  /** @returns the chain that holds, or null. Fails when engine and oracle differ. */
  #compare(asked: Event, intent: string, open: readonly OpenPart[]): readonly Event[] | null {
    const answer = this.outputs.findLast((output) => output.type === "command.answered");
    assert.ok(answer?.type === "command.answered" && answer.data.intent === intent);
    const { chain, said, ruling, excluded } = this.#expect(asked, open);
    assert.deepEqual(saidOf(answer.data.enforced), said);
    assert.equal(answer.data.ruling, ruling);
    if (chain !== null) assert.deepEqual(answer.data.excluded, excluded);
    return chain;
  }

  #compareTold(made: Event, before: number): void {
    const told = this.outputs.slice(before).flatMap((output) => (output.type === "chain.completed" ? [output] : []));
    const { said } = this.#expect(made, null);
    assert.deepEqual(saidOf(told.map(({ data }) => data.chain)), said);
  }
}
