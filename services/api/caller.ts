/**
 * Who asks: by `Authorization: Bearer` (an access token of the identity provider) or by the console's cookie, a random id
 * whose other half is here in memory. What a cookie asks to change must come from our own pages.
 *
 * Refuses a request with a bad token even when a good cookie is there. Browser sessions end with this process; groups are
 * those of the login, until it ends.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Tokens, Verified } from "../../infra/identity/tokens.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Identity } from "../../schemas/identity.ts";
import { cookieNamed } from "./cookies.ts";
import { Rate } from "./rate.ts";
import type { Caller } from "./route.ts";

export const sessionCookie = "throughline_session";

export interface Headers {
  readonly authorization?: string | undefined;
  readonly cookie?: string | undefined;
  readonly origin?: string | undefined;
  readonly "sec-fetch-site"?: string | string[] | undefined;
}

export interface CallerParts {
  readonly tokens: Tokens;
  /** The console's own origin. */
  readonly origin: string;
  readonly sessionMs: number;
  readonly now: () => number;
  /** A token that was not seen before proved an identity; a bad one did not. Both are events. */
  readonly onLogin: (identity: Identity, method: "browser" | "token", address: string) => void;
  readonly onFailure: (reason: string, address: string) => void;
}

const keptMax = 10_000;
const failuresPerMinuteMax = 60;

export class Callers {
  readonly #parts: CallerParts;
  /** By digest: what is in memory opens no session. */
  readonly #sessions = new Map<string, Verified>();
  readonly #seen = new Map<string, number>();
  readonly #failures: Rate;

  constructor(parts: CallerParts) {
    this.#parts = parts;
    this.#failures = new Rate(failuresPerMinuteMax, "login.rate", parts.now);
  }

  /** @throws ThroughlineError `login.failed`, `login.expired`, `login.rate`, `access.denied`, `identity.provider` */
  async of(headers: Headers, address: string, changes: boolean): Promise<Caller> {
    if (headers.authorization !== undefined) return this.#byToken(headers.authorization, address);
    const id = cookieNamed(headers.cookie, sessionCookie);
    const session = id === null ? undefined : this.#sessions.get(digest(id));
    if (!session) throw new ThroughlineError("login.failed", "Nobody is logged in here");
    if (session.expiresAtMs <= this.#parts.now()) throw new ThroughlineError("login.expired", "Your login has ended");
    if (changes) this.expectOwnPage(headers);
    return { ...session, by: "cookie", address };
  }

  /**
   * Cross-site requests carry the cookie only for top-level GETs (SameSite=Lax); this closes what is left of it.
   * @throws ThroughlineError `access.denied`
   */
  expectOwnPage(headers: Headers): void {
    const from = headers.origin;
    const own = from === undefined ? headers["sec-fetch-site"] === "same-origin" : from === this.#parts.origin;
    if (!own) throw new ThroughlineError("access.denied", "That did not come from a page of this console");
  }

  /** @returns the cookie's value. */
  open(verified: Verified, address: string): string {
    const id = randomBytes(32).toString("base64url");
    const expiresAtMs = this.#parts.now() + this.#parts.sessionMs;
    keep(this.#sessions, digest(id), { identity: verified.identity, expiresAtMs });
    this.#parts.onLogin(verified.identity, "browser", address);
    return id;
  }

  close(headers: Headers): void {
    this.#sessions.delete(digest(cookieNamed(headers.cookie, sessionCookie) ?? ""));
  }

  async #byToken(authorization: string, address: string): Promise<Caller> {
    const token = /^Bearer ([A-Za-z0-9._~+/=-]+)$/i.exec(authorization)?.[1];
    const isNew = token === undefined || !this.#seen.has(digest(token));
    if (isNew) {
      // Counted before it is judged, so that many at once are not many free tries.
      this.#failures.expectRoom(address);
      this.#failures.count(address);
    }
    let verified: Verified;
    try {
      if (token === undefined) throw new ThroughlineError("login.failed", "Authorization is not `Bearer <token>`");
      verified = await this.#parts.tokens.verify(token);
    } catch (error) {
      const isRefused = error instanceof ThroughlineError && error.code.startsWith("login.");
      if (isRefused) this.#parts.onFailure(error.message, address);
      // Nothing was judged: who comes while the identity provider is away has not failed.
      else if (isNew) this.#failures.uncount(address);
      throw error;
    }
    if (isNew) this.#failures.uncount(address);
    this.#notice(token, verified, address);
    return { ...verified, by: "token", address };
  }

  #notice(token: string, verified: Verified, address: string): void {
    const key = digest(token);
    if (this.#seen.has(key)) return;
    // Where the log does not take it, the next request is again the first.
    this.#parts.onLogin(verified.identity, "token", address);
    keep(this.#seen, key, verified.expiresAtMs);
  }
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

function keep<V>(map: Map<string, V>, key: string, value: V): void {
  const oldest = map.keys().next().value;
  if (map.size >= keptMax && oldest !== undefined) map.delete(oldest);
  map.set(key, value);
}
