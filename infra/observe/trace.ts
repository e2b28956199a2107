/**
 * Traces of a command's way, as the product sees them: a span from the client's question to its answer, and in it the
 * stages of the gate, the record's sync, the shared log, the target, the result. otel.ts sends them; where tracing is off
 * there is no Tracer, and nobody on a path asks anything.
 *
 * Attributes are names of ours and ids that the log has too: never a statement, a value or a person. A trace is for
 * finding slow parts; it is no evidence, and nothing waits for it.
 */

export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** One command that is traced. Times are milliseconds since the epoch, with fractions. */
export interface Trace {
  span(name: string, fromMs: number, untilMs: number, attributes?: Attributes): void;
  /** Ends the whole; exactly once. @param failed shown as an error */
  end(untilMs: number, attributes: Attributes, failed: boolean): void;
}

export interface Tracer {
  /** @param parent a W3C traceparent, or null @returns null = this one is not traced */
  begin(name: string, fromMs: number, parent: Traceparent | null): Trace | null;
  readonly counts: { readonly traced: number; readonly failedExports: number };
  /** Sends what waits, for a bounded time; never rejects. */
  close(): Promise<void>;
}

export interface Traceparent {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const comment = /traceparent='([^']{1,100})'/;
const header = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
/** Where sqlcommenter puts it: a comment at the end, or at the start. */
const lookedAtLetters = 1_024;

/** The traceparent that a client wrote into a comment of its statement (sqlcommenter). Claimed, so never trusted. */
export function traceparentOf(text: string): Traceparent | null {
  const short = text.length <= lookedAtLetters * 2;
  const part = short ? text : `${text.slice(0, lookedAtLetters)}\n${text.slice(-lookedAtLetters)}`;
  if (!part.includes("traceparent='")) return null;
  const found = header.exec(decoded(comment.exec(part)?.[1] ?? ""));
  if (!found) return null;
  const [, traceId = "", spanId = "", flags = "0"] = found;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** sqlcommenter encodes values as in a URL. */
function decoded(value: string): string {
  return /^[\w%.-]*$/.test(value) && !/%(?![0-9a-fA-F]{2})/.test(value) ? value.replace(/%2D/gi, "-") : "";
}
