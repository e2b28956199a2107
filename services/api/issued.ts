/** Grants as the log has them: issued, revoked, expired. Those that ended long ago are forgotten; the timeline has them. */
import type { Entry } from "../../infra/log/entry.ts";
import type { People } from "../../infra/policy/people.ts";
import type { GrantInfo } from "../../schemas/api.ts";
import type { EventData } from "../../schemas/event-data.ts";

export interface IssuedGrant {
  readonly data: EventData["grant.issued"];
  expired: boolean;
  revoked: { readonly by: string; readonly reason: string; readonly atMs: number } | null;
}

const keptMax = 50_000;

export class Issued {
  readonly #grants = new Map<string, IssuedGrant>();

  fold(entry: Entry): void {
    if (entry.type === "grant.issued") {
      this.#makeRoom();
      if (!this.#grants.has(entry.data.grant))
        this.#grants.set(entry.data.grant, { data: entry.data, expired: false, revoked: null });
    } else if (entry.type === "grant.revoked") {
      const grant = this.#grants.get(entry.data.grant);
      if (grant) grant.revoked ??= { by: entry.data.by, reason: entry.data.reason, atMs: entry.atMs };
    } else if (entry.type === "grant.expired") {
      const grant = this.#grants.get(entry.data.grant);
      if (grant) grant.expired = true;
    }
  }

  /** Grants of these identities that are open now. */
  openOf(identities: readonly string[], nowMs: number): number {
    let count = 0;
    for (const { data, expired, revoked } of this.#grants.values())
      if (!expired && !revoked && nowMs < data.expiresAtMs && identities.includes(data.identity.key)) count += 1;
    return count;
  }

  /** What is over goes first: a Grant that was forgotten could not be revoked any more. */
  #makeRoom(): void {
    if (this.#grants.size < keptMax) return;
    const over = [...this.#grants].find(([, grant]) => grant.expired || grant.revoked !== null);
    const first = over?.[0] ?? this.#grants.keys().next().value;
    if (first !== undefined) this.#grants.delete(first);
  }

  get(id: string): IssuedGrant | null {
    return this.#grants.get(id) ?? null;
  }

  /** Newest first. */
  all(): readonly IssuedGrant[] {
    return [...this.#grants.values()].reverse();
  }
}

export function grantInfo({ data, expired, revoked }: IssuedGrant, people: People, nowMs: number): GrantInfo {
  const { grant, identity, account, target, task, issuedAtMs, expiresAtMs } = data;
  const over = expired || nowMs >= expiresAtMs;
  return {
    grant,
    identity: { identity: identity.key, name: identity.name },
    account,
    target,
    task: { id: task.id, justification: task.justification, parent: task.parent ?? null },
    issuedAtMs,
    expiresAtMs,
    state: revoked ? "revoked" : over ? "expired" : "active",
    revoked: revoked ? { by: people.named(revoked.by), reason: revoked.reason, atMs: revoked.atMs } : null,
  };
}
