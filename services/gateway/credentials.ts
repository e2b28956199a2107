/**
 * Who stands at the door: the user name `account~grantId`, the secret that belongs to it, and, once the secret was
 * proven, the Grant itself.
 *
 * The order is the point: a secret follows from the grant id alone, so the proof is checked before anything is looked
 * up, and a guess learns nothing of which Grants exist; only then is the Grant found, or waited for. Holds no state.
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { GrantKeys } from "../../infra/keys/grant-keys.ts";
import type { TargetConfig } from "../../schemas/config.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Grant, GrantId } from "../../schemas/identity.ts";

export interface FoundGrant {
  readonly grant: Grant;
  /** Set once it was revoked or has expired. */
  readonly ended: "revoked" | "expired" | null;
}

/** The Grants as the gateway has read them from the log (feed.ts). */
export interface Grants {
  find(id: string): FoundGrant | null;
  /** Called whenever a Grant was issued or has ended. @returns stops the calls */
  onGrant(listener: (id: GrantId) => void): () => void;
}

export interface Claim {
  readonly account: string;
  readonly grantId: string;
}

/** The last `~` parts them: a role name may contain one, a grant id never. */
export function readClaim(user: string): Claim {
  const at = user.lastIndexOf("~");
  return at < 0 ? { account: user, grantId: "" } : { account: user.slice(0, at), grantId: user.slice(at + 1) };
}

export interface Expected {
  readonly secret: string;
  readonly salt: Buffer;
}

/** For an id that can have no secret, one that nobody knows: the exchange is the same and fails at its end. */
export function expected(keys: GrantKeys, claim: Claim): Expected {
  const derived = keys.secretOf(claim.grantId);
  return { secret: derived ?? randomBytes(16).toString("hex"), salt: keys.saltOf(claim.grantId) };
}

export interface AdmitParts {
  readonly grants: Grants;
  readonly now: () => number;
  /** A Grant that was just issued may reach this gateway after its holder does. */
  readonly waitMsMax: number;
  readonly signal: AbortSignal;
}

/**
 * @param database as asked for; equal to the user name = not given
 * @throws ThroughlineError `login.failed`, `login.expired`, `target.unknown`
 */
export async function admit(claim: Claim, user: string, database: string, parts: AdmitParts): Promise<Grant> {
  const found = parts.grants.find(claim.grantId) ?? (await awaited(claim.grantId, parts));
  if (found === null) throw new ThroughlineError("login.failed", "no Grant has this id");
  const { grant, ended } = found;
  if (ended !== null || grant.expiresAtMs <= parts.now()) {
    throw new ThroughlineError("login.expired", `Grant ${grant.id} was ${ended ?? "expired"}`);
  }
  if (grant.account !== claim.account) {
    throw new ThroughlineError("login.failed", `Grant ${grant.id} is for another account`);
  }
  if (database !== user && database !== grant.target) {
    throw new ThroughlineError(
      "target.unknown",
      `Grant ${grant.id} opens "${grant.target}", not the database asked for`,
    );
  }
  return grant;
}

function awaited(id: string, { grants, waitMsMax, signal }: AdmitParts): Promise<FoundGrant | null> {
  return new Promise((done, failed) => {
    const stop = () => {
      clearTimeout(timer);
      forget();
      signal.removeEventListener("abort", onAbort);
    };
    const settle = () => {
      stop();
      done(grants.find(id));
    };
    const onAbort = () => {
      stop();
      failed(signal.reason);
    };
    const timer = setTimeout(settle, waitMsMax);
    const forget = grants.onGrant((issued) => {
      if (issued === id) settle();
    });
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
  });
}

/** What the gateway itself logs in with at a target. Never in an error, a log line or an event. */
export interface TargetCredential {
  readonly user: string;
  readonly password: string | null;
}

/** Read at each login, so that a rotated password needs no restart. @throws ThroughlineError `target.refused` */
export async function credentialFor(target: TargetConfig, account: string): Promise<TargetCredential> {
  const known = Object.hasOwn(target.accounts, account) ? target.accounts[account] : undefined;
  if (known === undefined) {
    throw new ThroughlineError("target.refused", `target "${target.name}" has no account of this name`);
  }
  if (known.passwordFile === undefined) return { user: known.user, password: null };
  const password = await readFile(known.passwordFile, "utf8").catch((cause: unknown) => {
    throw new ThroughlineError("target.refused", `the password file of this account cannot be read`, cause);
  });
  return { user: known.user, password: password.replace(/\r?\n$/, "") };
}
