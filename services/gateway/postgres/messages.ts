/**
 * Builders for every PostgreSQL message that the gateway itself sends, to either side, and readers for the few fields
 * that are looked at in more than one place. Names as in the PostgreSQL specification, §54.7.
 * What passes through is never rebuilt here: it is forwarded as the bytes it came in.
 */
import { ThroughlineError } from "../../../schemas/errors.ts";
import { clientTypes, targetTypes } from "./frames.ts";

const encoder = new TextEncoder();

function text(value: string): Uint8Array {
  return encoder.encode(value);
}

/** A zero-terminated string; a zero inside would let a text end early and start another field. */
function cstring(value: string): Uint8Array {
  return text(`${value.replaceAll("\0", "")}\0`);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** type byte, length, fields */
function frame(type: number, ...fields: readonly Uint8Array[]): Buffer {
  let length = 4;
  for (const field of fields) length += field.length;
  const head = Buffer.alloc(5);
  head[0] = type;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, ...fields], length + 1);
}

/** Fields of ErrorResponse and NoticeResponse by their letter, §54.8. */
export interface ReportFields {
  readonly severity: "ERROR" | "FATAL" | "PANIC" | "WARNING" | "NOTICE" | "DEBUG" | "INFO" | "LOG";
  /** SQLSTATE. */
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly position?: string;
  readonly where?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly dataType?: string;
  readonly constraint?: string;
}

const letters = {
  message: "M",
  detail: "D",
  hint: "H",
  position: "P",
  where: "W",
  schema: "s",
  table: "t",
  column: "c",
  dataType: "d",
  constraint: "n",
} as const;

function report(type: number, fields: ReportFields): Buffer {
  const parts = [cstring(`S${fields.severity}`), cstring(`V${fields.severity}`), cstring(`C${fields.code}`)];
  for (const name of Object.keys(letters) as (keyof typeof letters)[]) {
    const value = fields[name];
    if (value !== undefined) parts.push(cstring(letters[name] + value));
  }
  return frame(type, ...parts, Buffer.alloc(1));
}

export function errorResponse(fields: ReportFields): Buffer {
  return report(targetTypes.ErrorResponse, fields);
}

export function noticeResponse(fields: ReportFields): Buffer {
  return report(targetTypes.NoticeResponse, fields);
}

/**
 * @param message a whole ErrorResponse or NoticeResponse, header included
 * @returns its fields by letter (`C` SQLSTATE, `M` message, `D` detail, `S` severity…)
 */
export function reportFields(message: Buffer): Map<string, string> {
  const fields = new Map<string, string>();
  let at = 5;
  while (at < message.length && message[at] !== 0) {
    const end = message.indexOf(0, at + 1);
    if (end < 0) throw new ThroughlineError("frame.malformed", "a field of an error has no end");
    fields.set(String.fromCharCode(message[at]!), message.toString("utf8", at + 1, end));
    at = end + 1;
  }
  return fields;
}

/**
 * @param at where the string begins in `bytes`
 * @returns the string and where the next field begins
 * @throws ThroughlineError `frame.malformed` when it has no end before `end`
 */
export function readString(bytes: Buffer, at: number, end: number = bytes.length): { value: string; next: number } {
  const zero = bytes.indexOf(0, at);
  if (zero < 0 || zero >= end) throw new ThroughlineError("frame.malformed", "a string has no end");
  return { value: bytes.toString("utf8", at, zero), next: zero + 1 };
}

export const authenticationOk = (): Buffer => frame(targetTypes.Authentication, int32(0));

export function authenticationSasl(mechanisms: readonly string[]): Buffer {
  return frame(targetTypes.Authentication, int32(10), ...mechanisms.map(cstring), Buffer.alloc(1));
}

export function authenticationSaslContinue(data: string): Buffer {
  return frame(targetTypes.Authentication, int32(11), text(data));
}

export function authenticationSaslFinal(data: string): Buffer {
  return frame(targetTypes.Authentication, int32(12), text(data));
}

export function parameterStatus(name: string, value: string): Buffer {
  return frame(targetTypes.ParameterStatus, cstring(name), cstring(value));
}

export function backendKeyData(processId: number, secret: Uint8Array): Buffer {
  return frame(targetTypes.BackendKeyData, int32(processId), secret);
}

export function readyForQuery(status: "I" | "T" | "E"): Buffer {
  return frame(targetTypes.ReadyForQuery, text(status));
}

/** @param version the newest that is spoken here, e.g. 0x00030002 @param unknown `_pq_.` options that were not understood */
export function negotiateProtocolVersion(version: number, unknown: readonly string[]): Buffer {
  return frame(targetTypes.NegotiateProtocolVersion, int32(version), int32(unknown.length), ...unknown.map(cstring));
}

export function commandComplete(tag: string): Buffer {
  return frame(targetTypes.CommandComplete, cstring(tag));
}

export function query(sql: string): Buffer {
  return frame(clientTypes.Query, cstring(sql));
}

export function parse(statement: string, sql: string, parameterTypes: readonly number[] = []): Buffer {
  const types = parameterTypes.map(int32);
  return frame(clientTypes.Parse, cstring(statement), cstring(sql), int16(types.length), ...types);
}

export interface BindFields {
  readonly portal: string;
  readonly statement: string;
  readonly parameterFormats?: readonly number[];
  /** null is SQL NULL. */
  readonly parameters?: readonly (Uint8Array | null)[];
  readonly resultFormats?: readonly number[];
}

export function bind(fields: BindFields): Buffer {
  const { parameterFormats = [], parameters = [], resultFormats = [] } = fields;
  return frame(
    clientTypes.Bind,
    cstring(fields.portal),
    cstring(fields.statement),
    int16(parameterFormats.length),
    ...parameterFormats.map(int16),
    int16(parameters.length),
    ...parameters.flatMap((value) => (value === null ? [int32(-1)] : [int32(value.length), value])),
    int16(resultFormats.length),
    ...resultFormats.map(int16),
  );
}

/** S: a prepared statement, P: a portal. */
export type Named = "S" | "P";

export function describe(kind: Named, name: string): Buffer {
  return frame(clientTypes.Describe, text(kind), cstring(name));
}

export function close(kind: Named, name: string): Buffer {
  return frame(clientTypes.Close, text(kind), cstring(name));
}

/** @param rowsMax 0 = all */
export function execute(portal: string, rowsMax = 0): Buffer {
  return frame(clientTypes.Execute, cstring(portal), int32(rowsMax));
}

export const sync = (): Buffer => frame(clientTypes.Sync);
export const flush = (): Buffer => frame(clientTypes.Flush);
export const terminate = (): Buffer => frame(clientTypes.Terminate);
/** @param reason stands in the target's error and log */
export const copyFail = (reason: string): Buffer => frame(clientTypes.CopyFail, cstring(reason));
export const copyDone = (): Buffer => frame(clientTypes.CopyDone);

export function passwordMessage(password: string): Buffer {
  return frame(clientTypes.Password, cstring(password));
}

export function saslInitialResponse(mechanism: string, data: string): Buffer {
  const bytes = text(data);
  return frame(clientTypes.Password, cstring(mechanism), int32(bytes.length), bytes);
}

export function saslResponse(data: string): Buffer {
  return frame(clientTypes.Password, text(data));
}

/** Codes in the place of a protocol version, §54.2.10 and following. */
export const requestCodes = { cancel: 80877102, tls: 80877103, gss: 80877104 } as const;

/** A message of the time before types: length, code, fields. */
function untyped(code: number, ...fields: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat([int32(code), ...fields]);
  return Buffer.concat([int32(body.length + 4), body]);
}

export function startupMessage(version: number, parameters: ReadonlyMap<string, string>): Buffer {
  const pairs = [...parameters].flatMap(([name, value]) => [cstring(name), cstring(value)]);
  return untyped(version, ...pairs, Buffer.alloc(1));
}

export const sslRequest = (): Buffer => untyped(requestCodes.tls);

export function cancelRequest(processId: number, secret: Uint8Array): Buffer {
  return untyped(requestCodes.cancel, int32(processId), secret);
}
