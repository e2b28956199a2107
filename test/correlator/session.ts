/** Sessions of a random stream: who is who for its whole length, and what runs. */
import type { Entry } from "../../infra/log/entry.ts";
import type { TransactionControl } from "../../schemas/command.ts";
import type { Dice } from "./dice.ts";
import type { OpenPart } from "./expected.ts";
import type { Event } from "./oracle.ts";
import { addresses } from "./random-pipeline.ts";

/** A command that is not over. */
export interface Running {
  readonly event: Event;
  /** Asked and allowed, not decided yet. */
  undecided: boolean;
  readonly control: TransactionControl;
  readonly inTransaction: boolean;
  readonly entry: Pick<Entry & { type: "command.intended" }, "subject" | "data">;
  readonly intent: string;
}

export interface Session {
  readonly id: string;
  readonly address: string;
  readonly identity: string;
  readonly account: string;
  readonly task: string;
  running: Running | null;
  open: OpenPart[] | null;
  /** Outside a transaction: what neither lasts for certain nor was undone, which a COMMIT may make lasting. */
  loose: OpenPart[];
}

/** @param isFrom somewhere that is known */
export function newSession(dice: Dice, number: number, isFrom: boolean): Session {
  return {
    id: `s${number}`,
    identity: `i${dice(3)}`,
    account: `acc${number % 3}`,
    task: `task${dice(2)}`,
    address: isFrom ? (addresses[dice(4) === 0 ? dice(3) : 0] ?? "") : "",
    running: null,
    open: null,
    loose: [],
  };
}
