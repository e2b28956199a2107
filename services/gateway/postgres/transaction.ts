/**
 * Follows one session's transaction: which effects since BEGIN can still be undone, which are proven undone, which last.
 * Pure: fed with what the target said (tags, errors, ReadyForQuery), in the target's order; it never predicts.
 *
 * Proof only. What an opaque command may have committed or rolled back behind our back is reported neither undone nor
 * lasting; a lost connection reports nothing. Commands that only read have nothing to undo or to last and are not followed.
 */
import type { CommandId, Effect, TransactionControl } from "../../../schemas/command.ts";
import type { CommittedEffect } from "../../../schemas/event-data.ts";

/** A command as the follower needs it. */
export interface Step {
  readonly id: CommandId;
  readonly control: TransactionControl;
  readonly effects: readonly Effect[];
  readonly opaque: boolean;
  readonly undoable: boolean;
  readonly approved: CommittedEffect["approved"] | null;
  /** Where two commands of a session have the same, rules see no difference but in effects. Absent: it is like no other. */
  readonly like?: string;
}

/** What is proven now. */
export interface Settled {
  readonly undone: string[];
  readonly lasted: string[];
}

interface Open {
  readonly step: Step;
  /** Something ran since that may have committed it, or made its savepoint another one. */
  uncertain: boolean;
}

export type Status = "I" | "T" | "E";

/** Kinds of commands of one transaction that are known again; of more, each text is one of its own. */
const alikeMax = 1_000;

export class Transaction {
  /** As the last ReadyForQuery said; "I" from a COMMIT or ROLLBACK on, until the next one. */
  status: Status;
  #open: Open[] = [];
  #savepoints: { name: string; at: number }[] = [];
  /** Effects of the open transaction, by what they and their commands are like. */
  readonly #alike = new Map<string, readonly Effect[]>();
  /** An error since the last ReadyForQuery: an implicit transaction ends undone. */
  #failed = false;

  constructor(status: Status) {
    this.status = status;
  }

  /** What a COMMIT would make lasting now. Reads last nowhere. */
  commits(): CommittedEffect[] {
    if (this.status === "E") return [];
    const shared = new Map<Effect, CommittedEffect>();
    const approved: CommittedEffect[] = [];
    for (const { step } of this.#open) {
      for (const effect of step.effects) {
        if (effect.operation === "read" || effect.operation === "connect") continue;
        // The same command repeated in a loop is one effect: the last one stands for it, unless approved apart.
        if (step.approved === null) shared.set(effect, { command: step.id, effect });
        else approved.push({ command: step.id, effect, approved: step.approved });
      }
    }
    return [...shared.values(), ...approved];
  }

  /** The target completed it. @param tag of its (last) CommandComplete */
  ran(step: Step, tag: string): Settled {
    const control = step.control;
    switch (control.kind) {
      case "commit":
        this.status = "I"; // or a chained one: the next ReadyForQuery knows
        return tag === "ROLLBACK" ? this.#undo() : this.#last();
      case "rollback":
        this.status = "I";
        return this.#undo();
      case "prepare":
        return this.#forget();
      case "savepoint":
        this.#savepoints.push({ name: control.name, at: this.#open.length });
        return nothing();
      case "release":
        this.#release(control.name);
        return nothing();
      case "rollback-to":
        this.status = "T";
        this.#failed = false;
        return this.#rollbackTo(control.name);
      case "begin":
        return nothing();
      case "none":
        this.#add(step);
        return nothing();
    }
  }

  /** The target refused or broke it off: its own effects are undone, the transaction is failed. */
  failed(step: Step): Settled {
    this.#failed = true;
    if (step.opaque) this.#doubt();
    return { undone: step.undoable && !step.opaque && step.control.kind === "none" ? [step.id] : [], lasted: [] };
  }

  /** An error that belongs to no command that ran: a refusal, a Parse, the commit at Sync. */
  broken(): void {
    this.#failed = true;
  }

  /** ReadyForQuery: an implicit transaction has ended; an explicit one may have begun around what is open. */
  ready(status: Status): Settled {
    this.status = status;
    const broken = this.#failed;
    this.#failed = false;
    if (status !== "I") return nothing();
    return broken ? this.#undo() : this.#last();
  }

  #add(step: Step): void {
    if (step.opaque || (this.status === "I" && !step.undoable)) this.#doubt();
    if (!step.effects.some((effect) => effect.operation !== "read")) return;
    this.#open.push({ step: { ...step, effects: this.#shared(step) }, uncertain: step.opaque });
  }

  /** Where only values in the text differ, a thousand INSERTs are one effect, as they are when the values are parameters. */
  #shared({ like, effects }: Step): readonly Effect[] {
    if (like === undefined) return effects;
    const key = `${like} ${JSON.stringify(effects)}`;
    const known = this.#alike.get(key);
    if (known === undefined && this.#alike.size < alikeMax) this.#alike.set(key, effects);
    return known ?? effects;
  }

  #doubt(): void {
    for (const open of this.#open) open.uncertain = true;
  }

  #last(): Settled {
    const lasted = this.#open.filter((open) => !open.uncertain).map((open) => open.step.id);
    this.#forget();
    return { undone: [], lasted };
  }

  #forget(): Settled {
    this.#open = [];
    this.#savepoints = [];
    this.#alike.clear();
    return nothing();
  }

  /** The whole transaction is rolled back. */
  #undo(): Settled {
    const undone = provenUndone(this.#open);
    this.#forget();
    return { undone, lasted: [] };
  }

  #find(name: string): number {
    return this.#savepoints.findLastIndex((savepoint) => savepoint.name === name);
  }

  #release(name: string): void {
    const found = this.#find(name);
    if (found >= 0) this.#savepoints.length = found;
  }

  #rollbackTo(name: string): Settled {
    const found = this.#find(name);
    if (found < 0) return nothing(); // made behind our back: nothing is proven
    const at = this.#savepoints[found]!.at;
    const gone = this.#open.slice(at);
    this.#savepoints.length = found + 1;
    this.#open = [...this.#open.slice(0, at), ...gone.filter((open) => open.uncertain)];
    return { undone: provenUndone(gone), lasted: [] };
  }
}

function provenUndone(open: readonly Open[]): string[] {
  return open.filter(({ step, uncertain }) => step.undoable && !uncertain).map(({ step }) => step.id);
}

function nothing(): Settled {
  return { undone: [], lasted: [] };
}
