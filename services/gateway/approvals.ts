/**
 * Approvals as the log has them: asked, answered, used, expired. One fold at replay and live, so that a used approval
 * stays used after a crash. What is settled is forgotten: an unknown approval permits nothing.
 *
 * Every answer is judged here again, whatever the api judged: by an excluded person, by nobody of the approvers, by no
 * person, for another binding, too late, or twice by one human, it does not count.
 */
import type { Entry } from "../../infra/log/entry.ts";
import type { People } from "../../infra/policy/people.ts";
import { type Approver, isMet, mayAnswer } from "../../infra/policy/quorum.ts";
import type { Subject } from "../../schemas/event.ts";
import type { EventData } from "../../schemas/event-data.ts";
import type { Need } from "../../schemas/verdict.ts";

export interface Asked {
  readonly id: string;
  readonly binding: string;
  /** Who asked: identity key. */
  readonly identity: string;
  readonly needs: readonly Need[];
  readonly excluded: readonly string[];
  readonly because: readonly string[];
  readonly expiresAtMs: number;
  readonly answers: (Approver & { readonly identity: string })[];
}

/** What came of an answer. `objection` is why it does not count. */
export interface Answered {
  readonly approval: string;
  readonly by: string;
  readonly outcome: "counts" | "approved" | "refused" | "objection";
  readonly objection: string;
  /** The answer's own subject. */
  readonly subject: Subject;
}

/** Per identity; more than any limit on them. */
const lapsesKeptMax = 100;
/** A use is confirmed within seconds. */
const usesKeptMax = 10_000;

export interface KeptApprovals {
  readonly asked: readonly Asked[];
  readonly used: readonly (readonly [approval: string, event: string])[];
  readonly lapsed: readonly (readonly [identity: string, atMs: readonly number[]])[];
}

export class Approvals {
  readonly #people: People;
  readonly #asked = new Map<string, Asked>();
  readonly #byBinding = new Map<string, string>();
  readonly #used = new Map<string, string>();
  /** Identity → when approvals of its lapsed (refused, expired, given up), newest last. */
  readonly #lapsed = new Map<string, number[]>();

  constructor(people: People) {
    this.#people = people;
  }

  /** For a snapshot. */
  kept(): KeptApprovals {
    return { asked: [...this.#asked.values()], used: [...this.#used], lapsed: [...this.#lapsed] };
  }

  /** Into an empty one. */
  restore({ asked, used, lapsed }: KeptApprovals): void {
    for (const one of asked) {
      this.#asked.set(one.id, one);
      this.#byBinding.set(one.binding, one.id);
    }
    for (const [approval, event] of used) this.#used.set(approval, event);
    for (const [identity, times] of lapsed) this.#lapsed.set(identity, [...times]);
  }

  /** The event that used an approval up: the first in the log, whichever gateway said it; "" when it was no approval any more. Of late ones, as many as could still be asked about. */
  usedBy(approval: string): string | null {
    return this.#used.get(approval) ?? null;
  }

  /** @returns what came of it, when the entry is an answer */
  fold(entry: Entry): Answered | null {
    if (entry.type === "approval.asked") this.#ask(entry.subject.identity ?? "", entry.data);
    else if (entry.type === "approval.used") this.#use(entry);
    else if (entry.type === "approval.expired") this.#lapse(entry.data.approval, entry.atMs);
    else if (entry.type === "approval.answered") return this.#answer(entry);
    return null;
  }

  get(id: string): Asked | null {
    return this.#asked.get(id) ?? null;
  }

  /** The latest that was asked for exactly this command and is not settled. */
  forBinding(binding: string): Asked | null {
    return this.get(this.#byBinding.get(binding) ?? "");
  }

  /**
   * What this identity asks of people now: open ones, and those that came to nothing a while ago, or asking and giving
   * up in turns would tire people without end.
   */
  pressureOf(identity: string, nowMs: number, whileMs: number): number {
    let count = (this.#lapsed.get(identity) ?? []).filter((atMs) => atMs > nowMs - whileMs).length;
    for (const asked of this.#asked.values()) if (asked.identity === identity && nowMs <= asked.expiresAtMs) count += 1;
    return count;
  }

  /** Asked, and neither used, refused nor lapsed yet. */
  get waiting(): number {
    return this.#asked.size;
  }

  /** Whose time is over, for `approval.expired`. */
  overdue(nowMs: number): readonly string[] {
    return [...this.#asked.values()].filter((asked) => asked.expiresAtMs < nowMs).map((asked) => asked.id);
  }

  /** Whether enough of those who answered count now; links or exclusions that came later void an answer. */
  isApproved(asked: Asked, alsoExcluded: readonly string[] = []): boolean {
    return isMet(asked.needs, this.#standing(asked, alsoExcluded));
  }

  /** Answers that counted and no longer do. */
  voided(asked: Asked, alsoExcluded: readonly string[]): readonly string[] {
    const standing = this.#standing(asked, alsoExcluded);
    return asked.answers
      .filter((one) => !standing.some((other) => other.identity === one.identity))
      .map((one) => one.identity);
  }

  #standing(asked: Asked, alsoExcluded: readonly string[]): Asked["answers"] {
    const excluded = new Set(this.#people.linkedTo([...asked.excluded, ...alsoExcluded, asked.identity]));
    return asked.answers
      .filter((one) => !excluded.has(one.identity))
      .map((one) => ({ ...one, human: this.#people.humanOf(one.identity) }));
  }

  #ask(identity: string, data: EventData["approval.asked"]): void {
    // As it was asked first: nobody makes another question of it, nor asks again what was used.
    if (this.#asked.has(data.approval) || this.#used.has(data.approval)) return;
    const { approval: id, binding, excluded, because, expiresAtMs } = data;
    const needs = data.needs ?? [{ approvers: data.approvers, humans: data.humans }];
    this.#asked.set(id, { id, binding, identity, needs, excluded, because, expiresAtMs, answers: [] });
    this.#byBinding.set(binding, id);
  }

  #lapse(id: string, atMs: number): void {
    const identity = this.#asked.get(id)?.identity;
    if (identity === undefined) return;
    this.#lapsed.set(identity, [...(this.#lapsed.get(identity) ?? []).slice(1 - lapsesKeptMax), atMs]);
    this.#forget(id);
  }

  /** A use counts as the log stood before it: what was refused, expired or voided meanwhile is used up by nobody. */
  #use({ id, atMs, data: { approval, binding } }: Extract<Entry, { type: "approval.used" }>): void {
    if (this.#used.has(approval)) return;
    const asked = this.#asked.get(approval);
    const counts = asked?.binding === binding && atMs <= asked.expiresAtMs && this.isApproved(asked);
    this.#used.set(approval, counts ? id : "");
    const [oldest] = this.#used.keys();
    if (this.#used.size > usesKeptMax && oldest !== undefined) this.#used.delete(oldest);
    this.#forget(approval);
  }

  #forget(id: string): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    this.#asked.delete(id);
    if (this.#byBinding.get(asked.binding) === id) this.#byBinding.delete(asked.binding);
  }

  #answer({ data, atMs, subject }: Extract<Entry, { type: "approval.answered" }>): Answered {
    const about = { approval: data.approval, by: data.by, subject };
    const asked = this.#asked.get(data.approval);
    const approver = { identity: data.by, human: this.#people.humanOf(data.by), kind: data.kind, groups: data.groups };
    const objection = this.#objection(asked, data, approver, atMs);
    if (asked === undefined || objection !== null)
      return { ...about, outcome: "objection", objection: objection ?? "" };
    if (data.answer === "refuse") {
      this.#lapse(asked.id, atMs);
      return { ...about, outcome: "refused", objection: "" };
    }
    asked.answers.push(approver);
    return { ...about, outcome: this.isApproved(asked) ? "approved" : "counts", objection: "" };
  }

  #objection(
    asked: Asked | undefined,
    data: EventData["approval.answered"],
    approver: Approver,
    atMs: number,
  ): string | null {
    if (asked === undefined) return "nothing open has this approval's id";
    if (data.binding !== asked.binding) return "the answer is for another command";
    if (atMs > asked.expiresAtMs) return "the approval had expired";
    if (this.#people.linkedTo([...asked.excluded, asked.identity]).includes(data.by))
      return "the requester, whoever took part in the chain, and all linked to them may not answer";
    if (data.kind !== "person") return "only a person may answer";
    if (!mayAnswer(asked.needs, approver)) return "not in a group that may answer";
    if (asked.answers.some((one) => one.human === approver.human)) return "this human has answered already";
    return null;
  }
}
