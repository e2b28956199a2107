/**
 * Commands that wait for people: who waits for which approval, until when, and what ends the wait. An answer counts as
 * the feed judged it; one that does not count is written down as `approval.refused`.
 *
 * A wait that is over before the approval is does not end the approval: the command may come again and use it. A client
 * that gives up ends it, unless another session waits for the very same.
 */
import type { Appender } from "../../infra/log/log.ts";
import type { Verdict } from "../../schemas/verdict.ts";
import type { Answered, Asked } from "./approvals.ts";
import type { After } from "./chain.ts";
import type { Feed } from "./feed.ts";
import { following } from "./following.ts";
import type { Held, Question } from "./question.ts";

export interface WaitingParts {
  readonly appender: Appender;
  readonly feed: Feed;
  readonly mode: "wait" | "retry";
  /** How long a connection waits. */
  readonly waitMs: number;
  readonly waitInTransactionMs: number;
  readonly addressOf: (approval: string) => string;
  readonly after: After;
}

type Outcome = Awaited<Held["settled"]>;

export class Waiting {
  readonly #parts: WaitingParts;
  readonly #waiters = new Map<string, Set<(outcome: Outcome) => void>>();

  /** Make it when the log has been replayed: what it hears from then on, it acts on. */
  constructor(parts: WaitingParts) {
    this.#parts = parts;
    parts.feed.listen({
      answered: (answered) => this.#answered(answered),
      expired: (approval) => this.#settle(approval, "expired"),
    });
  }

  /** Leaves `held` on the question and says so in the log. */
  wait(question: Question, verdict: Verdict, asked: Pick<Asked, "id" | "expiresAtMs">): Verdict {
    const { appender, mode, waitMs, waitInTransactionMs, addressOf } = this.#parts;
    const { nowMs, subject } = question;
    const { statementMsMax } = question.session;
    const patienceMs = Math.min(
      waitMs,
      question.inTransaction ? waitInTransactionMs : waitMs,
      // Longer than the client lets a statement take: then it may come again.
      statementMsMax ?? waitMs,
    );
    const untilMs = mode === "wait" ? Math.min(asked.expiresAtMs, nowMs + patienceMs) : asked.expiresAtMs;
    const chains = (verdict.chains ?? []).map((found) => found.id);
    appender.append({
      type: "command.held",
      subject,
      data: { approval: asked.id, sentence: verdict.sentence, mode, until: untilMs, chains },
    });
    question.approval = asked.id;
    question.held = {
      approval: asked.id,
      address: addressOf(asked.id),
      mode,
      untilMs,
      ...this.#enlist(question, asked, untilMs),
    };
    return verdict;
  }

  #enlist(
    { nowMs, subject }: Question,
    asked: Pick<Asked, "id" | "expiresAtMs">,
    untilMs: number,
  ): Pick<Held, "settled" | "giveUp"> {
    const { mode, after } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const waiters = this.#waiters.get(asked.id) ?? new Set();
    this.#waiters.set(asked.id, waiters);
    const leave = (outcome: Outcome): boolean => {
      if (!waiters.delete(waiter)) return false;
      cancel();
      if (waiters.size === 0) this.#waiters.delete(asked.id);
      resolve(outcome);
      return true;
    };
    const waiter = (outcome: Outcome) => {
      leave(outcome);
    };
    waiters.add(waiter);
    // Called by a timer, a socket or a fold: a full log must end none of them. What is not said here the sweep says later.
    const expire = () =>
      following(
        () => void this.#parts.appender.append({ type: "approval.expired", subject, data: { approval: asked.id } }),
      );
    const cancel = after(untilMs - nowMs, () => {
      if (leave("expired") && untilMs >= asked.expiresAtMs) expire();
    });
    const giveUp = () => {
      if (leave("expired") && mode === "wait" && waiters.size === 0) expire();
    };
    return { settled: promise, giveUp };
  }

  #answered({ approval, by, outcome, objection, subject }: Answered): void {
    if (outcome === "approved" || outcome === "refused") this.#settle(approval, outcome);
    if (outcome !== "objection") return;
    const data = { approval, by, reason: objection };
    following(() => void this.#parts.appender.append({ type: "approval.refused", subject, data }));
  }

  #settle(approval: string, outcome: Outcome): void {
    for (const waiter of [...(this.#waiters.get(approval) ?? [])]) waiter(outcome);
  }
}
