/**
 * Grants as the log has them: issued, revoked, expired. A Grant that nobody issued here does not exist, whatever a
 * client says; one that ended never comes back, and is forgotten a day after its time: then it is unknown.
 */
import type { Entry } from "../../infra/log/entry.ts";
import type { Grant, GrantId, Tenant } from "../../schemas/identity.ts";

interface Known {
  readonly grant: Grant;
  ended: "revoked" | "expired" | null;
}

/** After its time: whoever comes late is told that it has ended. */
const endedKeptMs = 24 * 3_600_000;

export type KeptGrants = readonly Readonly<Known>[];

export class Grants {
  readonly #tenant: Tenant;
  readonly #known = new Map<string, Known>();
  /** Not ended yet: what a look at the clock goes through. */
  readonly #open = new Set<Known>();
  readonly #listeners = new Set<(id: GrantId) => void>();

  constructor(tenant: Tenant) {
    this.#tenant = tenant;
  }

  fold(entry: Entry): void {
    if (entry.type === "grant.issued") {
      this.#forget(entry.atMs);
      this.#issue(entry.data);
    } else if (entry.type === "grant.revoked") this.#end(entry.data.grant, "revoked");
    else if (entry.type === "grant.expired") this.#end(entry.data.grant, "expired");
  }

  /** @returns null when nobody issued it; ended ones are found too, and say so */
  find(id: string): Readonly<Known> | null {
    return this.#known.get(id) ?? null;
  }

  /** For a snapshot. @param sinceMs what ended before is left out: it says "unknown" then, not "ended" */
  kept(sinceMs: number): KeptGrants {
    return [...this.#known.values()].filter(({ grant, ended }) => ended === null || grant.expiresAtMs >= sinceMs);
  }

  /** Into an empty one. */
  restore(kept: KeptGrants): void {
    for (const { grant, ended } of kept) {
      const known = { grant, ended };
      this.#known.set(grant.id, known);
      if (ended === null) this.#open.add(known);
    }
  }

  /** Calls whenever a Grant was issued or has ended. @returns stops the calls */
  onGrant(listener: (id: GrantId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Over by the clock, and nobody has said so yet. */
  overdue(nowMs: number): readonly Grant[] {
    return [...this.#open].filter((known) => nowMs >= known.grant.expiresAtMs).map((known) => known.grant);
  }

  /** By the log's time, oldest first: a gateway that runs for months would keep every Grant that there ever was. */
  #forget(nowMs: number): void {
    for (const [id, { grant, ended }] of this.#known) {
      if (ended === null || grant.expiresAtMs + endedKeptMs > nowMs) return;
      this.#known.delete(id);
    }
  }

  #issue(data: Extract<Entry, { type: "grant.issued" }>["data"]): void {
    if (this.#known.has(data.grant)) return;
    const { grant, ...rest } = data;
    const id = grant as GrantId;
    const known: Known = { grant: { ...rest, id, tenant: this.#tenant }, ended: null };
    this.#known.set(id, known);
    this.#open.add(known);
    this.#tell(id);
  }

  #end(id: string, ended: "revoked" | "expired"): void {
    const known = this.#known.get(id);
    if (known === undefined || known.ended !== null) return;
    known.ended = ended;
    this.#open.delete(known);
    this.#tell(known.grant.id);
  }

  #tell(id: GrantId): void {
    for (const listener of [...this.#listeners]) listener(id);
  }
}
