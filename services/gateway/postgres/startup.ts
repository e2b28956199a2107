/**
 * The first packets of a connection, read: TLS and GSS requests, cancel, startup. Pure.
 *
 * Settings of a startup packet, also those inside `options`, go on to the target one by one under their own names, so
 * that PostgreSQL and we never read the same string differently. Refuses settings that would make a later statement
 * mean something else than the gateway reads, and replication.
 */
import { ThroughlineError } from "../../../schemas/errors.ts";
import { limits } from "../../../schemas/limits.ts";
import { readString, requestCodes } from "./messages.ts";

/** 3.2 adds longer cancel keys; a client that asks for more is told (NegotiateProtocolVersion). */
export const newestMinor = 2;

export type Opening =
  | { readonly kind: "tls" }
  | { readonly kind: "gss" }
  | { readonly kind: "cancel"; readonly processId: number; readonly secret: Buffer }
  | { readonly kind: "startup"; readonly startup: Startup };

export interface Startup {
  /** What both sides speak from now on. */
  readonly minor: number;
  /** A NegotiateProtocolVersion is due, with these options named as unknown. */
  readonly negotiate: { readonly unknown: readonly string[] } | null;
  readonly user: string;
  /** As PostgreSQL has it, the user's name when absent. */
  readonly database: string;
  readonly application: string;
  /** For the target's startup packet, in order. */
  readonly settings: ReadonlyMap<string, string>;
}

/** @throws ThroughlineError `frame.malformed`, `frame.too_large`: the first four bytes already decide */
export function openingLength(prefix: Buffer): number {
  const length = prefix.readUInt32BE(0);
  if (length > limits.startupBytesMax) {
    throw new ThroughlineError("frame.too_large", `a startup packet of ${length} bytes`);
  }
  if (length < 8) throw new ThroughlineError("frame.malformed", `a startup packet of ${length} bytes`);
  return length;
}

/**
 * @param packet without its length
 * @throws ThroughlineError `frame.malformed`, `login.unsupported`
 */
export function readOpening(packet: Buffer): Opening {
  const code = packet.readUInt32BE(0);
  if (code === requestCodes.tls || code === requestCodes.gss) {
    if (packet.length !== 4) throw new ThroughlineError("frame.malformed", "an encryption request with a body");
    return { kind: code === requestCodes.tls ? "tls" : "gss" };
  }
  if (code === requestCodes.cancel) return readCancel(packet);
  if (code >>> 16 !== 3) {
    throw new ThroughlineError("login.unsupported", `protocol ${code >>> 16}.${code & 0xffff}; 3.0 to 3.2 are spoken`);
  }
  return { kind: "startup", startup: readStartup(packet, code & 0xffff) };
}

function readCancel(packet: Buffer): Opening {
  // 3.0: four bytes of secret; 3.2: up to 256.
  if (packet.length < 12 || packet.length > 8 + 256) {
    throw new ThroughlineError("frame.malformed", "a cancel request of an impossible length");
  }
  return { kind: "cancel", processId: packet.readUInt32BE(4), secret: packet.subarray(8) };
}

function readStartup(packet: Buffer, minor: number): Startup {
  const given = readPairs(packet);
  const unknown = [...given.keys()].filter((name) => name.startsWith("_pq_."));
  const user = given.get("user") ?? "";
  if (user === "") throw new ThroughlineError("frame.malformed", "no user name in the startup packet");
  refuseReplication(given.get("replication"));
  const settings = settingsOf(given);
  return {
    minor: Math.min(minor, newestMinor),
    negotiate: minor > newestMinor || unknown.length > 0 ? { unknown } : null,
    user,
    database: given.get("database") || user,
    application: settings.get("application_name") ?? "",
    settings,
  };
}

function readPairs(packet: Buffer): Map<string, string> {
  const pairs = new Map<string, string>();
  let at = 4;
  while (at < packet.length && packet[at] !== 0) {
    const name = readString(packet, at);
    const value = readString(packet, name.next);
    pairs.set(name.value, value.value);
    at = value.next;
  }
  if (at !== packet.length - 1) throw new ThroughlineError("frame.malformed", "a startup packet without its end");
  return pairs;
}

function refuseReplication(value: string | undefined): void {
  if (value === undefined || /^(false|off|no|0|f|n)$/i.test(value)) return;
  throw new ThroughlineError("login.unsupported", "replication connections are not let through");
}

const notSettings: readonly string[] = ["user", "database", "options", "replication"];

function settingsOf(given: ReadonlyMap<string, string>): Map<string, string> {
  const settings = new Map<string, string>();
  // PostgreSQL applies `options` first, then the packet's own settings: the later one wins.
  for (const [name, value] of readOptions(given.get("options") ?? "")) keep(settings, name, value);
  for (const [name, value] of given) {
    if (!notSettings.includes(name) && !name.startsWith("_pq_.")) keep(settings, name, value);
  }
  // Pinned: what the gateway's reader assumes of every text.
  if (!settings.has("client_encoding")) settings.set("client_encoding", "UTF8");
  settings.set("standard_conforming_strings", "on");
  return settings;
}

function keep(settings: Map<string, string>, name: string, value: string): void {
  const lower = name.toLowerCase();
  if (notSettings.includes(lower) || lower.startsWith("_pq_.")) {
    throw new ThroughlineError("login.unsupported", `"${shown(name)}" is not a setting`);
  }
  const reason = refusedSettings.get(lower);
  if (reason !== undefined) throw new ThroughlineError("login.unsupported", `setting ${lower}: ${reason}`);
  const check = checkedSettings.get(lower);
  if (check && !check.allowed.test(value)) throw new ThroughlineError("login.unsupported", `${lower}: ${check.reason}`);
  settings.delete(lower);
  settings.set(lower, value);
}

const afterwards = "give it with SET after connecting, where it is followed and recorded";
const preload = "loads code before anything is recorded";

const refusedSettings: ReadonlyMap<string, string> = new Map([
  ["role", afterwards],
  ["session_authorization", afterwards],
  ["session_replication_role", "it switches triggers off"],
  ["backslash_quote", "it changes how a text is read"],
  ["local_preload_libraries", preload],
  ["session_preload_libraries", preload],
]);

const checkedSettings: ReadonlyMap<string, { readonly allowed: RegExp; readonly reason: string }> = new Map([
  // Others hide quotes and backslashes inside characters. SQL_ASCII passes bytes as they are.
  [
    "client_encoding",
    { allowed: /^'?(utf-?8|unicode|sql_ascii)'?$/i, reason: "only UTF8 and SQL_ASCII are read here" },
  ],
  ["standard_conforming_strings", { allowed: /^(on|true|yes|1|t|y)$/i, reason: "must stay on" }],
]);

/**
 * The `options` string: words apart by white space, a backslash takes the next character as it is (as PostgreSQL's
 * pg_split_opts does). Only `-c name=value` and `--name=value`; every other switch of the postgres program is refused.
 */
function* readOptions(options: string): Generator<[name: string, value: string]> {
  const words = splitOptions(options);
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    let setting = "";
    if (word === "-c") setting = words.shift() ?? "";
    else if (word.startsWith("-c") || word.startsWith("--")) setting = word.slice(2);
    const equals = setting.indexOf("=");
    if (equals < 1) throw new ThroughlineError("login.unsupported", `options: "${shown(word)}" is not -c name=value`);
    yield [setting.slice(0, equals).replaceAll("-", "_"), setting.slice(equals + 1)];
  }
}

function splitOptions(options: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  for (let at = 0; at < options.length; at += 1) {
    let character = options[at]!;
    if (/[ \t\n\v\f\r]/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
      continue;
    }
    if (character === "\\") {
      at += 1;
      character = options[at] ?? "";
    }
    word = (word ?? "") + character;
  }
  if (word !== null) words.push(word);
  return words;
}

/** A claimed word in a message: bounded, and nothing that moves a terminal. */
export function shown(text: string): string {
  return text.replace(/\p{C}/gu, "?").slice(0, 64);
}
