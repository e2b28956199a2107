/**
 * One request and its whole answer over HTTP or HTTPS, bounded in bytes and in time. It follows no redirect and tries
 * nothing twice; it knows nothing of what is said.
 */
import { type Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { ThroughlineError } from "../../schemas/errors.ts";

export interface Request {
  /** `http:` or `https:` */
  readonly protocol: string;
  readonly hostname: string;
  readonly port: number;
  readonly method: "GET" | "HEAD" | "PUT";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export interface Bounds {
  readonly agent: HttpAgent;
  /** Until the answer begins, besides the time its bytes and the request's may take. */
  readonly answerMsMax: number;
  readonly bytesPerSecondMin: number;
  readonly answerBytesMax: number;
  /** Finds the address of a host name; the system's when absent. */
  readonly lookup?: RequestOptions["lookup"];
}

/**
 * @throws Error (the socket's own, or that it took too long): whether the request was done is unknown
 * @throws ThroughlineError `frame.too_large` when the answer is over the bound
 */
export function exchange(request: Request, bounds: Bounds): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const transfer = (bytes: number) => (bytes / bounds.bytesPerSecondMin) * 1000;
  const { body, protocol, ...where } = request;
  const options = {
    ...where,
    agent: bounds.agent,
    ...(bounds.lookup ? { lookup: bounds.lookup } : {}),
    headers: { ...request.headers, ...(request.method === "PUT" ? { "content-length": String(body.length) } : {}) },
  };
  const sent = (protocol === "https:" ? httpsRequest : httpRequest)(options);
  const late = () => sent.destroy(new Error("it took too long"));
  let timer = setTimeout(late, bounds.answerMsMax + transfer(body.length));
  sent.once("response", (message) => {
    const said = Number(message.headers["content-length"] ?? 0);
    clearTimeout(timer);
    timer = setTimeout(late, bounds.answerMsMax + transfer(Math.min(said, bounds.answerBytesMax)));
    const expected = request.method === "HEAD" ? 0 : said;
    collect(message, expected, bounds.answerBytesMax).then(
      (bytes) => resolve({ status: message.statusCode ?? 0, headers: message.headers, body: bytes }),
      (error: unknown) => {
        reject(error);
        sent.destroy();
      },
    );
  });
  sent.once("error", reject);
  sent.end(body);
  return promise.finally(() => clearTimeout(timer));
}

/** @param expected what `content-length` says; 0 when it says nothing */
async function collect(message: IncomingMessage, expected: number, bytesMax: number): Promise<Buffer> {
  const tooLarge = () => new ThroughlineError("frame.too_large", `The answer is over ${bytesMax} bytes`);
  if (expected > bytesMax) throw tooLarge();
  const chunks: Buffer[] = [];
  let total = 0;
  // A connection that ends too early is an error of the stream: half an answer is none.
  for await (const chunk of message as AsyncIterable<Buffer>) {
    total += chunk.length;
    if (total > bytesMax) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, total);
}
