/**
 * Who acts, as what, for which task.
 *
 * An Identity is proven by an identity provider; its key is issuer + subject, never an e-mail.
 * A Grant is a short-lived permission to act as an Account on a Target for a Task. Nothing here is a secret:
 * what opens a session is derived from the grant id by the gateway's key (services/gateway/credentials.ts).
 */

export type Tenant = string & { readonly brand: "Tenant" };
/** `<issuer>|<subject>`; the only thing two identities are compared by. */
export type IdentityKey = string & { readonly brand: "IdentityKey" };
export type SessionId = string & { readonly brand: "SessionId" };
export type GrantId = string & { readonly brand: "GrantId" };
export type TaskId = string & { readonly brand: "TaskId" };

export type IdentityKind = "person" | "workload" | "agent";

export interface Identity {
  readonly key: IdentityKey;
  readonly kind: IdentityKind;
  /** For people to read; never compared. */
  readonly name: string;
  readonly groups: readonly string[];
  /** Innermost actor first (token-exchange `act` chain); empty when it acts for itself. */
  readonly onBehalfOf: readonly IdentityKey[];
}

export interface Task {
  readonly id: TaskId;
  readonly justification: string;
  readonly parent?: TaskId;
}

export interface Grant {
  readonly id: GrantId;
  readonly tenant: Tenant;
  readonly identity: Identity;
  /** Role name on the target. */
  readonly account: string;
  /** Name of a configured target. */
  readonly target: string;
  readonly task: Task;
  /** Milliseconds since the epoch, by the api's clock at issue. */
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

/** @returns the key of an identity; a `|` in the issuer is impossible in a URL, so the pair stays unambiguous. */
export function identityKey(issuer: string, subject: string): IdentityKey {
  return `${issuer}|${subject}` as IdentityKey;
}
