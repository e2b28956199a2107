/** What stands between the product and the storage, and may fail it: passes requests on, one by one as it is told. */
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

export type Fault =
  /** Goes through. */
  | "pass"
  /** A status of the front's own; the storage hears nothing. */
  | { readonly status: number; readonly code?: string }
  /** The storage does it, the answer is lost. */
  | "lose the answer"
  /** Half of the body, then the connection ends. */
  | "truncate"
  /** Half of the body, then nothing. */
  | "stall in the body"
  /** The right length, another content. */
  | "corrupt"
  /** Neither answer nor end. */
  | "stall"
  /** Is kept until `release` and done then; the client's connection is gone. */
  | "delay";

export interface Front {
  readonly endpoint: string;
  readonly seen: Seen[];
  /** Decides for each request; `pass` again when it is null. */
  fault: ((seen: Seen) => Fault) | null;
  /** Faults for the next requests, in order. */
  next(...faults: Fault[]): void;
  /** Does what was delayed, now. @returns the statuses */
  release(): Promise<number[]>;
  close(): Promise<void>;
}

/** @param pem key and certificate: then it speaks TLS */
export async function openFront(behind: string, pem?: Buffer): Promise<Front> {
  const target = new URL(behind);
  const delayed: (() => Promise<number>)[] = [];
  const listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void serve(incoming, outgoing);
  const server = pem === undefined ? createServer(listener) : createTlsServer({ key: pem, cert: pem }, listener);
  const front: Front = {
    endpoint: "",
    seen: [],
    fault: null,
    next(...faults) {
      front.fault = () => faults.shift() ?? "pass";
    },
    release: () => Promise.all(delayed.splice(0).map((work) => work())),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = await whole(incoming);
    const { method = "GET", url: path = "/", headers } = incoming;
    const seen = { method, path, headers };
    front.seen.push(seen);
    const fault = front.fault?.(seen) ?? "pass";
    if (fault === "stall") return;
    if (typeof fault === "object") {
      outgoing.writeHead(fault.status).end(`<Error><Code>${fault.code ?? "Planted"}</Code></Error>`);
      return;
    }
    const pass = () => passOn(target, seen, body);
    if (fault === "delay") {
      delayed.push(async () => (await pass()).status);
      outgoing.destroy();
      return;
    }
    const answer = await pass();
    if (fault === "lose the answer") {
      outgoing.destroy();
      return;
    }
    const bytes = Buffer.from(answer.body);
    if (fault === "corrupt") bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0);
    outgoing.writeHead(answer.status, answer.headers);
    if (fault === "truncate" || fault === "stall in the body") {
      outgoing.write(bytes.subarray(0, bytes.length >> 1), () => fault === "truncate" && outgoing.destroy());
      return;
    }
    outgoing.end(bytes);
  }
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", () => done()));
  return Object.assign(front, {
    endpoint: `${pem === undefined ? "http" : "https"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
  });
}

interface Passed {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

function passOn(target: URL, { method, path, headers }: Seen, body: Buffer): Promise<Passed> {
  return new Promise((resolve, reject) => {
    const options = { hostname: target.hostname, port: target.port, method, path, headers };
    const sent = request(options, (message) => {
      whole(message).then(
        (bytes) => resolve({ status: message.statusCode ?? 0, headers: message.headers, body: bytes }),
        reject,
      );
    });
    sent.once("error", reject);
    sent.end(body);
  });
}

async function whole(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
