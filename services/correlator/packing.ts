/**
 * What one step says of itself alone (ids, who, how it ended) as one text of one byte per letter, and back. Beginnings that
 * come again (an issuer, a gateway's own part of its command ids) are kept once and stand there as two letters.
 * What has no such form (letters beyond ASCII, numbers that are no counts, further fields) stays as it is.
 */
import type { FieldValue, Late } from "../../infra/rules/field.ts";
import type { Subject } from "../../schemas/event.ts";

export interface Own {
  readonly id: string;
  readonly command: string;
  readonly subject: Subject;
  readonly late: Late | null;
  /** Further fields of a plain event, or what content was tied to it. */
  readonly more: Readonly<Record<string, FieldValue>> | null;
}

type Who = Exclude<keyof Subject, "command">;
const who = [
  ...(["session", "identity", "onbehalfof", "account", "task", "target", "clientaddress", "grantid"] satisfies Who[]),
] as const;
const separator = "\u0000";
const absent = "\u0001";
const isPlain = /^[ -\u007f]*$/;
const outcomes = ["ok", "error", "unknown"];
const base = 36;
/** Beginnings are two letters from here on: as many as fit into one byte each. */
const codesFrom = 0x80;
const codesMax = codesFrom * codesFrom;
const beginningMin = 4;

export class Packing {
  readonly #codes = new Map<string, string>();
  readonly #beginnings: string[] = [];

  /** @returns null when it has no such form */
  pack({ id, command, subject, late, more }: Own): string | null {
    if (more !== null || subject.command !== command || id === "") return null;
    let text = this.#short(id) + separator + this.#short(command);
    let all = id + command;
    for (const field of who) {
      const value = subject[field];
      text += separator + (value === undefined ? absent : this.#short(value));
      if (value !== undefined) all += value;
    }
    if (late !== null) {
      const end = this.#end(late);
      if (end === null) return null;
      text += end;
      all += late.tag + (late.code ?? "");
    }
    return isPlain.test(all) ? flat(text) : null;
  }

  #end({ rows, outcome, bytes, durationUs, shown, tag, code }: Late): string | null {
    const how = outcomes.indexOf(outcome);
    const counts = [rows, bytes, durationUs];
    if (how === -1 || !counts.every((count) => Number.isSafeInteger(count) && count >= 0)) return null;
    const numbers = counts.map((count) => count.toString(base)).join(separator);
    return `${separator}${shown ? "s" : ""}${how}${separator}${numbers}${separator}${this.#short(tag)}${separator}${code ?? absent}`;
  }

  /** @param text of `pack` */
  unpack(text: string): Own {
    const parts = text.split(separator);
    const command = this.#whole(parts[1] ?? "");
    const subject: { -readonly [K in keyof Subject]: Subject[K] } = {};
    for (const [index, field] of who.entries()) {
      const part = parts[index + 2];
      if (part !== undefined && part !== absent) subject[field] = this.#whole(part);
    }
    subject.command = command;
    const [how, rows = "", bytes = "", durationUs = "", tag = "", code = absent] = parts.slice(2 + who.length);
    const count = (digits: string) => Number.parseInt(digits, base);
    const late =
      how === undefined
        ? null
        : {
            ...{ rows: count(rows), outcome: outcomes[Number(how.at(-1))] ?? "", bytes: count(bytes) },
            ...{ durationUs: count(durationUs), shown: how.length > 1, tag: this.#whole(tag) },
            code: code === absent ? null : code,
          };
    return { id: this.#whole(parts[0] ?? ""), command, subject, late, more: null };
  }

  /** The same member of it, without the rest. */
  commandOf(text: string): string {
    const start = text.indexOf(separator) + 1;
    return this.#whole(text.slice(start, text.indexOf(separator, start)));
  }

  /** The beginning ends where ids are put together; one that is short, or comes when the table is full, is written out. */
  #short(text: string): string {
    let end = text.length;
    while (end > 0 && !isJoint(text.charCodeAt(end - 1))) end -= 1;
    if (end < beginningMin) return text;
    const beginning = text.slice(0, end);
    let code = this.#codes.get(beginning);
    if (code === undefined) {
      const number = this.#beginnings.length;
      if (number === codesMax) return text;
      code = String.fromCharCode(codesFrom + Math.floor(number / codesFrom), codesFrom + (number % codesFrom));
      this.#codes.set(beginning, code);
      this.#beginnings.push(beginning);
    }
    return code + text.slice(end);
  }

  #whole(part: string): string {
    const first = part.charCodeAt(0);
    if (!(first >= codesFrom)) return part;
    const number = (first - codesFrom) * codesFrom + part.charCodeAt(1) - codesFrom;
    return (this.#beginnings[number] ?? "") + part.slice(2);
  }
}

/** `|` `-` `/` `:` `@` and a space. */
function isJoint(letter: number): boolean {
  return letter === 0x7c || letter === 0x2d || letter === 0x2f || letter === 0x3a || letter === 0x40 || letter === 0x20;
}

/** Put together from pieces it would hold on to all of them. */
function flat(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}
