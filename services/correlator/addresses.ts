/**
 * From which client addresses how many identities come. An address that many share (an office, a bastion, a VPN) says nothing
 * about who belongs together, so it ties nobody; one that a few share is weak evidence. Bounded: of an address are kept its
 * first identities, and of all addresses the latest that were seen for the first time.
 */
import { limits } from "../../schemas/limits.ts";

export type KeptAddresses = readonly (readonly [address: string, identities: readonly string[]])[];

export class Addresses {
  readonly #identities = new Map<string, Set<string>>();

  /** Somebody comes from there. @param address with its port, as the envelope has it */
  meet(address: string, identity: string): void {
    const host = address.slice(0, address.lastIndexOf(":") === -1 ? undefined : address.lastIndexOf(":"));
    let known = this.#identities.get(host);
    if (known === undefined) {
      known = new Set();
      this.#identities.set(host, known);
      const [oldest] = this.#identities.keys();
      if (this.#identities.size > limits.addressesKeptMax && oldest !== undefined) this.#identities.delete(oldest);
    }
    if (known.size < limits.addressIdentitiesKeptMax) known.add(identity);
  }

  /** Whether more actors came from this host than a few: somebody with many agents is one, however many names they have. */
  isCommon(host: string, rootOf: (identity: string) => string): boolean {
    const known = this.#identities.get(host);
    if (known === undefined || known.size <= limits.addressIdentitiesMax) return false;
    return new Set([...known].map(rootOf)).size > limits.addressIdentitiesMax;
  }

  kept(): KeptAddresses {
    return [...this.#identities].map(([address, identities]) => [address, [...identities]] as const);
  }

  restore(kept: KeptAddresses): void {
    for (const [address, identities] of kept) this.#identities.set(address, new Set(identities));
  }

  facts(): string[] {
    return [...this.#identities]
      .map(([address, identities]) => `${address} from ${[...identities].sort().join(" ")}`)
      .sort();
  }
}
