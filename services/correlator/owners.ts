/**
 * Who keeps how many steps, and who keeps most: among equals, whose oldest step is the oldest. Most people keep one, which
 * needs no more than its place here; of the others a heap knows the fullest, so that making room never looks at everybody.
 */
import { ByHash } from "./by-hash.ts";
import { Listing } from "./listing.ts";
import type { Step } from "./step.ts";

/** Somebody with several steps. */
interface Owner {
  readonly identity: string;
  readonly steps: Listing;
  /** In the heap. */
  place: number;
}

/** Several stand under one hash when their names have it by chance or by art: each is charged for his own. */
type Held = Step | Owner;

export class Owners {
  readonly #held = new ByHash<Held | Held[]>();
  readonly #heap: Owner[] = [];

  add(step: Step): void {
    const identity = identityOf(step);
    const held = this.#held.get(identity);
    const known = find(held, identity);
    if (known === undefined) this.#put(identity, held === undefined ? step : [...several(held), step]);
    else if (!isOwner(known)) {
      if (known === step) return;
      const owner = { identity, steps: Listing.of(known, step), place: this.#heap.length };
      this.#put(identity, replaced(held, known, owner));
      this.#heap.push(owner);
      this.#up(owner);
    } else {
      known.steps.add(step);
      this.#up(known);
    }
  }

  delete(step: Step): void {
    const identity = identityOf(step);
    const held = this.#held.get(identity);
    const known = several(held).includes(step) ? step : find(held, identity);
    if (known === undefined) return;
    if (!isOwner(known)) {
      if (known === step) this.#put(identity, replaced(held, known));
      return;
    }
    known.steps.forget(step);
    this.#down(known);
    this.#up(known);
    const [only] = known.steps.size === 1 ? known.steps.live() : [];
    if (only === undefined) return;
    this.#leave(known);
    this.#put(identity, replaced(held, known, only));
  }

  /** @returns his steps, oldest first, who keeps most of several; null when nobody keeps more than one */
  fullest(): readonly Step[] | null {
    return this.#heap[0]?.steps.live() ?? null;
  }

  clear(): void {
    this.#held.clear();
    this.#heap.length = 0;
  }

  #put(identity: string, held: Held | Held[]): void {
    if (!Array.isArray(held)) this.#held.set(identity, held);
    else if (held.length === 0) this.#held.delete(identity);
    else this.#held.set(identity, held.length === 1 ? held[0]! : held);
  }

  #set(owner: Owner, place: number): void {
    this.#heap[place] = owner;
    owner.place = place;
  }

  #up(owner: Owner): void {
    let { place } = owner;
    for (; place > 0; ) {
      const above = this.#heap[(place - 1) >>> 1];
      if (above === undefined || !isFuller(owner, above)) break;
      this.#set(above, place);
      place = (place - 1) >>> 1;
    }
    this.#set(owner, place);
  }

  #down(owner: Owner): void {
    let { place } = owner;
    for (;;) {
      const [left, right] = [this.#heap[2 * place + 1], this.#heap[2 * place + 2]];
      const fuller = right !== undefined && left !== undefined && isFuller(right, left) ? right : left;
      if (fuller === undefined || !isFuller(fuller, owner)) break;
      const below = fuller.place;
      this.#set(fuller, place);
      place = below;
    }
    this.#set(owner, place);
  }

  #leave(owner: Owner): void {
    const last = this.#heap.pop();
    if (last === undefined || last === owner) return;
    this.#set(last, owner.place);
    this.#down(last);
    this.#up(last);
  }
}

function isFuller(one: Owner, other: Owner): boolean {
  if (one.steps.size !== other.steps.size) return one.steps.size > other.steps.size;
  return (one.steps.first?.at ?? 0) < (other.steps.first?.at ?? 0);
}

function isOwner(held: Held): held is Owner {
  return "place" in held;
}

function several(held: Held | readonly Held[] | undefined): readonly Held[] {
  if (held === undefined) return [];
  return Array.isArray(held) ? held : [held as Held];
}

function find(held: Held | readonly Held[] | undefined, identity: string): Held | undefined {
  return several(held).find((one) => (isOwner(one) ? one.identity : identityOf(one)) === identity);
}

function replaced(held: Held | readonly Held[] | undefined, old: Held, ...by: readonly Held[]): Held[] {
  return several(held).flatMap((one) => (one === old ? by : [one]));
}

export function identityOf({ subject }: Step): string {
  return subject.identity ?? "";
}
