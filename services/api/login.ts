/**
 * Logging in to the console: authorization code with PKCE, then a cookie. What belongs to one attempt (verifier, state,
 * nonce) stays here under a random id; the browser holds only that id, so a code that somebody else began is refused.
 *
 * Refuses to send anybody to another site afterwards. It cannot log anybody out of the identity provider.
 */
import { randomBytes } from "node:crypto";
import type { Tokens as TokenAnswer, TokenFlows } from "../../infra/identity/oidc.ts";
import type { Tokens } from "../../infra/identity/tokens.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { type Callers, sessionCookie } from "./caller.ts";
import { cookieHeader, cookieNamed } from "./cookies.ts";
import type { Page, PageAnswer, PageAsk } from "./http.ts";
import { Rate } from "./rate.ts";

export interface LoginParts {
  readonly flows: () => Promise<TokenFlows>;
  readonly tokens: Tokens;
  readonly callers: Callers;
  /** The console's address, without a path. */
  readonly origin: string;
  readonly sessionSeconds: number;
  readonly now: () => number;
  readonly onFailure: (reason: string, address: string) => void;
}

interface Attempt {
  readonly finish: (callback: URL) => Promise<TokenAnswer>;
  readonly to: string;
  readonly untilMs: number;
}

const attemptCookie = "throughline_login";
const attemptSeconds = 600;
const attemptsMax = 2_000;
const loginsPerMinuteMax = 60;

export function loginPages(parts: LoginParts): Page[] {
  const attempts = new Map<string, Attempt>();
  const rate = new Rate(loginsPerMinuteMax, "login.rate", parts.now);
  const guarded = (handle: Page["handle"]) => async (ask: PageAsk) => {
    rate.expectRoom(ask.address);
    rate.count(ask.address);
    return handle(ask);
  };
  return [
    { method: "GET", path: "/login", handle: guarded((ask) => begin(parts, attempts, ask)) },
    { method: "GET", path: "/login/callback", handle: guarded((ask) => finish(parts, attempts, ask)) },
    {
      method: "POST",
      path: "/logout",
      handle: async ({ headers }) => {
        parts.callers.expectOwnPage(headers);
        parts.callers.close(headers);
        return { status: 303, location: "/", cookies: [cookie(parts, sessionCookie, "", "/", 0)] };
      },
    },
  ];
}

async function begin(parts: LoginParts, attempts: Map<string, Attempt>, ask: PageAsk): Promise<PageAnswer> {
  const flow = await (await parts.flows()).browser(`${parts.origin}/login/callback`);
  const id = randomBytes(24).toString("base64url");
  const oldest = attempts.keys().next().value;
  if (attempts.size >= attemptsMax && oldest !== undefined) attempts.delete(oldest);
  const untilMs = parts.now() + attemptSeconds * 1_000;
  attempts.set(id, { finish: flow.finish, to: ownPath(ask.url.searchParams.get("to"), parts.origin), untilMs });
  return { status: 302, location: flow.url, cookies: [cookie(parts, attemptCookie, id, "/login", attemptSeconds)] };
}

async function finish(parts: LoginParts, attempts: Map<string, Attempt>, ask: PageAsk): Promise<PageAnswer> {
  const id = cookieNamed(ask.headers.cookie, attemptCookie) ?? "";
  const attempt = attempts.get(id);
  attempts.delete(id);
  if (!attempt || attempt.untilMs < parts.now())
    throw new ThroughlineError(
      "login.failed",
      "This login was not begun here, or took too long; begin again at /login",
    );
  const verified = await attempt
    .finish(ask.url)
    .then((answer) => parts.tokens.verify(answer.accessToken))
    .catch((cause: unknown) => {
      const reason = cause instanceof ThroughlineError ? cause.message : "unknown";
      parts.onFailure(reason, ask.address);
      throw cause instanceof ThroughlineError ? new ThroughlineError("login.failed", reason, cause) : cause;
    });
  const session = parts.callers.open(verified, ask.address);
  const cookies = [
    cookie(parts, attemptCookie, "", "/login", 0),
    cookie(parts, sessionCookie, session, "/", parts.sessionSeconds),
  ];
  return { status: 302, location: attempt.to, cookies };
}

function cookie({ origin }: LoginParts, name: string, value: string, path: string, maxAgeSeconds: number): string {
  return cookieHeader({ name, value, path, maxAgeSeconds }, origin.startsWith("https:"));
}

/** Only a path of this console: `//evil.example` and `/\evil.example` are other sites to a browser. */
function ownPath(to: string | null, origin: string): string {
  const url = to === null ? null : URL.parse(to, origin);
  if (!url || url.origin !== origin || !to?.startsWith("/")) return "/";
  const path = `${url.pathname}${url.search}${url.hash}`;
  return path.startsWith("//") ? "/" : path;
}
