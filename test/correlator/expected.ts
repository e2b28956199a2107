/** What the brute-force definition expects of one answer: the chain that holds, and whom it keeps from approving. */
import type { ChainEvidence } from "../../schemas/chain.ts";
import type { CommittedEffect } from "../../schemas/event-data.ts";
import { type Event, latestChain, type Part, type World } from "./oracle.ts";
import { chainsOf, type Declared } from "./oracle-pipelines.ts";
import type { RandomRule } from "./random-rule.ts";

export interface OpenPart extends Part {
  approved: CommittedEffect["approved"];
  readonly owner: Event;
}

export interface Question {
  readonly world: World;
  readonly rule: RandomRule;
  readonly declared: Declared;
  readonly asked: Event;
  /** What a COMMIT would make lasting; null where nobody asks. */
  readonly open: readonly OpenPart[] | null;
}

export interface Expected {
  readonly chain: readonly Event[] | null;
  /** Of the chain, if there is one: how strong it is, and its events. */
  readonly said: readonly (readonly string[])[];
  readonly ruling: "allow" | "hold" | "block";
  /** Identities, sorted. */
  readonly excluded: readonly string[];
}

const identities = ["i0", "i1", "i2"];

/** The same of chains that an engine found. */
export function saidOf(chains: readonly ChainEvidence[]): readonly (readonly string[])[] {
  return chains.map(({ strength, steps }) => [strength, ...steps.map(({ event }) => event)]);
}

export function expectedOf(question: Question): Expected {
  const { world, rule, declared, asked, open } = question;
  const found = (strongOnly: boolean) => chainsOf(world, { ...rule.oracle, strongOnly }, asked, declared);
  const all = found(false);
  const strong = all.length > 0 ? found(true) : [];
  const isBlocked = rule.action === "block" && strong.length > 0;
  const chain = latestChain(isBlocked ? strong : all);
  if (chain === null || (asked.commit && open !== null && wasApproved(question, open, chain, all)))
    return { chain: null, said: [], ruling: "allow", excluded: [] };
  const isStrong = strong.some((other) => other.every((event, place) => event === chain[place]));
  const said = [[isStrong ? "strong" : "weak", ...chain.map(({ id }) => id)]];
  const people = new Set([asked, ...all.flat()].map(({ identity }) => world.clusterOf(identity)));
  const excluded = identities.filter((identity) => people.has(world.clusterOf(identity)));
  return { chain, said, ruling: isBlocked ? "block" : "hold", excluded };
}

/** The chain found is the approved one, or would be but for what the very transaction that commits has done. */
function wasApproved(
  { world, rule, declared, asked }: Question,
  open: readonly OpenPart[],
  found: readonly Event[],
  all: readonly Event[][],
): boolean {
  const completing = open.filter((part) => {
    const alone = { ...asked, parts: [{ effect: part.effect, of: part.of, gone: false }] };
    return rule.lastPlaces.some((place) => rule.matchesAt(world, place, alone, asked));
  });
  const covers = ({ approved }: OpenPart, chain: readonly Event[], last: Event) => {
    const before = chain.filter((event) => event !== last).map(({ id }) => id);
    return approved !== undefined && JSON.stringify(approved.before) === JSON.stringify(before);
  };
  const isCovered = (chain: readonly Event[]) => completing.every((part) => covers(part, chain, asked));
  if (isCovered(found)) return true;
  const isOwn = ({ command }: Event) => asked.parts.some(({ of }) => of === command);
  const others = found.filter((event) => event !== asked && !isOwn(event));
  const approvedAt = Math.min(...completing.map(({ owner }) => owner.at));
  if (others.some(({ at }) => at > approvedAt)) return false;
  const without = latestChain(all.filter((chain) => !chain.some(isOwn)));
  if (without !== null && isCovered(without)) return true;
  return completing.every((part) => {
    const inside = ({ atMs }: Event) => atMs >= asked.atMs - rule.oracle.timespanMs;
    const own = chainsOf(world, rule.oracle, part.owner, declared).filter((chain) => chain.every(inside));
    const then = latestChain(own);
    return then !== null && covers(part, then, part.owner);
  });
}
