/** Which appends of one source are durable: tickets count from 1, and become durable in order. */
import type { Ticket } from "./log.ts";

interface Waiter {
  readonly ticket: Ticket;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Tickets {
  last: Ticket = 0;
  durable: Ticket = 0;
  readonly #listeners = new Set<(durable: Ticket) => void>();
  #waiters: Waiter[] = [];
  #broken: Error | null = null;

  onDurable(listener: (durable: Ticket) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  synced(ticket: Ticket): Promise<void> {
    if (ticket <= this.durable) return Promise.resolve();
    if (this.#broken !== null) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => this.#waiters.push({ ticket, resolve, reject }));
  }

  /** Everything up to `durable` is on disk. */
  settle(durable: Ticket): void {
    if (durable <= this.durable) return;
    this.durable = durable;
    for (const listener of this.#listeners) listener(durable);
    if (this.#waiters.length === 0) return;
    const waiting = this.#waiters;
    this.#waiters = waiting.filter((waiter) => waiter.ticket > durable);
    for (const waiter of waiting) if (waiter.ticket <= durable) waiter.resolve();
  }

  /** Nothing will be durable any more. */
  fail(error: Error): void {
    this.#broken = error;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}
