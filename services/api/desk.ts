/** What every noun of the API works with: the folded state, what policy permits, reads that are recorded, the clock. */
import type { Pipeline } from "../../infra/rules/pipeline.ts";
import type { RuleSet } from "../../infra/rules/rule-set.ts";
import type { Subject } from "../../schemas/event.ts";
import type { Permits } from "./permits.ts";
import type { Reads } from "./reads.ts";
import type { Caller } from "./route.ts";
import type { State } from "./state.ts";

/** As it is in force; `texts` of all files: `rules/<name>`, `catalog.yaml`, `pipelines.yaml`. */
export interface InForce {
  readonly rules: RuleSet;
  readonly pipelines: readonly Pipeline[];
  readonly texts: Readonly<Record<string, string>>;
}

export interface Desk {
  readonly state: State;
  readonly permits: Permits;
  readonly reads: Reads;
  /** By the log. */
  readonly inForce: () => InForce;
  readonly now: () => number;
  /** Unguessable, unique: 80 random bits. */
  readonly newId: () => string;
}

/** The envelope of what a caller does. */
export function subjectOfCaller({ identity, address }: Caller, more: Subject = {}): Subject {
  const onbehalfof = identity.onBehalfOf.join(" ");
  return { ...more, identity: identity.key, clientaddress: address, ...(onbehalfof ? { onbehalfof } : {}) };
}
