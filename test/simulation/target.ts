/** The target: sessions with transactions, and what comes of them. What is said to it happens even if nobody hears of it. */
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

interface Open {
  readonly done: Told[];
  failed: boolean;
}

export class Target {
  readonly #open = new Map<string, Open>();
  readonly #lasts: (session: string, told: Told, by: string) => void;

  /** @param lasts called for every command whose effects last from now on */
  constructor(lasts: (session: string, told: Told, by: string) => void) {
    this.#lasts = lasts;
  }

  execute(session: string, told: Told): Said {
    const open = this.#open.get(session);
    if (told.kind === "begin") this.#open.set(session, open ?? { done: [], failed: false });
    else if (told.kind === "commit" || told.kind === "rollback") {
      this.#open.delete(session);
      if (told.kind === "commit" && !open?.failed) {
        for (const one of open?.done ?? []) this.#lasts(session, one, told.command);
        this.#lasts(session, told, told.command);
      }
      return { status: "I", ok: told.kind === "rollback" || !open?.failed };
    } else if (open?.failed || told.fails) {
      if (open) open.failed = true;
      return { status: open ? "E" : "I", ok: false };
    } else if (open && told.undoable) open.done.push(told);
    else this.#lasts(session, told, told.command);
    return { status: this.#open.has(session) ? "T" : "I", ok: true };
  }

  /** The connection is gone. */
  drop(session: string): void {
    this.#open.delete(session);
  }
}
