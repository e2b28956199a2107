/**
 * Signed requests to S3-compatible storage: address, signature version 4, attempts with growing pauses.
 * The one file that knows @smithy/signature-v4, the signer of AWS's own SDK; the SDK itself is a hundred packages for
 * three requests, and lets nobody bound the bytes of an answer.
 * Credentials are read from their files for every request, so that rotating them needs no restart.
 */
import { createHash, createHmac, type Hash, type Hmac, hash, randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { Agent as HttpAgent, type RequestOptions } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { setTimeout as wait } from "node:timers/promises";
import { SignatureV4 } from "@smithy/signature-v4";
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import { type Answer, exchange, type Request } from "./exchange.ts";

export interface S3Options {
  /** `https://host[:port]` */
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly accessKeyFile: string;
  readonly secretKeyFile: string;
  /** The bucket in the path instead of in the host's name. */
  readonly pathStyle?: boolean;
  /** PEM; absent = the system's. */
  readonly caFile?: string;
  /** The clock, milliseconds. */
  readonly now: () => number;
  /** For tests; otherwise as in schemas/limits.ts and of the system. */
  readonly bounds?: { readonly [K in Bounded]?: number };
  readonly lookup?: RequestOptions["lookup"];
}

type Bounded = "objectAnswerMsMax" | "objectBytesPerSecondMin" | "objectAttemptsMax";

export interface Call {
  readonly method: Request["method"];
  /** Below the bucket, without a slash in front; empty for the bucket itself. */
  readonly key: string;
  /** One name without a value. */
  readonly query?: string;
  readonly body?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly answerBytesMax?: number;
}

export interface Called {
  readonly answer: Answer;
  /** An attempt before this one may have been done as well: nobody said. */
  readonly unsure: boolean;
}

/** Errors and explanations are short. */
const wordsBytesMax = 64 * 1024;
const pauseMsMin = 100;
/** Ask again: busy, failing, or two conditional writes at once (409). */
const passing = new Set([408, 409, 429, 500, 502, 503, 504]);

export class S3Caller {
  readonly #options: S3Options;
  readonly #agent: HttpAgent;
  readonly #signer: SignatureV4;
  readonly #endpoint: URL;
  readonly #bounds: { readonly [K in Bounded]: number };

  /** @throws ThroughlineError `config.unreadable` when the CA is not there */
  constructor(options: S3Options) {
    this.#options = options;
    this.#endpoint = new URL(options.endpoint);
    this.#bounds = { ...limits, ...options.bounds };
    const pool = { keepAlive: true, maxSockets: 32 };
    this.#agent =
      this.#endpoint.protocol === "https:"
        ? new HttpsAgent({
            ...pool,
            minVersion: "TLSv1.2",
            ...(options.caFile ? { ca: certificates(options.caFile) } : {}),
          })
        : new HttpAgent(pool);
    this.#signer = new SignatureV4({
      service: "s3",
      region: options.region,
      credentials: () => credentials(options),
      sha256: Sha256,
      uriEscapePath: false,
    });
  }

  /**
   * Asks until there is an answer that another try would not change.
   * @throws ThroughlineError `blobs.unavailable` after the last attempt, `frame.too_large`, `config.unreadable`
   */
  async call(call: Call): Promise<Called> {
    let unsure = false;
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#attempt(call);
      if (!(answer instanceof Error) && !passing.has(answer.status)) return { answer, unsure };
      if (attempt >= this.#bounds.objectAttemptsMax) throw unavailable(answer, attempt);
      unsure = true;
      const pause = pauseMsMin * 2 ** attempt;
      await wait(randomInt(pause / 2, pause));
    }
  }

  async #attempt(call: Call): Promise<Answer | Error> {
    const request = await this.#request(call);
    try {
      return await exchange(request, {
        agent: this.#agent,
        answerMsMax: this.#bounds.objectAnswerMsMax,
        bytesPerSecondMin: this.#bounds.objectBytesPerSecondMin,
        answerBytesMax: Math.max(call.answerBytesMax ?? 0, wordsBytesMax),
        ...(this.#options.lookup ? { lookup: this.#options.lookup } : {}),
      });
    } catch (cause) {
      if (cause instanceof ThroughlineError || !(cause instanceof Error)) throw cause;
      return cause;
    }
  }

  async #request(call: Call): Promise<Request> {
    const { bucket, pathStyle = false, now } = this.#options;
    const { protocol, hostname, port } = this.#endpoint;
    const host = pathStyle ? hostname : `${bucket}.${hostname}`;
    const body = call.body ?? new Uint8Array(0);
    const path = `${pathStyle ? `/${bucket}` : ""}/${call.key}`.replace(/(.)\/$/, "$1");
    const unsigned = {
      method: call.method,
      protocol,
      hostname: host,
      path,
      query: call.query === undefined ? {} : { [call.query]: "" },
      headers: {
        ...call.headers,
        host: port === "" ? host : `${host}:${port}`,
        "x-amz-content-sha256": hash("sha256", body, "hex"),
      },
    };
    const { headers } = await this.#signer.sign(unsigned, { signingDate: new Date(now()) });
    return {
      protocol,
      hostname: host,
      port: Number(port) || (protocol === "https:" ? 443 : 80),
      method: call.method,
      path: call.query === undefined ? path : `${path}?${call.query}=`,
      headers,
      body,
    };
  }
}

function unavailable(last: Answer | Error, attempts: number): ThroughlineError {
  const why = last instanceof Error ? "no whole answer" : `status ${last.status}`;
  const cause = last instanceof Error ? last : undefined;
  return new ThroughlineError("blobs.unavailable", `The object storage gave ${why} in ${attempts} attempts`, cause);
}

function certificates(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new ThroughlineError("config.unreadable", `Cannot read ${file}`, cause);
  }
}

async function credentials(options: S3Options): Promise<{ accessKeyId: string; secretAccessKey: string }> {
  const [accessKeyId, secretAccessKey] = await Promise.all([
    secretIn(options.accessKeyFile),
    secretIn(options.secretKeyFile),
  ]);
  return { accessKeyId, secretAccessKey };
}

async function secretIn(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new ThroughlineError("config.unreadable", `Cannot read ${file}`, cause);
  });
  return text.trim();
}

/** What the signer asks of a hash: plain, or keyed when it is given a secret. */
class Sha256 {
  #secret: Parameters<typeof createHmac>[1] | undefined;
  #hash: Hash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret = secret === undefined ? undefined : typeof secret === "string" ? secret : bytesOf(secret);
    this.#hash = this.#fresh();
  }

  #fresh(): Hash | Hmac {
    return this.#secret === undefined ? createHash("sha256") : createHmac("sha256", this.#secret);
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(typeof data === "string" ? data : bytesOf(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    this.#hash = this.#fresh();
  }
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
