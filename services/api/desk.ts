/** What every noun of the API works with: the folded state, what policy permits, reads that are recorded, the clock. */
import type { Subject } from "../../schemas/event.ts";
import type { Permits } from "./permits.ts";
import type { Reads } from "./reads.ts";
import type { Caller } from "./route.ts";
import type { State } from "./state.ts";

export interface Desk {
  readonly state: State;
  readonly permits: Permits;
  readonly reads: Reads;
  readonly now: () => number;
  /** Unguessable, unique: 80 random bits. */
  readonly newId: () => string;
}

/** The envelope of what a caller does. */
export function subjectOfCaller({ identity, address }: Caller, more: Subject = {}): Subject {
  const onbehalfof = identity.onBehalfOf.join(" ");
  return { ...more, identity: identity.key, clientaddress: address, ...(onbehalfof ? { onbehalfof } : {}) };
}
