/**
 * Verifies access tokens of the identity provider: signature by its published keys (cached), pinned algorithms, issuer,
 * audience and times. The one file that imports jose.
 *
 * Refuses everything else: symmetric algorithms and `none`, other issuers, other audiences, tokens without an end. It
 * cannot see that a token was revoked before its end: keep their life short.
 */
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import { ThroughlineError } from "../../schemas/errors.ts";
import { type Identity, type IdentityKind, identityKey } from "../../schemas/identity.ts";

export interface TokenRules {
  readonly issuer: string;
  readonly audience: string;
  readonly groupsClaim: string;
}

export interface Verified {
  readonly identity: Identity;
  readonly expiresAtMs: number;
}

export interface Tokens {
  /** @throws ThroughlineError `login.failed` (the token is not good), `identity.provider` (its keys cannot be had) */
  verify(token: string): Promise<Verified>;
}

const algorithms = ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"];
/** Of an access token (RFC 9068) or of none said; an ID token proves a login to somebody else. */
const types = [undefined, "at+jwt", "application/at+jwt", "jwt"];
const requestMsMax = 5_000;
const keysRenewMs = 10 * 60_000;
/** After a try that failed. */
const keysRetryMs = 30_000;
const clockSkewSeconds = 5;
const tokenBytesMax = 16 * 1024;
const groupsMax = 500;
const actorsMax = 10;

export function createTokens(rules: TokenRules, now: () => number): Tokens {
  let keys: Promise<JWTVerifyGetKey> | null = null;
  const published = (): Promise<JWTVerifyGetKey> => {
    keys ??= discoverKeys(rules.issuer, now).catch((cause: unknown) => {
      keys = null;
      throw cause;
    });
    return keys;
  };
  return {
    async verify(token) {
      if (token.length > tokenBytesMax) throw new ThroughlineError("login.failed", "That token is too large");
      const { payload, protectedHeader } = await checked(token, rules, await published(), now);
      if (!types.includes(protectedHeader.typ?.toLowerCase()))
        throw new ThroughlineError("login.failed", `That is no access token (typ ${protectedHeader.typ})`);
      if (payload.at_hash !== undefined || payload.c_hash !== undefined || payload.typ === "ID")
        throw new ThroughlineError("login.failed", "That is an ID token: it proves a login to its client, not to us");
      return { identity: identityOf(payload, rules), expiresAtMs: (payload.exp ?? 0) * 1_000 };
    },
  };
}

async function discoverKeys(issuer: string, now: () => number): Promise<JWTVerifyGetKey> {
  const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const answer = await fetch(address, { signal: AbortSignal.timeout(requestMsMax), redirect: "error" }).catch(
    (cause: unknown) => {
      throw new ThroughlineError("identity.provider", `${issuer} does not answer`, cause);
    },
  );
  const found: unknown = await answer.json().catch(() => null);
  const field = (key: string): unknown => (typeof found === "object" && found ? Reflect.get(found, key) : undefined);
  const keysAt = field("jwks_uri");
  if (!answer.ok || field("issuer") !== issuer || typeof keysAt !== "string")
    throw new ThroughlineError("identity.provider", `${address} is not the configuration of ${issuer}`);
  const cacheMaxAge = Number.POSITIVE_INFINITY;
  const options = { timeoutDuration: requestMsMax, cooldownDuration: 10_000, cacheMaxAge };
  return renewed(createRemoteJWKSet(new URL(keysAt), options), now);
}

/**
 * Keys that were taken back must not be believed for ever, so they are read again after some minutes; a provider that is
 * away then has taken none back, and its tokens are good until they end.
 */
function renewed(keys: ReturnType<typeof createRemoteJWKSet>, now: () => number): JWTVerifyGetKey {
  let renewAtMs = now() + keysRenewMs;
  return async (header, token) => {
    if (now() >= renewAtMs) {
      renewAtMs = now() + keysRetryMs;
      const isRead = await keys.reload().then(
        () => true,
        () => false,
      );
      if (isRead) renewAtMs = now() + keysRenewMs;
    }
    return keys(header, token);
  };
}

async function checked(token: string, rules: TokenRules, keys: JWTVerifyGetKey, now: () => number) {
  try {
    return await jwtVerify(token, keys, {
      issuer: rules.issuer,
      audience: rules.audience,
      algorithms,
      requiredClaims: ["sub", "exp", "iat"],
      clockTolerance: clockSkewSeconds,
      currentDate: new Date(now()),
    });
  } catch (cause) {
    if (cause instanceof errors.JWKSTimeout || !(cause instanceof errors.JOSEError))
      throw new ThroughlineError("identity.provider", "The identity provider's keys cannot be read", cause);
    if (cause instanceof errors.JWTExpired) throw new ThroughlineError("login.expired", "The token has ended", cause);
    throw new ThroughlineError("login.failed", `The token is not valid here (${cause.code})`, cause);
  }
}

/**
 * Who acts: the `act` claim's actor where there is one (RFC 8693), for whom the rest of the chain; else the subject.
 */
function identityOf(payload: JWTPayload, rules: TokenRules): Identity {
  const subject: unknown = payload.sub;
  if (typeof subject !== "string" || subject === "")
    throw new ThroughlineError("login.failed", "The token names nobody");
  const actors = actorsOf(payload.act);
  const current = actors.shift();
  const key = (sub: string) => identityKey(rules.issuer, sub);
  return {
    key: key(current ?? subject),
    kind: current === undefined ? kindOf(payload, subject) : "agent",
    name: current ?? (typeof payload.name === "string" ? payload.name.slice(0, 200) : subject),
    groups: groupsOf(payload[rules.groupsClaim]),
    onBehalfOf: current === undefined ? [] : [...actors.reverse(), subject].map(key),
  };
}

/** Subjects of nested `act` claims, the current actor first. */
function actorsOf(act: unknown): string[] {
  const actors: string[] = [];
  for (let at = act; typeof at === "object" && at !== null; at = Reflect.get(at, "act")) {
    const subject: unknown = Reflect.get(at, "sub");
    if (typeof subject !== "string" || actors.length >= actorsMax)
      throw new ThroughlineError("login.failed", "The token's actors cannot be read");
    actors.push(subject);
  }
  return actors;
}

/**
 * A client that speaks for itself is never a person, whatever it claims: approvals ask for people. RFC 9068 gives it its
 * own id as subject; others mark it: Entra ID `idtyp`, Auth0 `gty`, Keycloak by the name of its service account.
 */
function kindOf(payload: JWTPayload, subject: string): IdentityKind {
  const claimed = payload.kind;
  if (claimed === "agent") return "agent";
  const name = payload.preferred_username;
  const alone =
    [payload.client_id, payload.azp].includes(subject) ||
    payload.idtyp === "app" ||
    payload.gty === "client-credentials" ||
    (typeof name === "string" && name.startsWith("service-account-"));
  return alone || claimed === "workload" ? "workload" : "person";
}

function groupsOf(claim: unknown): string[] {
  const list: unknown[] = Array.isArray(claim) ? claim : typeof claim === "string" ? [claim] : [];
  const groups = list.filter((group): group is string => typeof group === "string" && group !== "");
  if (groups.length > groupsMax) throw new ThroughlineError("login.failed", "The token names too many groups");
  return [...new Set(groups)];
}
