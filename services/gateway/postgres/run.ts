/** A judged command while it runs at the target: what is counted, and the outcome that is reported. */
import { traceOf } from "../details.ts";
import type { Judgement, Outcome } from "../gate.ts";
import type { CopyBrought } from "./copy-brought.ts";
import type { MaskPlan } from "./rows.ts";
import type { ShownRows } from "./shown-rows.ts";
import type { Settled, Step } from "./transaction.ts";

/** Ids in one command.finished: more are reported in further ones, so that no event grows without bound. */
const settledMax = 500;

/** Errors that the target raises before it reads any data: syntax, unknown or forbidden names, a failed transaction. */
const beforeData = /^(42|26000|34000|25P02|57014|0A000)/;

export class Run {
  readonly judgement: Judgement;
  readonly startedMs: number;
  rows = 0;
  bytes = 0;
  tag = "";
  code: string | null = null;
  /** An error text left with its values. */
  told = false;
  /** Which statement of the string answers now. */
  statement = 0;
  /** Of the result that comes now; null = passes untouched. */
  plan: MaskPlan | null = null;
  /** The verdict masks columns. */
  readonly masks: boolean;
  /** False: the result has columns to mask, and which ones is not known yet: no row may pass. */
  maskKnown: boolean;
  /** Every plan that was used, for the counts. */
  readonly plans: MaskPlan[] = [];
  /** The target never looked at it: an earlier message of its pipeline failed. */
  #untouched = false;
  /** COPY FROM STDIN takes data. */
  copying = false;
  /** Looks at what is shown; null: nobody asks. */
  shown: ShownRows | null = null;
  /** Looks at what COPY FROM STDIN brings, once something came. */
  brought: CopyBrought | null = null;
  /** Judged again at the end of their data: they end as it does. */
  readonly copies: Run[] = [];
  /** Leaves in the place of the target's error. */
  refusal: Buffer | null = null;

  constructor(judgement: Judgement, startedMs: number) {
    this.judgement = judgement;
    this.startedMs = startedMs;
    this.masks = judgement.verdict.masks.length > 0;
    this.maskKnown = !this.masks;
  }

  /** One of the string is done. */
  nextStatement(): void {
    this.statement += 1;
    this.copying = false;
    this.brought = null;
    this.plan = null;
    this.maskKnown = !this.masks;
  }

  mask(plan: MaskPlan | null): void {
    this.maskKnown = true;
    this.plan = plan;
    if (plan !== null && !this.plans.includes(plan)) this.plans.push(plan);
  }

  step(): Step {
    const { command, approved } = this.judgement;
    const { reading } = command;
    return {
      id: command.id,
      control: reading.transaction,
      effects: reading.effects,
      opaque: reading.opaque !== null,
      undoable: reading.undoable,
      approved,
      // What names resolve to holds the role; a trace is a claim in a comment, which no fingerprint has.
      like: `${reading.resolution} ${reading.fingerprint} ${traceOf(command.text) ?? ""}`,
    };
  }

  /** @param code of the error that made the target skip it */
  neverRan(code: string): void {
    this.#untouched = true;
    this.code = code;
  }

  #shown(): boolean {
    if (this.#untouched) return false;
    if (this.rows > 0 || this.code === null) return true;
    if (this.judgement.command.reading.opaque !== null) return true;
    return this.told && !beforeData.test(this.code);
  }

  outcome(nowMs: number, settled: Settled, ended: "known" | "unknown"): Outcome {
    return {
      outcome: ended === "unknown" ? "unknown" : this.code === null ? "ok" : "error",
      rows: this.rows,
      bytes: this.bytes,
      tag: this.tag,
      code: this.code,
      durationUs: Math.max(0, Math.round((nowMs - this.startedMs) * 1_000)),
      shown: this.#shown(),
      undone: settled.undone,
      lasted: settled.lasted,
    };
  }
}

/** @returns the same in portions that fit an event each; at least one */
export function portions(settled: Settled): Settled[] {
  const count = Math.max(1, Math.ceil(Math.max(settled.undone.length, settled.lasted.length) / settledMax));
  return Array.from({ length: count }, (_, i) => ({
    undone: settled.undone.slice(i * settledMax, (i + 1) * settledMax),
    lasted: settled.lasted.slice(i * settledMax, (i + 1) * settledMax),
  }));
}

export function merged(a: Settled, b: Settled): Settled {
  return { undone: [...a.undone, ...b.undone], lasted: [...a.lasted, ...b.lasted] };
}
