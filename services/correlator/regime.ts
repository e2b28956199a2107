/**
 * Which rules, catalog and pipelines are in force, by the log alone (DETECTION §2.13). A policy that asks for nothing that is
 * not retained takes over at its own record; any other waits until somebody has folded the log under it and said so
 * (`rules.switched`), and the one before it stays. The latest wins, and a file that is wrong replaces nothing.
 */
import { type Catalog, createCatalog } from "../../infra/catalog.ts";
import type { Entry } from "../../infra/log/entry.ts";
import { isSame, type KeptPolicyParts, PolicyParts, type WholePolicy } from "../../infra/policy/packed.ts";
import { loadRules } from "../../infra/rules/load.ts";
import type { Pipeline } from "../../infra/rules/pipeline.ts";
import type { RuleSet } from "../../infra/rules/rule-set.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { catalogue } from "../../schemas/event.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { engineVersion } from "./engine.ts";
import { catalogOf, pipelinesOf, ruleFilesOf } from "./policy-files.ts";
import { Repeats } from "./repeats.ts";

type Files = Readonly<Record<string, string>>;

/** A policy that can be read. */
export interface Ruled {
  /** Id of the `policy.changed` that brought it. */
  readonly policy: string;
  readonly digest: string;
  readonly files: Files;
  readonly rules: RuleSet;
  readonly catalog: Catalog;
  readonly pipelines: readonly Pipeline[];
}

type KeptRuled = Pick<Ruled, "policy" | "digest" | "files"> & { readonly catalog: Catalog["entries"] };

export interface KeptRegime {
  readonly own: boolean;
  readonly problem: string | null;
  readonly stepped: boolean;
  readonly whole: boolean;
  readonly unsaid: EventData["rules.switched"] | null;
  readonly inForce: KeptRuled | null;
  readonly pending: KeptRuled | null;
  readonly parts: KeptPolicyParts;
}

const stepTypes: ReadonlySet<Entry["type"]> = new Set([
  "command.intended",
  "command.decided",
  "approval.asked",
  "approval.answered",
]);

export class Regime {
  inForce: Ruled | null = null;
  /** Waits until the log has been folded under it. */
  pending: Ruled | null = null;
  /** Whether the last policy was put into the log by an engine of this version (before the first one: yes). */
  own = true;
  /** Why the last policy was not taken over; null when it was, or waits. */
  problem: string | null = null;
  /** What took over at once, until somebody says so. */
  unsaid: EventData["rules.switched"] | null = null;
  readonly #load: typeof loadRules;
  readonly #parts = new PolicyParts();
  /** Whether there is anything to look back at. */
  #stepped = false;
  /** Whether all that the rules in force look back at has been matched with them: not where another engine changed them. */
  #whole = true;

  constructor(load: typeof loadRules = loadRules) {
    this.#load = load;
  }

  /** For every record in order. @returns what takes over at it */
  take(entry: Entry): Ruled | null {
    this.#stepped ||= stepTypes.has(entry.type);
    if (entry.type === "rules.switched") return this.#switch(entry.data);
    if (entry.type !== "policy.changed" && entry.type !== "policy.part") return null;
    const whole = this.#parts.take(entry);
    return whole === null ? null : this.#propose(whole, entry.id);
  }

  /** Whether what waits takes over at this record. */
  isSwitch(entry: Entry): boolean {
    if (entry.type !== "rules.switched" || this.pending === null || !this.own) return false;
    return entry.data.policy === this.pending.policy && entry.data.digest === this.pending.digest;
  }

  #switch(said: EventData["rules.switched"]): Ruled | null {
    if (this.unsaid?.policy === said.policy) this.unsaid = null;
    const { pending } = this;
    if (pending === null || !this.own || pending.policy !== said.policy || pending.digest !== said.digest) return null;
    this.pending = null;
    this.inForce = pending;
    this.#whole = true;
    return pending;
  }

  #propose({ digest, engine, files }: WholePolicy, policy: string): Ruled | null {
    this.own = engine === engineVersion;
    // Every gateway that starts with new files proposes them: that must not begin anew what has begun.
    if (this.own && this.pending !== null && isSame(this.pending, { digest, files })) return null;
    const ruled = this.#read(policy, digest, files);
    if (ruled === null) return null;
    const isSeen = !this.#stepped || (this.#whole && sees(this.inForce, ruled));
    if (!isSeen && this.own) {
      this.pending = ruled;
      this.unsaid = null;
      return null;
    }
    this.#whole = isSeen;
    this.pending = null;
    this.inForce = ruled;
    this.unsaid = this.own ? { policy, digest } : null;
    return ruled;
  }

  #read(policy: string, digest: string, files: Files | null): Ruled | null {
    this.problem = null;
    try {
      if (files === null) throw new ThroughlineError("policy.invalid", "parts of the policy are missing or damaged");
      const catalog = catalogOf(files, this.inForce?.catalog ?? createCatalog([]));
      return { policy, digest, files, catalog, rules: this.#load(ruleFilesOf(files)), pipelines: pipelinesOf(files) };
    } catch (error) {
      if (!(error instanceof ThroughlineError)) throw error;
      this.problem = `${error.code}: ${error.message}`;
      return null;
    }
  }

  kept(): KeptRegime {
    const { own, problem, unsaid, inForce, pending } = this;
    const about = { own, problem, unsaid, stepped: this.#stepped, whole: this.#whole, parts: this.#parts.kept() };
    return { ...about, inForce: keptOf(inForce), pending: keptOf(pending) };
  }

  /** Into an empty one. */
  restore({ own, problem, unsaid, stepped, whole, parts, inForce, pending }: KeptRegime): void {
    [this.own, this.problem, this.unsaid] = [own, problem, unsaid];
    [this.#stepped, this.#whole] = [stepped, whole];
    this.#parts.restore(parts);
    this.inForce = this.#restored(inForce);
    this.pending = this.#restored(pending);
  }

  #restored(kept: KeptRuled | null): Ruled | null {
    if (kept === null) return null;
    const { policy, digest, files } = kept;
    const about = { policy, digest, files, catalog: createCatalog(kept.catalog) };
    return { ...about, rules: this.#load(ruleFilesOf(files)), pipelines: pipelinesOf(files) };
  }
}

function keptOf(ruled: Ruled | null): KeptRuled | null {
  if (ruled === null) return null;
  const { policy, digest, files, catalog } = ruled;
  return { policy, digest, files, catalog: catalog.entries };
}

/** Whether whoever has folded the log under the first knows all that the second looks back at. */
function sees(before: Ruled | null, { rules, catalog }: Ruled): boolean {
  if (before === null || before.catalog.version !== catalog.version) return false;
  if (rules.timespanMsMax > before.rules.timespanMsMax) return false;
  const known = new Set(before.rules.detections.map(({ said }) => said));
  return rules.detections.every(({ said }) => known.has(said));
}

/** The last policy for which a log was folded again: a start folds under it at once, instead of once for each that came before. */
export class LastSwitch {
  readonly #regime = new Regime();
  readonly #repeats = new Repeats();
  last: Ruled | null = null;

  /** For every record in order. */
  readonly take = (entry: Entry): void => {
    if (catalogue[entry.type].stream !== "steps" || this.#repeats.has(entry)) return;
    const isSwitch = this.#regime.isSwitch(entry);
    const taken = this.#regime.take(entry);
    if (isSwitch) this.last = taken;
  };
}
