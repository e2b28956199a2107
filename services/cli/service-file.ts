/**
 * Entries in files that belong to the user: `pg_service.conf` and a pass file. Pure text in, text out.
 *
 *   [throughline-orders-loader]
 *   host=127.0.0.1
 *   port=6432
 *   dbname=orders
 *   user=loader~g_01h…
 *   passfile=/home/ana/.config/throughline/pgpass
 *
 * It replaces its own section and leaves every other byte as it was. It refuses values that would break out of a line:
 * they come from the API, and a newline would let it write other settings into the user's file.
 */
import { failed } from "./failure.ts";

/** @throws CliFailure `request.invalid` for a value with a line break or NUL. */
function plain(value: string): string {
  if (/[\r\n\0]/.test(value))
    throw failed("request.invalid", "The gateway's answer holds a line break where none can be.");
  return value;
}

/** @param text the file as it is, empty when there is none. @returns the file with `section` set to exactly `settings`. */
export function withSection(text: string, section: string, settings: readonly (readonly [string, string])[]): string {
  const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
  const start = lines.findIndex((line) => line.trim() === `[${plain(section)}]`);
  const entry = [`[${section}]`, ...settings.map(([key, value]) => `${key}=${plain(value)}`)];
  if (start < 0) return [...lines, ...(lines.length > 0 ? [""] : []), ...entry, ""].join("\n");
  const next = lines.findIndex((line, i) => i > start && line.trim().startsWith("["));
  const rest = next < 0 ? [] : ["", ...lines.slice(next)];
  return [...lines.slice(0, start), ...entry, ...rest, ""].join("\n");
}

/** Where a section begins and ends (the line behind it), or null. */
function placeOf(lines: readonly string[], section: string): readonly [number, number] | null {
  const start = lines.findIndex((line) => line.trim() === `[${section}]`);
  if (start < 0) return null;
  const next = lines.findIndex((line, i) => i > start && line.trim().startsWith("["));
  return [start, next < 0 ? lines.length : next];
}

/** @returns a setting of a section, or null */
export function settingOf(text: string, section: string, key: string): string | null {
  const lines = text.split("\n");
  const place = placeOf(lines, section);
  const line = place && lines.slice(...place).find((one) => one.startsWith(`${key}=`));
  return line ? line.slice(key.length + 1).trim() : null;
}

/** @returns the file without the section; every other byte as it was */
export function withoutSection(text: string, section: string): string {
  const lines = text.split("\n");
  const place = placeOf(lines, section);
  return place ? [...lines.slice(0, place[0]), ...lines.slice(place[1])].join("\n") : text;
}

/** @returns the pass file without what a user name on the wire (`account~grant`) opens */
export const withoutPass = (text: string, user: string): string =>
  text
    .split("\n")
    .filter((line) => !line.includes(`:${escaped(user)}:`))
    .join("\n");

export interface PassEntry {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly secret: string;
}

const escaped = (field: string): string => plain(field).replace(/[\\:]/g, (character) => `\\${character}`);

/** Adds a line to a pass file, in front of the older ones; entries of the same account's earlier Grants go. */
export function withPass(text: string, entry: PassEntry): string {
  const key = [entry.host, String(entry.port), entry.database].map(escaped).join(":");
  const account = `${key}:${escaped(entry.user.split("~")[0] ?? entry.user)}~`;
  const kept = text.split("\n").filter((line) => line !== "" && !line.startsWith(account));
  return [`${key}:${escaped(entry.user)}:${escaped(entry.secret)}`, ...kept, ""].join("\n");
}
