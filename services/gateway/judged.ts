/**
 * What was judged before, per session: policy's answer to a reading, whether it must ask the correlator, whether its
 * errors are scrubbed. A repeated command costs one look-up. Everything an answer depends on is compared: policy and
 * catalog, travelled tags, the minute if a policy reads the clock, the rules. Session, identity, account, task and address
 * cannot change within a session; a role that changed has other readings.
 */
import type { Policy } from "../../infra/policy/policy.ts";
import type { Command, Reading } from "../../schemas/command.ts";
import type { TargetConfig } from "../../schemas/config.ts";
import type { CommandFacts, CommittedEffect } from "../../schemas/event-data.ts";
import type { Limits } from "../../schemas/limits.ts";
import type { Verdict } from "../../schemas/verdict.ts";
import { mattersElsewhere } from "./awaited.ts";
import type { ChainRules } from "./chain.ts";
import { contextOf, deny } from "./deny.ts";
import { detailsOf } from "./details.ts";
import type { Reader } from "./effects/reader.ts";
import type { Feed } from "./feed.ts";
import { reveals, touched } from "./mask.ts";
import type { Question } from "./question.ts";
import type { Session } from "./session.ts";

export interface JudgedParts {
  readonly feed: Pick<Feed, "tags">;
  readonly policy: () => Policy;
  readonly rules: () => ChainRules;
  readonly readerOf: (target: string) => Pick<Reader, "resources" | "canRead"> | null;
  readonly targetOf: (target: string) => Pick<TargetConfig, "opaque">;
  readonly holds: { readonly approvers: readonly string[] };
  readonly tenantKey: Uint8Array;
  readonly now: () => number;
  readonly limits: Pick<Limits, "approvalMsMax">;
}

interface Known {
  readonly policy: Policy;
  readonly tagsVersion: number;
  readonly minute: number;
  readonly verdict: Verdict;
  scrubs: boolean | null;
  asks: { readonly kind: string; readonly rules: ChainRules; readonly asks: boolean }[];
  shares: {
    readonly kind: string;
    readonly rules: ChainRules;
    readonly brings: boolean;
    readonly shares: boolean;
  } | null;
}

interface Memory {
  commands: number;
  /** The last one counted: a held command is judged again and stays one. */
  last: string;
  readonly verdicts: WeakMap<Reading, Known>;
  readonly facts: WeakMap<Reading, CommandFacts[]>;
  readable: { readonly of: readonly string[]; readonly tagsVersion: number; readonly role: string; is: boolean } | null;
}

export class Judged {
  readonly #parts: JudgedParts;
  readonly #sessions = new WeakMap<Session, Memory>();

  constructor(parts: JudgedParts) {
    this.#parts = parts;
  }

  question(session: Session, command: Command, commits: readonly CommittedEffect[], inTransaction: boolean): Question {
    return {
      session,
      command,
      commits,
      inTransaction,
      nowMs: this.#parts.now(),
      tagsVersion: this.#parts.feed.tags.version,
      facts: this.#facts(session, command),
      subject: { ...session.subject, command: command.id },
      brings: true,
      intent: null,
      approval: null,
      approved: null,
      held: null,
      sealed: null,
    };
  }

  /** What policy says. */
  verdict({ session, command, nowMs }: Question): Verdict {
    return this.#known(session, command.reading, nowMs).verdict;
  }

  /** Whether the command itself, whatever it commits, can be the last step of a chain. */
  asks({ session, command, facts, subject, nowMs }: Question): boolean {
    const known = this.#known(session, command.reading, nowMs);
    const rules = this.#parts.rules();
    const before = known.asks.find((one) => one.kind === facts.kind && one.rules === rules);
    if (before !== undefined) return before.asks;
    const asks = rules.mustAsk(facts, subject, this.#parts.feed.tags.of);
    known.asks = [...known.asks.filter((one) => one.rules === rules), { kind: facts.kind, rules, asks }];
    return asks;
  }

  /** Whether its record must be in the shared log before anything of it leaves or lasts. */
  shares({ session, command, commits, facts, subject, nowMs, brings }: Question): boolean {
    const { tags } = this.#parts.feed;
    const known = this.#known(session, command.reading, nowMs);
    const rules = this.#parts.rules();
    if (commits.length > 0)
      return (
        mattersElsewhere(facts, commits, tags.of) || rules.mayStep({ ...facts, brings }, subject, tags.of, commits)
      );
    if (known.shares?.rules !== rules || known.shares.kind !== facts.kind || known.shares.brings !== brings) {
      const shares = mattersElsewhere(facts, [], tags.of) || rules.mayStep({ ...facts, brings }, subject, tags.of);
      known.shares = { rules, kind: facts.kind, brings, shares };
    }
    return known.shares.shares;
  }

  /** It touches something tagged that its identity may not see, or may touch anything. */
  scrubs(session: Session, reading: Reading): boolean {
    if (reading.opaque !== null) return true;
    const nowMs = this.#parts.now();
    const known = this.#known(session, reading, nowMs);
    known.scrubs ??= reveals(
      known.policy,
      session.grant.identity,
      touched(reading),
      this.#parts.feed.tags.of,
      contextOf(session, known.minute, false),
    ).some(({ answer }) => answer.ruling !== "allow");
    return known.scrubs;
  }

  /** Whether policy, by what is tagged now, would permit it and mask no more than the verdict does. */
  isCovered(session: Session, { reading }: Command, verdict: Verdict): boolean {
    const now = this.#known(session, reading, this.#parts.now()).verdict;
    return now.ruling !== "block" && now.masks.every((mask) => verdict.masks.includes(mask));
  }

  count(session: Session, command: Command): void {
    const memory = this.#of(session);
    if (memory.last !== command.id) memory.commands += 1;
    memory.last = command.id;
  }

  commandsOf(session: Session): number {
    return this.#of(session).commands;
  }

  #known(session: Session, reading: Reading, nowMs: number): Known {
    const { verdicts } = this.#of(session);
    const policy = this.#parts.policy();
    const { tags } = this.#parts.feed;
    const minute = Math.floor(nowMs / 60_000);
    const known = verdicts.get(reading);
    if (
      known !== undefined &&
      known.policy === policy &&
      known.tagsVersion === tags.version &&
      (known.minute === minute || !policy.usesTime)
    )
      return known;
    const verdict = deny(this.#denyParts(session, policy), session, reading, minute);
    const fresh: Known = { policy, tagsVersion: tags.version, minute, verdict, scrubs: null, asks: [], shares: null };
    verdicts.set(reading, fresh);
    return fresh;
  }

  #denyParts(session: Session, policy: Policy): Parameters<typeof deny>[0] {
    const { feed, targetOf, holds, limits } = this.#parts;
    return {
      policy,
      tagsOf: feed.tags.of,
      opaque: targetOf(session.grant.target).opaque,
      approvers: holds.approvers,
      approvalMs: limits.approvalMsMax,
      canReadTagged: () => this.#canReadTagged(session),
    };
  }

  /** By the account's own role and by the one it has taken: an opaque command may take it back. */
  #canReadTagged(session: Session): boolean {
    const reader = this.#parts.readerOf(session.grant.target);
    if (reader === null) return true;
    const memory = this.#of(session);
    const { tags } = this.#parts.feed;
    const of = reader.resources();
    const { role } = session;
    const before = memory.readable;
    if (before !== null && before.of === of && before.tagsVersion === tags.version && before.role === role)
      return before.is;
    const roles = [...new Set([role, session.grant.account])];
    const is = of.some((uri) => tags.of(uri).length > 0 && roles.some((one) => reader.canRead(one, uri)));
    memory.readable = { of, tagsVersion: tags.version, role, is };
    return is;
  }

  /** One object per reading and kind, so that what is made from it is made once. */
  #facts(session: Session, { kind, reading, text }: Command): CommandFacts {
    const { facts } = this.#of(session);
    const known = facts.get(reading)?.find((one) => one.kind === kind);
    if (known !== undefined) return known;
    const { effects, opaque, transaction, undoable } = reading;
    const details = detailsOf(reading, session.role, text, this.#parts.tenantKey);
    const fresh: CommandFacts = { kind, effects, opaque, transaction, undoable, details };
    facts.set(reading, [...(facts.get(reading) ?? []), fresh]);
    return fresh;
  }

  #of(session: Session): Memory {
    let memory = this.#sessions.get(session);
    if (memory === undefined) {
      memory = { commands: 0, last: "", verdicts: new WeakMap(), facts: new WeakMap(), readable: null };
      this.#sessions.set(session, memory);
    }
    return memory;
  }
}
