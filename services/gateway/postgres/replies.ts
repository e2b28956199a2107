/**
 * Which answer of the target belongs to which message of the client: one Reply per message that was forwarded, in
 * order. After an error in the extended protocol the target skips to Sync, and so does this queue; a substitute's error
 * is ours to replace, and only that one. Pure bookkeeping: no bytes, no policy.
 */
import type { Command } from "../../../schemas/command.ts";
import { ThroughlineError } from "../../../schemas/errors.ts";
import type { Asked } from "./asked.ts";
import type { Described } from "./prepared.ts";
import type { Run } from "./run.ts";

export type ReplyKind =
  | "query"
  | "function"
  | "parse"
  | "bind"
  | "describe"
  | "execute"
  | "close"
  | "sync"
  /** CopyDone, CopyFail: nothing answers them; they mark where the target stops ignoring Sync. */
  | "copy-end";

export interface Reply {
  readonly kind: ReplyKind;
  /** The judged command that runs. */
  readonly run?: Run;
  /** Leaves in the place of the target's error. */
  readonly refusal?: Buffer;
  /** Asked by the gateway itself: its answer stays here. */
  readonly asked?: Asked;
  /** Takes back what was remembered when it was forwarded; called when it fails or is skipped. */
  readonly undo?: () => void;
  /** The statement or portal that the answer describes. */
  readonly described?: Described;
  /** Of Parse, Bind and Describe: recorded when it fails, before its error leaves. */
  readonly command?: Command;
}

export class Replies {
  /** The target ignores everything until Sync; what the client sends until then is thrown away here, as it would. */
  skipping = false;
  /** Called when it begins to: what waits for people to run in that batch cannot any more. */
  onSkipping: () => void = () => undefined;
  #queue: Reply[] = [];
  #first = 0;
  #waiting: (() => void)[] = [];

  get head(): Reply | undefined {
    return this.#queue[this.#first];
  }

  /** The command that was forwarded last and is not answered yet. */
  get newest(): Run | undefined {
    return this.#queue.findLast(({ run }) => run !== undefined)?.run;
  }

  get empty(): boolean {
    return this.#first === this.#queue.length;
  }

  push(reply: Reply): void {
    if (reply.kind === "sync") this.skipping = false;
    this.#queue.push(reply);
  }

  shift(): void {
    this.#first += 1;
    while (this.head?.kind === "copy-end") this.#first += 1;
    if (this.empty) {
      this.#queue.length = 0;
      this.#first = 0;
      const waiting = this.#waiting;
      if (waiting.length > 0) {
        this.#waiting = [];
        for (const go of waiting) go();
      }
    } else if (this.#first > 1024) {
      this.#queue.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** The head failed: it and everything up to the next Sync is over. @returns the replies that will never come */
  fail(): Reply[] {
    const failed: Reply[] = [];
    while (this.head !== undefined && this.head.kind !== "sync") {
      failed.push(this.head);
      this.#first += 1;
    }
    if (this.empty) {
      this.skipping = true;
      this.onSkipping();
    }
    for (const reply of failed.toReversed()) reply.undo?.();
    this.#first -= 1;
    this.shift();
    return failed;
  }

  /** COPY FROM STDIN has begun: the target ignores Sync until the copy ends, so those already sent are not answered. */
  copying(): void {
    if (this.#waiting.length > 0) {
      throw new ThroughlineError("frame.malformed", "the client sent another command where COPY data was due");
    }
    const at = this.#first + 1;
    while (this.#queue[at]?.kind === "sync") this.#queue.splice(at, 1);
  }

  /** Whether any that is still to be answered meets the condition. */
  some(condition: (reply: Reply) => boolean): boolean {
    for (let i = this.#first; i < this.#queue.length; i++) if (condition(this.#queue[i]!)) return true;
    return false;
  }

  /** Resolves when nothing is left to be answered. */
  drained(): Promise<void> {
    if (this.empty) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The connection is over: everything that was still to be answered. */
  abandon(): Reply[] {
    const left = this.#queue.slice(this.#first);
    this.#queue = [];
    this.#first = 0;
    return left;
  }
}
