/** Who works at the company of the corpus every day. People who take part in chains and decoys are others (plan.ts). */
import type { Subject } from "../../schemas/event.ts";
import type { Dice } from "../correlator/dice.ts";
import { subjectOf } from "./act.ts";

export interface Person {
  readonly name: string;
  readonly address: string;
  /** Subjects of one day's session, by account. */
  on(account: string, day: number): Subject;
}

export interface Staff {
  /** One account each; read tagged data and keep scratch copies of their own. */
  readonly analysts: readonly Person[];
  /** Two accounts each, one to read and one to write. */
  readonly engineers: readonly Person[];
  /** Programs that act for an engineer, with two accounts in one task. */
  readonly agents: readonly Person[];
  service(name: string, day: number, instance?: number): Subject;
}

/** Everybody in the office leaves through one address; at home everybody has one that changes every ten days. */
function addressOf(home: boolean, dice: Dice): (day: number) => string {
  const base = Array.from({ length: 20 }, () => `${11 + dice(150)}.${dice(256)}.${dice(256)}.${1 + dice(254)}`);
  return (day) => (home ? (base[Math.floor(day / 10) % base.length] ?? "") : "10.0.0.1");
}

export function createStaff(dice: Dice): Staff {
  const kept = new Map<string, Subject>();
  const remember = (key: string, make: () => Subject): Subject => {
    const known = kept.get(key);
    if (known !== undefined) return known;
    if (kept.size > 5_000) kept.clear();
    const made = make();
    kept.set(key, made);
    return made;
  };
  const person = (name: string, onBehalfOf?: string): Person => {
    const address = addressOf(dice(2) === 0, dice);
    return {
      name,
      address: address(0),
      on: (account, day) =>
        remember(`${name} ${account} ${day}`, () =>
          subjectOf({
            identity: name,
            account,
            task: `${name}-day${day}`,
            address: address(day),
            ...(onBehalfOf ? { onBehalfOf: [onBehalfOf] } : {}),
          }),
        ),
    };
  };
  const numbered = (kind: string, count: number) => Array.from({ length: count }, (_, index) => `${kind}${index}`);
  return {
    analysts: numbered("analyst", 12).map((name) => person(name)),
    engineers: numbered("engineer", 10).map((name) => person(name)),
    agents: numbered("agent", 8).map((name, index) => person(name, `engineer${index}`)),
    service: (name, day, instance = 0) =>
      remember(`${name} ${day} ${instance}`, () =>
        subjectOf({
          identity: name,
          account: name,
          task: `${name}-run${day}`,
          session: `${name} ${day} ${instance}`,
          address: `10.1.${instance}.${1 + (name.length % 9)}`,
        }),
      ),
  };
}
