/**
 * The sessions that run in this gateway, by Grant: a Grant that is revoked or has expired ends all of them, also those
 * in which nobody speaks. Ending is asked for first (the proxy says goodbye in the protocol's own words), then enforced.
 */
import type { GrantId } from "../../schemas/identity.ts";
import type { Grants } from "./credentials.ts";
import type { Session } from "./session.ts";

export interface OpenSession {
  readonly session: Session;
  /** Asks the proxy to end it. */
  readonly end: (reason: string) => void;
  /** Asks the proxy to end it when it is between transactions. */
  readonly drain?: (reason: string) => void;
  /** Destroys both sockets. */
  readonly cut: () => void;
}

export interface OpenSessionsParts {
  readonly grants: Grants;
  readonly now: () => number;
  readonly endingWaitMsMax: number;
}

export class OpenSessions {
  readonly #parts: OpenSessionsParts;
  readonly #open = new Map<string, OpenSession>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  /** Told to end: each once. */
  readonly #ending = new Set<string>();
  #onEmpty: (() => void)[] = [];
  #draining: string | null = null;

  constructor(parts: OpenSessionsParts) {
    this.#parts = parts;
    parts.grants.onGrant((id) => this.#check(id));
  }

  get size(): number {
    return this.#open.size;
  }

  /** Ends by itself when its Grant does, also when that happened while it was being opened. */
  add(open: OpenSession): void {
    const { id, grant } = open.session;
    this.#open.set(id, open);
    const leftMs = Math.max(0, grant.expiresAtMs - this.#parts.now());
    this.#timers.set(
      id,
      setTimeout(() => this.end(id, "the Grant has expired"), leftMs),
    );
    if (open.session.ending !== null) this.end(id, open.session.ending);
    this.#check(grant.id);
    if (this.#draining !== null) open.drain?.(this.#draining);
  }

  remove(id: string): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.#ending.delete(id);
    this.#open.delete(id);
    if (this.#open.size > 0) return;
    for (const done of this.#onEmpty.splice(0)) done();
  }

  /** @param reason what the user reads @returns false when there is no such session (any more) */
  end(id: string, reason: string): boolean {
    const open = this.#open.get(id);
    if (open === undefined) return false;
    if (this.#ending.has(id)) return true;
    this.#ending.add(id);
    open.session.ending ??= reason;
    clearTimeout(this.#timers.get(id));
    this.#timers.set(id, setTimeout(open.cut, this.#parts.endingWaitMsMax));
    open.end(open.session.ending);
    return true;
  }

  /**
   * Lets what is open finish its transaction, then ends it; what is still open after that time, or when the signal says so,
   * is ended then. Resolves when the last one is gone.
   */
  async drain(reason: string, waitMs: number, hurry: AbortSignal): Promise<void> {
    this.#draining = reason;
    for (const { drain } of [...this.#open.values()]) drain?.(reason);
    if (this.#open.size > 0 && !hurry.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, waitMs);
      hurry.addEventListener("abort", () => resolve());
      this.#onEmpty.push(resolve);
      await promise;
      clearTimeout(timer);
    }
    await this.endAll(reason);
  }

  /** Resolves when the last one is gone. */
  async endAll(reason: string): Promise<void> {
    for (const id of [...this.#open.keys()]) this.end(id, reason);
    if (this.#open.size > 0) await new Promise<void>((done) => this.#onEmpty.push(done));
  }

  #check(id: GrantId): void {
    const ended = this.#parts.grants.find(id)?.ended ?? null;
    if (ended === null) return;
    for (const { session } of [...this.#open.values()]) {
      if (session.grant.id === id) this.end(session.id, `the Grant was ${ended}`);
    }
  }
}
