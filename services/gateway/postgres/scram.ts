/**
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677; binding tls-server-end-point, RFC 5929), both roles, as pure
 * steps: strings in, strings out. Nonces, and the slow hash, come from outside.
 *
 * Refuses: an authorization identity, a channel binding that does not match (somebody in between), a client that says
 * we offered no binding when we did (somebody cut it out), iteration counts that would keep us busy.
 */
import { createHash, createHmac, pbkdf2, timingSafeEqual } from "node:crypto";
import { ThroughlineError } from "../../../schemas/errors.ts";

export type Mechanism = "SCRAM-SHA-256" | "SCRAM-SHA-256-PLUS";

/** PBKDF2-HMAC-SHA256 to 32 bytes. */
export type Stretch = (password: string, salt: Buffer, iterations: number) => Promise<Buffer>;

const bindingName = "tls-server-end-point";
/** What a target may ask of us: minutes of hashing would stall every login. */
const iterationsMax = 1_000_000;

/**
 * PBKDF2 in the thread pool, a few at a time: the journal's syncs run in the same pool and must not queue behind logins.
 * @param parallelMax how many at once
 */
export function createStretch(parallelMax: number): Stretch {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (password, salt, iterations) => {
    if (running >= parallelMax) await new Promise<void>((turn) => waiting.push(turn));
    else running += 1;
    try {
      return await new Promise((done, failed) => {
        pbkdf2(password, salt, iterations, 32, "sha256", (error, key) => (error ? failed(error) : done(key)));
      });
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, index) => byte ^ b[index]!));
}

function malformed(what: string): ThroughlineError {
  return new ThroughlineError("frame.malformed", `malformed SCRAM message: ${what}`);
}

/** `a=…,b=…` by letter; the first of each counts. */
function attributes(message: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of message.split(",")) {
    if (part[1] !== "=") throw malformed("attribute expected");
    if (!found.has(part[0]!)) found.set(part[0]!, part.slice(2));
  }
  return found;
}

const printable = /^[\x21-\x2b\x2d-\x7e]+$/;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function decoded(text: string | undefined, what: string): Buffer {
  if (text === undefined || !base64.test(text)) throw malformed(what);
  return Buffer.from(text, "base64");
}

/** What the one who checks knows; neither gives the password. */
export interface VerifierKeys {
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export function verifierKeys(saltedPassword: Buffer): VerifierKeys {
  const clientKey = hmac(saltedPassword, "Client Key");
  return {
    storedKey: createHash("sha256").update(clientKey).digest(),
    serverKey: hmac(saltedPassword, "Server Key"),
  };
}

export interface ServerTerms {
  readonly mechanism: Mechanism;
  /** Hash of our certificate when PLUS was offered, else null. */
  readonly binding: Buffer | null;
  readonly nonce: string;
  readonly salt: Buffer;
  readonly iterations: number;
}

/** The side that checks: first(), final(), then verify() with the keys. */
export class ScramServer {
  readonly #terms: ServerTerms;
  #gs2Header = "";
  #clientFirstBare = "";
  #serverFirst = "";
  #nonce = "";
  #withoutProof = "";
  #proof: Buffer = Buffer.alloc(0);

  constructor(terms: ServerTerms) {
    this.#terms = terms;
  }

  /** @returns server-first-message @throws ThroughlineError `frame.malformed`, `login.failed` */
  first(clientFirst: string): string {
    const [flag = "", authorization, ...bare] = clientFirst.split(",");
    this.#checkFlag(flag);
    if (authorization !== "") throw malformed("no authorization identity is taken");
    this.#gs2Header = `${flag},,`;
    this.#clientFirstBare = bare.join(",");
    if (!this.#clientFirstBare.startsWith("n=")) throw malformed("user name expected");
    const nonce = attributes(this.#clientFirstBare).get("r") ?? "";
    if (!printable.test(nonce)) throw malformed("nonce");
    this.#nonce = nonce + this.#terms.nonce;
    this.#serverFirst = `r=${this.#nonce},s=${this.#terms.salt.toString("base64")},i=${this.#terms.iterations}`;
    return this.#serverFirst;
  }

  /** RFC 5802 §6: what the client says of channel binding must fit what we offered and what it chose. */
  #checkFlag(flag: string): void {
    const { mechanism, binding } = this.#terms;
    if (mechanism === "SCRAM-SHA-256-PLUS") {
      if (flag !== `p=${bindingName}`) throw malformed(`channel binding must be ${bindingName}`);
      return;
    }
    if (flag === "n") return;
    if (flag !== "y") throw malformed("channel binding flag");
    if (binding !== null) {
      throw new ThroughlineError("login.failed", "the client did not see that channel binding was offered");
    }
  }

  /** Takes the proof; costs no hash yet. @throws ThroughlineError `frame.malformed`, `login.failed` */
  final(clientFinal: string): void {
    const proofAt = clientFinal.lastIndexOf(",p=");
    if (proofAt < 0) throw malformed("proof expected");
    this.#withoutProof = clientFinal.slice(0, proofAt);
    this.#proof = decoded(clientFinal.slice(proofAt + 3), "proof");
    if (this.#proof.length !== 32) throw malformed("proof");
    const given = attributes(this.#withoutProof);
    if (given.get("r") !== this.#nonce) throw malformed("nonce");
    const bound = Buffer.concat([Buffer.from(this.#gs2Header), this.#boundData()]);
    if (given.get("c") !== bound.toString("base64")) {
      throw new ThroughlineError("login.failed", "the channel binding does not match: is somebody in between?");
    }
  }

  #boundData(): Buffer {
    const plus = this.#terms.mechanism === "SCRAM-SHA-256-PLUS";
    return plus && this.#terms.binding ? this.#terms.binding : Buffer.alloc(0);
  }

  /** @returns server-final-message, or null when the proof is wrong */
  verify(keys: VerifierKeys): string | null {
    const message = `${this.#clientFirstBare},${this.#serverFirst},${this.#withoutProof}`;
    const clientKey = xor(this.#proof, hmac(keys.storedKey, message));
    const storedKey = createHash("sha256").update(clientKey).digest();
    if (!timingSafeEqual(storedKey, keys.storedKey)) return null;
    return `v=${hmac(keys.serverKey, message).toString("base64")}`;
  }
}

export interface ClientTerms {
  /** PostgreSQL takes the user of the startup packet, and wants this one empty. */
  readonly user?: string;
  /** Hash of the target's certificate: then PLUS is used. */
  readonly binding: Buffer | null;
  /** TLS is on, but the target offered no PLUS: says so, so that a cut-out offer is noticed. */
  readonly couldBind: boolean;
  readonly nonce: string;
}

/** The side that proves: first(), final(), then confirm(), which proves the other side. */
export class ScramClient {
  readonly #terms: ClientTerms;
  readonly #gs2Header: string;
  readonly #firstBare: string;
  #serverSignature: Buffer = Buffer.alloc(0);

  constructor(terms: ClientTerms) {
    this.#terms = terms;
    this.#gs2Header = `${terms.binding ? `p=${bindingName}` : terms.couldBind ? "y" : "n"},,`;
    this.#firstBare = `n=${terms.user ?? ""},r=${terms.nonce}`;
  }

  first(): string {
    return this.#gs2Header + this.#firstBare;
  }

  /** @returns client-final-message @throws ThroughlineError `frame.malformed` */
  async final(serverFirst: string, password: string, stretch: Stretch): Promise<string> {
    const given = attributes(serverFirst);
    const nonce = given.get("r") ?? "";
    const iterations = Number(given.get("i"));
    if (!nonce.startsWith(this.#terms.nonce) || nonce.length === this.#terms.nonce.length) throw malformed("nonce");
    if (!Number.isInteger(iterations) || iterations < 1 || iterations > iterationsMax) throw malformed("iterations");
    const salted = await stretch(prepared(password), decoded(given.get("s"), "salt"), iterations);
    const bound = Buffer.concat([Buffer.from(this.#gs2Header), this.#terms.binding ?? Buffer.alloc(0)]);
    const withoutProof = `c=${bound.toString("base64")},r=${nonce}`;
    const message = `${this.#firstBare},${serverFirst},${withoutProof}`;
    const clientKey = hmac(salted, "Client Key");
    const { storedKey, serverKey } = verifierKeys(salted);
    this.#serverSignature = hmac(serverKey, message);
    return `${withoutProof},p=${xor(clientKey, hmac(storedKey, message)).toString("base64")}`;
  }

  /** @throws ThroughlineError `target.refused` when the other side does not know the password either */
  confirm(serverFinal: string): void {
    const signature = decoded(attributes(serverFinal).get("v"), "signature");
    const same = signature.length === this.#serverSignature.length && timingSafeEqual(signature, this.#serverSignature);
    if (!same) throw new ThroughlineError("target.refused", "the target did not prove that it knows the password");
  }
}

/** SASLprep (RFC 4013) as far as it changes passwords in use: spaces, soft hyphens and the like, then NFKC. */
function prepared(password: string): string {
  const spaces = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g;
  const nothing = /\u034f|\u200d|[\u180b-\u180d]|[\ufe00-\ufe0f]|[\u00ad\u1806\u200c\u2060\ufeff]/g;
  return password.replace(spaces, " ").replace(nothing, "").normalize("NFKC");
}
