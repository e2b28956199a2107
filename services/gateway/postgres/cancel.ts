/**
 * Cancel keys: each session gets a process id and a secret of our own making, and a CancelRequest that names both
 * reaches that session only. The target's own key never leaves the gateway.
 *
 * A wrong secret is told apart in constant time. A cancel that arrives between two commands hits the later one or none:
 * so it is in PostgreSQL itself.
 */
import { randomBytes, randomInt, timingSafeEqual } from "node:crypto";
import type { TargetConfig } from "../../../schemas/config.ts";
import { cancelRequest } from "./messages.ts";
import { connectTarget } from "./target-login.ts";

export interface CancelKey {
  readonly processId: number;
  readonly secret: Buffer;
}

export class Cancels {
  readonly #open = new Map<number, { readonly secret: Buffer; readonly cancel: () => Promise<void> }>();

  /**
   * @param secretBytes 4 for protocol 3.0, 32 from 3.2 on
   * @param cancel resolves once the target has taken it
   */
  add(secretBytes: number, cancel: () => Promise<void>): CancelKey {
    let processId = 0;
    do processId = randomInt(1, 0x7fffffff);
    while (this.#open.has(processId));
    const secret = randomBytes(secretBytes);
    this.#open.set(processId, { secret, cancel });
    return { processId, secret };
  }

  remove(key: CancelKey): void {
    this.#open.delete(key.processId);
  }

  /** @returns what runs the cancel, or null when no session has this key */
  find(processId: number, secret: Buffer): (() => Promise<void>) | null {
    const open = this.#open.get(processId);
    const wanted = open?.secret ?? Buffer.alloc(secret.length);
    const same = secret.length === wanted.length && timingSafeEqual(secret, wanted);
    return open !== undefined && same ? open.cancel : null;
  }
}

/**
 * Resolves when the target has closed the connection, which it does after it passed the signal on.
 * @throws ThroughlineError `target.unreachable`
 */
export async function cancelAtTarget(target: TargetConfig, key: CancelKey, waitMsMax: number): Promise<void> {
  const signal = AbortSignal.timeout(waitMsMax);
  const { socket, raw } = await connectTarget(target, signal);
  await new Promise<void>((done) => {
    raw.once("close", () => done());
    signal.addEventListener("abort", () => raw.destroy());
    socket.resume();
    socket.write(cancelRequest(key.processId, key.secret));
  });
}
