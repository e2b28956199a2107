/**
 * How output looks: colours on a terminal only, aligned columns, times and names made for reading at 3 a.m.
 *
 * Control characters in what others wrote (names, reasons, SQL) are shown, never sent: a terminal obeys them, and the
 * reader of an incident must not be shown another story than the log holds.
 */
import type { Terminal } from "./parts.ts";

const codes = { red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36, dim: 2, bold: 1 } as const;
export type Colour = keyof typeof codes;

const escapeMark = String.fromCharCode(27);
// Controls but tab and newline, and the marks that turn the reading direction.
const unsafe = /(?![\t\n])[\p{Cc}\p{Bidi_Control}]/gu;

/** Foreign text made harmless: a control character becomes `\xNN`. */
export function shown(text: string): string {
  return text.replace(unsafe, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

export function paint(terminal: Terminal, colour: Colour, text: string): string {
  return terminal.tty ? `${escapeMark}[${codes[colour]}m${text}${escapeMark}[0m` : text;
}

const rulingColours: Readonly<Record<string, Colour>> = {
  allow: "green",
  mask: "cyan",
  hold: "yellow",
  block: "red",
};

export function paintRuling(terminal: Terminal, ruling: string, text = ruling): string {
  const colour = rulingColours[ruling.trim()];
  return colour ? paint(terminal, colour, text) : text;
}

const pad = (n: number, width = 2): string => String(n).padStart(width, "0");

/** Local `2026-01-31 03:12:09`; the zone is the reader's own. */
export function localTime(ms: number): string {
  const d = new Date(ms);
  return `${localDay(d)} ${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
}

/** Local `03:12:09.123`, for lines of one day. */
export function localClock(ms: number): string {
  const d = new Date(ms);
  return `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}.${pad(d.getMilliseconds(), 3)}`;
}

function localDay(d: Date): string {
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;
}

/** `in 4 min`, `3 h ago`. */
export function fromNow(ms: number, nowMs: number): string {
  const seconds = Math.round(Math.abs(ms - nowMs) / 1_000);
  const size =
    seconds < 90
      ? `${seconds} s`
      : seconds < 5_400
        ? `${Math.round(seconds / 60)} min`
        : `${Math.round(seconds / 3_600)} h`;
  return ms >= nowMs ? `in ${size}` : `${size} ago`;
}

/** One line, whitespace folded, cut with `…` at `width`. */
export function clipped(text: string, width: number): string {
  const line = shown(text.replace(/\s+/g, " ").trim());
  return line.length <= width ? line : `${line.slice(0, Math.max(0, width - 1))}…`;
}

/**
 * Foreign prose in lines that fit the terminal, broken between words; one line, however long, when the output goes to a
 * file or a pipe. @param indent columns before every line but the first, which the caller begins
 */
export function wrapped(terminal: Terminal, text: string, indent = 0): string[] {
  const prose = shown(text.replace(/\s+/g, " ").trim());
  if (!terminal.tty) return [prose];
  const width = Math.max(24, terminal.columns - indent);
  const lines: string[] = [""];
  for (const word of prose.split(" ")) {
    const line = lines.at(-1) ?? "";
    if (line === "" || line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`.trim();
    else lines.push(word);
  }
  return lines.map((line, i) => (i === 0 ? line : " ".repeat(indent) + line));
}

/** Local `2026-01-31`. */
export const localDate = (ms: number): string => localDay(new Date(ms));

export interface Column<T> {
  readonly head: string;
  readonly cell: (row: T) => string;
  /** Colours a cell that was already padded. */
  readonly paint?: (padded: string, row: T) => string;
  readonly align?: "right";
}

/**
 * Rows as aligned columns under a dim head; the last column takes what is left of a terminal's width.
 * @param under on a terminal, prose below a row; `""` = none
 */
export function table<T>(
  terminal: Terminal,
  columns: readonly Column<T>[],
  rows: readonly T[],
  under: (row: T) => string = () => "",
): string[] {
  const cells = rows.map((row) => columns.map((column) => clipped(column.cell(row), 4_000)));
  const widths = columns.map((column, i) =>
    Math.max(column.head.length, ...cells.map((line) => (line[i] ?? "").length)),
  );
  const last = columns.length - 1;
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + 2, 0);
  if (terminal.tty) widths[last] = Math.max(20, terminal.columns - before);
  const line = (texts: readonly string[], row: T | null): string =>
    columns
      .map((column, i) => {
        const fitted = clipped(texts[i] ?? "", widths[i] ?? 0);
        const padded =
          column.align === "right"
            ? fitted.padStart(widths[i] ?? 0)
            : i === last
              ? fitted
              : fitted.padEnd(widths[i] ?? 0);
        return row !== null && column.paint ? column.paint(padded, row) : padded;
      })
      .join("  ")
      .trimEnd();
  return [
    paint(
      terminal,
      "dim",
      line(
        columns.map((column) => column.head),
        null,
      ),
    ),
    ...rows.flatMap((row, i) => [line(cells[i] ?? [], row), ...below(terminal, terminal.tty ? under(row) : "")]),
  ];
}

const belowIndent = 4;

const below = (terminal: Terminal, text: string): string[] =>
  text === ""
    ? []
    : wrapped(terminal, text, belowIndent).map((line, i) =>
        paint(terminal, "dim", i === 0 ? " ".repeat(belowIndent) + line : line),
      );

/** `label   value` lines with the values under each other; empty values are left out. */
export function facts(terminal: Terminal, pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...pairs.map(([label]) => label.length));
  return pairs
    .filter(([, value]) => value !== "")
    .flatMap(([label, value]) => {
      const [first = "", ...more] = wrapped(terminal, value, width + 2);
      return [`${paint(terminal, "dim", label.padEnd(width))}  ${first}`, ...more];
    });
}
