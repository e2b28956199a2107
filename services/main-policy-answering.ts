/**
 * By which policies a correlator may be answering: the last one that it said it answers by (`rules.switched`), and those that
 * came after it. Between a policy's record and its switch a gateway asks whatever any of them would have asked: by the old
 * rules alone it would leave out what the new ones guard, by the new ones alone what the old ones still do.
 */
import type { Entry } from "../infra/log/entry.ts";
import { isSame, type WholePolicy } from "../infra/policy/packed.ts";

export interface Proposed {
  /** Id of its `policy.changed`. */
  readonly id: string;
  readonly whole: WholePolicy;
}

/** Engines before this one took over every policy at its own record. */
const firstSwitching = 7;

/** More than anybody changes before a correlator says what it answers by: the oldest of those that nobody confirmed goes. */
const proposedMax = 16;

export class Answering {
  /** In log order. The same list until it changes. */
  policies: readonly Proposed[] = [];

  /** For every record in order. @param whole the policy that it proposes, where it does */
  fold(entry: Entry, whole: WholePolicy | null): void {
    if (whole !== null && whole.files !== null) {
      const before = Number(whole.engine) >= firstSwitching ? this.policies : [];
      const [first, ...more] = [...before, { id: entry.id, whole }];
      if (first !== undefined) this.policies = [first, ...more.slice(1 - proposedMax)];
    }
    if (entry.type !== "rules.switched") return;
    let at = this.policies.findIndex(({ id }) => id === entry.data.policy);
    if (at < 0) return;
    // The same, proposed again meanwhile, is answered by as well.
    for (let next = this.policies[at + 1]; next !== undefined; next = this.policies[at + 1]) {
      if (!isSame(next.whole, this.policies[at]?.whole ?? next.whole)) break;
      at += 1;
    }
    if (at > 0) this.policies = this.policies.slice(at);
  }

  restore(kept: readonly Proposed[]): void {
    this.policies = kept;
  }
}
