/**
 * The target: sessions with transactions, what comes of them, and what is really in its tables: which tagged data has come
 * to which place, by what lasted, in the order in which it did. What is said to it happens even if nobody hears of it.
 */
import { contains, overlaps } from "../../infra/catalog.ts";
import type { Effect } from "../../schemas/command.ts";

export interface Told {
  readonly command: string;
  readonly effects: readonly Effect[];
  readonly kind: "none" | "begin" | "commit" | "rollback";
  readonly undoable: boolean;
  /** The statement fails. */
  readonly fails: boolean;
}

export type Said = { readonly status: "I" | "T" | "E"; readonly ok: boolean };

/** Tagged data that comes to a place. */
export interface Brought {
  readonly place: string;
  readonly tags: readonly string[];
}

interface Done {
  readonly told: Told;
  readonly brings: readonly Brought[];
}

interface Open {
  readonly done: Done[];
  failed: boolean;
}

type Lasts = (session: string, told: Told, by: string, news: readonly Brought[]) => void;

export class Target {
  readonly #open = new Map<string, Open>();
  readonly #tagsOf: (place: string) => readonly string[];
  readonly #lasts: Lasts;
  #there: Brought[] = [];

  /** @param tagsOf by the catalog, @param lasts called for every command whose effects last from now on */
  constructor(tagsOf: (place: string) => readonly string[], lasts: Lasts) {
    this.#tagsOf = tagsOf;
    this.#lasts = lasts;
  }

  execute(session: string, told: Told): Said {
    const open = this.#open.get(session);
    if (told.kind === "begin") this.#open.set(session, open ?? { done: [], failed: false });
    else if (told.kind === "commit" || told.kind === "rollback") {
      this.#open.delete(session);
      if (told.kind === "commit" && !open?.failed) {
        for (const one of open?.done ?? []) this.#last(session, one, told.command);
        this.#lasts(session, told, told.command, []);
      }
      return { status: "I", ok: told.kind === "rollback" || !open?.failed };
    } else if (open?.failed || told.fails) {
      if (open) open.failed = true;
      return { status: open ? "E" : "I", ok: false };
    } else {
      const done = { told, brings: this.#bringsOf(told, open?.done ?? []) };
      if (open && told.undoable) open.done.push(done);
      else this.#last(session, done, told.command);
    }
    return { status: this.#open.has(session) ? "T" : "I", ok: true };
  }

  /** The connection is gone. */
  drop(session: string): void {
    this.#open.delete(session);
  }

  #last(session: string, { told, brings }: Done, by: string): void {
    const news = brings.flatMap((one) => {
      const tags = one.tags.filter((tag) => !this.#tagsAt(one.place, this.#there).includes(tag));
      return tags.length > 0 ? [{ ...one, tags }] : [];
    });
    this.#there.push(...brings);
    for (const ended of told.effects.flatMap(({ ends }) => ends))
      this.#there = this.#there.filter(({ place }) => !contains(ended, place));
    this.#lasts(session, told, by, news);
  }

  #tagsAt(place: string, there: readonly Brought[]): readonly string[] {
    const travelled = there.filter((one) => overlaps(one.place, place)).flatMap(({ tags }) => tags);
    return [...new Set([...this.#tagsOf(place), ...travelled])];
  }

  /** What it moves of what it sees: what lasts, and what its own transaction has done. */
  #bringsOf({ effects }: Told, own: readonly Done[]): Brought[] {
    const seen = [...this.#there, ...own.flatMap(({ brings }) => brings)];
    const brings: Brought[] = [];
    for (const { operation, reads, writes, flows } of effects) {
      if (operation !== "write" && operation !== "transform") continue;
      const pairs = flows ?? reads.flatMap((from) => writes.map((to) => [from, to] as const));
      const fresh = pairs.map(([from, place]) => {
        const there = [...seen, ...brings].filter((one) => overlaps(one.place, from));
        return { place, tags: this.#tagsAt(from, there) };
      });
      brings.push(...fresh.filter(({ tags }) => tags.length > 0));
    }
    return brings;
  }
}
