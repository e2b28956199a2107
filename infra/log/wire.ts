/**
 * The messages between the process that owns the log and another one on the same machine, over a unix socket:
 *
 *   1a 00 00 00            bytes that follow
 *   02                     kind
 *   {"source":"api/one",…} body: JSON, or bytes for `batch` and `records`
 *
 * host → client `hello`; client → host `attach` per source, signed; host → client `attached`, signed; then batches,
 * acknowledgements and followed records. Every length is checked before anything is kept.
 */
import type { Socket } from "node:net";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Stream } from "../../schemas/event.ts";

interface Standing {
  readonly sequence: number;
  /** Hex. */
  readonly head: string;
}

/** The bodies of JSON messages. */
export interface Said {
  hello: { tenant: string; nonce: string };
  attach: { source: string; nonce: string; signature: string };
  attached: { source: string; steps: Standing; events: Standing; signature: string };
  /** Everything up to these sequences is durable. */
  durable: { source: string; steps: number; events: number };
  /** The disk is full: send the batch again later. */
  full: { source: string };
  refused: { reason: string };
  follow: { follow: number; after: number; streams: Stream[] };
  more: { follow: number };
  stop: { follow: number };
  broken: { follow: number; code: string; message: string };
  ask: { question: number };
  answer: { question: number; position: number };
}

const kinds = [
  "hello",
  "attach",
  "attached",
  "durable",
  "full",
  "refused",
  "follow",
  "more",
  "stop",
  "broken",
  "ask",
  "answer",
] as const satisfies readonly (keyof Said)[];
export const batchKind = 100;
export const recordsKind = 101;

/** A batch holds at most this; a block of records is smaller. */
export const batchBytesMax = 1024 * 1024;
const messageBytesMax = batchBytesMax + 64 * 1024;
/** Before a source is attached. */
export const greetingBytesMax = 4096;

export type Message =
  | { readonly [K in keyof Said]: { readonly kind: K; readonly body: Said[K] } }[keyof Said]
  | { readonly kind: "batch" | "records"; readonly body: Buffer };

export function send<K extends keyof Said>(socket: Socket, kind: K, body: Said[K]): void {
  sendBytes(socket, kinds.indexOf(kind), Buffer.from(JSON.stringify(body)));
}

export function sendBytes(socket: Socket, kind: number, ...pieces: Uint8Array[]): void {
  const head = Buffer.alloc(5);
  head.writeUInt32LE(1 + pieces.reduce((sum, piece) => sum + piece.length, 0));
  head[4] = kind;
  socket.cork();
  socket.write(head);
  for (const piece of pieces) socket.write(piece);
  socket.uncork();
}

/** Puts chunks together into messages. */
export class Inbox {
  /** Raised once the peer is known. */
  bytesMax = greetingBytesMax;
  #rest: Buffer = Buffer.alloc(0);

  /** The peer may send batches and records from now on. */
  trust(): void {
    this.bytesMax = messageBytesMax;
  }

  /** @throws ThroughlineError `frame.too_large`, `frame.malformed` */
  push(chunk: Buffer, each: (message: Message) => void): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= 4) {
      const length = bytes.readUInt32LE(0);
      if (length === 0 || length > this.bytesMax)
        throw new ThroughlineError("frame.too_large", `A message of ${length} bytes on the log's socket`);
      if (bytes.length < 4 + length) break;
      const message = parse(bytes[4] ?? 0, bytes.subarray(5, 4 + length));
      bytes = bytes.subarray(4 + length);
      each(message);
    }
    this.#rest = bytes;
  }
}

function parse(kind: number, body: Buffer): Message {
  if (kind === batchKind || kind === recordsKind) return { kind: kind === batchKind ? "batch" : "records", body };
  const name = kinds[kind];
  if (name === undefined) throw new ThroughlineError("frame.malformed", `Message ${kind} on the log's socket`);
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch (cause) {
    throw new ThroughlineError("frame.malformed", "A message on the log's socket is not JSON", cause);
  }
  if (!hasMembers(name, value)) throw new ThroughlineError("frame.malformed", `A ${name} on the log's socket`);
  // Every member's type was just checked against `shapes`.
  return { kind: name, body: value } as Message;
}

const standing = { sequence: "number", head: "string" };
const shapes: { readonly [K in keyof Said]: Record<keyof Said[K], unknown> } = {
  hello: { tenant: "string", nonce: "string" },
  attach: { source: "string", nonce: "string", signature: "string" },
  attached: { source: "string", steps: standing, events: standing, signature: "string" },
  durable: { source: "string", steps: "number", events: "number" },
  full: { source: "string" },
  refused: { reason: "string" },
  follow: { follow: "number", after: "number", streams: "object" },
  more: { follow: "number" },
  stop: { follow: "number" },
  broken: { follow: "number", code: "string", message: "string" },
  ask: { question: "number" },
  answer: { question: "number", position: "number" },
};

function hasMembers(kind: keyof Said, value: unknown): boolean {
  return fits(shapes[kind], value);
}

function fits(shape: object, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const members = new Map<string, unknown>(Object.entries(value));
  return Object.entries(shape).every(([name, type]) => {
    const member = members.get(name);
    if (typeof type === "object") return fits(type, member);
    if (type === "object") return Array.isArray(member);
    return typeof member === type && (type !== "number" || Number.isSafeInteger(member));
  });
}
