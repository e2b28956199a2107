/**
 * What of a result is remembered as shown (DETECTION §2.7): cells of tagged columns that leave as they are. Which columns
 * those are, the reading says by position; of an expression over tagged columns, and of COPY, whatever it gives.
 */
import type { Command, Reading, ResourceUri } from "../../../schemas/command.ts";
import type { Content, Showing } from "../content.ts";
import { textsOf } from "../content-binary.ts";
import type { Session } from "../session.ts";
import { CopyValues } from "./copy-values.ts";
import { type Column, formatOf, type MaskPlan } from "./rows.ts";

type Tags = readonly string[];
type TagsOf = (resource: ResourceUri) => Tags;

export class ShownRows {
  readonly #showing: Showing;
  readonly #reading: Reading;
  readonly #tagsOf: TagsOf;
  /** Of what is no plain column: those of everything that the command may tell otherwise. */
  readonly #otherwise: Tags;
  readonly #copied: CopyValues;
  readonly #plans = new Map<number, readonly Tags[]>();
  /** Of the result at hand: formats of Bind, or its columns where they are known. */
  formats: readonly number[] = [];
  columns: readonly Column[] | null = null;

  /** @returns null when nothing of what the command shows is tagged, or nobody asks */
  static of(content: Content | null, session: Session, command: Command, tagsOf: TagsOf): ShownRows | null {
    if (content === null) return null;
    const { reading } = command;
    const shows = reading.outputs.flat(2).some((uri) => tagsOf(uri).length > 0);
    const otherwise = tagsOfAll(told(reading), tagsOf);
    if (!shows && otherwise.length === 0) return null;
    const showing = content.showing(session, command);
    return showing === null ? null : new ShownRows(showing, reading, tagsOf, otherwise);
  }

  private constructor(showing: Showing, reading: Reading, tagsOf: TagsOf, otherwise: Tags) {
    this.#showing = showing;
    this.#reading = reading;
    this.#tagsOf = tagsOf;
    this.#otherwise = otherwise;
    const found = (text: string): void => showing.value(text, otherwise);
    this.#copied = new CopyValues(found, () => showing.row());
  }

  /** A whole DataRow. @param masks cells that leave masked show nothing */
  row(bytes: Buffer, start: number, end: number, statement: number, masks: MaskPlan | null): void {
    this.#showing.row();
    const plan = this.#plan(statement);
    let at = start + 7;
    for (let column = 0, left = bytes.readInt16BE(start + 5); left > 0; left--, column++) {
      if (at + 4 > end) return; // no row: the client will say so
      const length = bytes.readInt32BE(at);
      at += 4;
      if (at + length > end) return;
      if (length <= 0) continue;
      const tags = plan === null ? this.#otherwise : (plan[column] ?? this.#otherwise);
      const isMasked = masks !== null && masks[column] !== null;
      if (tags.length > 0 && !isMasked) this.#cell(bytes.subarray(at, at + length), column, tags);
      at += length;
    }
  }

  #cell(cell: Buffer, column: number, tags: Tags): void {
    const known = this.columns?.[column];
    const format = known?.format ?? formatOf(this.formats, column);
    if (format === 0) this.#showing.value(cell.toString("utf8"), tags);
    else textsOf(cell, known?.type ?? 0, (text) => this.#showing.value(text, tags));
  }

  /** CopyData frames, or a piece of one. */
  copy(bytes: Buffer, start: number, end: number): void {
    if (this.#otherwise.length > 0) this.#copied.frames(bytes, start, end);
  }

  say(last: boolean): void {
    if (last) this.#copied.finish();
    this.#showing.say(last);
  }

  /** @returns tags by column; null when the reading does not say what the columns are */
  #plan(statement: number): readonly Tags[] | null {
    const outputs = this.#reading.outputs[statement];
    if (outputs === undefined) return null;
    let plan = this.#plans.get(statement);
    if (plan === undefined) {
      plan = outputs.map((from) => (from.length === 0 ? this.#otherwise : tagsOfAll(from, this.#tagsOf)));
      this.#plans.set(statement, plan);
    }
    return plan;
  }
}

/** What may be told otherwise than as a plain column. */
function told({ reveals, opaque, effects }: Reading): readonly ResourceUri[] {
  return opaque === null ? reveals : [...reveals, ...effects.flatMap(({ reads }) => reads)];
}

function tagsOfAll(resources: readonly ResourceUri[], tagsOf: TagsOf): Tags {
  return [...new Set(resources.flatMap((uri) => tagsOf(uri)))].sort();
}
