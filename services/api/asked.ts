/**
 * Approvals as the log has them: asked, answered, refused attempts, used, expired. A fold, the same at boot and live. It
 * judges nobody: approvals.ts does before an answer is written, and the gateway again before it is used.
 *
 * Keeps the newest; what was forgotten is still in the timeline.
 */
import type { Entry } from "../../infra/log/entry.ts";
import type { People } from "../../infra/policy/people.ts";
import { type Approver, isMet } from "../../infra/policy/quorum.ts";
import type { ApprovalInfo } from "../../schemas/api.ts";
import type { Subject } from "../../schemas/event.ts";
import type { EventData } from "../../schemas/event-data.ts";
import type { Need } from "../../schemas/verdict.ts";

export interface Approval {
  readonly id: string;
  readonly asked: EventData["approval.asked"];
  readonly subject: Subject;
  readonly askedAtMs: number;
  readonly needs: readonly Need[];
  /** Key of the session's text, to show it to who may answer. */
  readonly keyId: string | null;
  readonly justification: string;
  readonly answers: (Approver & {
    readonly identity: string;
    readonly answer: "approve" | "refuse";
    readonly reason: string;
    readonly atMs: number;
  })[];
  readonly refused: { readonly by: string; readonly reason: string; readonly atMs: number }[];
  expired: boolean;
  usedAtMs: number | null;
  /** The same command was asked about again, so this answer did not let it run. */
  isVoid: boolean;
}

interface Session {
  readonly keyId: string;
  readonly grant: string;
  readonly justification: string;
}

const approvalsKeptMax = 20_000;
const attemptsKeptMax = 200;

export class Asked {
  readonly #people: People;
  readonly #approvals = new Map<string, Approval>();
  /** Chain → the newest approval that was asked because of it. */
  readonly #ofChain = new Map<string, string>();
  /** Command → the newest approval that was asked for it. */
  readonly #ofCommand = new Map<string, string>();
  readonly #sessions = new Map<string, Session>();

  constructor(people: People) {
    this.#people = people;
  }

  fold(entry: Entry): void {
    const session = entry.subject.session ?? "";
    if (entry.type === "session.opened") {
      const { keyId, task } = entry.data;
      this.#sessions.set(session, { keyId, grant: entry.subject.grantid ?? "", justification: task.justification });
    } else if (entry.type === "session.closed") this.#sessions.delete(session);
    else if (entry.type === "approval.asked") this.#ask(entry);
    else if (entry.type === "approval.answered") this.#answer(entry);
    else if (entry.type === "approval.refused") this.#refuse(entry);
    else if (entry.type === "approval.expired") {
      const approval = this.#approvals.get(entry.data.approval);
      if (approval) approval.expired = true;
    } else if (entry.type === "approval.used") {
      const approval = this.#approvals.get(entry.data.approval);
      if (approval) approval.usedAtMs = entry.atMs;
    }
  }

  /** Of an open session. */
  grantOf(session: string): string | undefined {
    return this.#sessions.get(session)?.grant;
  }

  get(id: string): Approval | null {
    return this.#approvals.get(id) ?? null;
  }

  /** Newest first. */
  all(): readonly Approval[] {
    return [...this.#approvals.values()].reverse();
  }

  /** The newest that was asked because of this chain. */
  ofChain(chain: string): Approval | null {
    return this.get(this.#ofChain.get(chain) ?? "");
  }

  /** The newest that was asked for this command. */
  ofCommand(command: string): Approval | null {
    return this.get(this.#ofCommand.get(command) ?? "");
  }

  /** @param nowMs an approval is over at its end, whether or not the gateway has said so yet */
  stateOf(approval: Approval, nowMs: number): ApprovalInfo["state"] {
    if (approval.usedAtMs !== null) return "used";
    if (approval.answers.some((one) => one.answer === "refuse")) return "refused";
    if (approval.isVoid) return "void";
    if (approval.expired || nowMs > approval.asked.expiresAtMs) return "expired";
    const given = approval.answers.map((one) => ({ ...one, human: this.#people.humanOf(one.identity) }));
    return isMet(approval.needs, given) ? "approved" : "open";
  }

  #ask(entry: Extract<Entry, { type: "approval.asked" }>): void {
    const { data, subject, atMs } = entry;
    if (this.#approvals.has(data.approval)) return;
    const session = this.#sessions.get(subject.session ?? "");
    this.#makeRoom();
    for (const chain of data.chains) this.#ofChain.set(chain.id, data.approval);
    const earlier = this.ofCommand(subject.command ?? "");
    if (earlier) earlier.isVoid = true;
    if (subject.command) this.#ofCommand.set(subject.command, data.approval);
    this.#approvals.set(data.approval, {
      id: data.approval,
      asked: data,
      subject,
      askedAtMs: atMs,
      needs: data.needs ?? [{ approvers: data.approvers, humans: data.humans }],
      keyId: session?.keyId ?? null,
      justification: session?.justification ?? "",
      answers: [],
      refused: [],
      expired: false,
      usedAtMs: null,
      isVoid: false,
    });
  }

  #makeRoom(): void {
    const [oldest] = this.#approvals.values();
    if (this.#approvals.size < approvalsKeptMax || !oldest) return;
    this.#approvals.delete(oldest.id);
    for (const { id } of oldest.asked.chains) if (this.#ofChain.get(id) === oldest.id) this.#ofChain.delete(id);
    const command = oldest.subject.command ?? "";
    if (this.#ofCommand.get(command) === oldest.id) this.#ofCommand.delete(command);
  }

  #answer({ data, atMs }: Extract<Entry, { type: "approval.answered" }>): void {
    const approval = this.#approvals.get(data.approval);
    if (!approval || data.binding !== approval.asked.binding) return;
    const human = this.#people.humanOf(data.by);
    const { by: identity, kind, groups, answer, reason } = data;
    approval.answers.push({ identity, human, kind, groups, answer, reason, atMs });
  }

  #refuse({ data, atMs }: Extract<Entry, { type: "approval.refused" }>): void {
    const approval = this.#approvals.get(data.approval);
    if (approval && approval.refused.length < attemptsKeptMax)
      approval.refused.push({ by: data.by, reason: data.reason, atMs });
  }
}
