/**
 * Completing steps that were let through without an approval, by the brute-force definition (test/correlator/oracle.ts) over
 * the order of the log. What is withdrawn in the end (never shown, rolled back) counts as no step, so that only what really
 * happened is held against the gate.
 */
import { createCatalog } from "../../infra/catalog.ts";
import type { CommittedEffect, EventData } from "../../schemas/event-data.ts";
import { isLasting } from "../../services/correlator/step.ts";
import { allChains, type Event, type OracleRule, type World } from "../correlator/oracle.ts";
import type { Logged } from "./evidence.ts";

const tagged = (tags: readonly string[]) => tags.some((tag) => /^(pii|card|secret)(\.|$)/.test(tag));

/** schemas/rules/read-transform-delete.yml, as plain predicates. */
const rule: OracleRule = {
  ordered: true,
  steps: [
    { matches: ({ operation }, tags) => (operation === "read" || operation === "transfer") && tagged(tags) },
    { matches: ({ operation }, tags) => operation === "transform" && tagged(tags) },
    { matches: ({ destroys }) => destroys },
  ],
  timespanMs: 24 * 3_600_000,
  groupBy: [],
  links: [
    { from: 0, to: 1, by: ["lineage", "actor", "task"] },
    { from: 1, to: 2, by: ["flow", "lineage"] },
  ],
  distinct: { field: "account", min: 2 },
  absent: null,
};

const catalog = createCatalog([
  { resource: "orders/*.customers#email", tags: ["pii.email"] },
  { resource: "orders/*.customers#card", tags: ["card"] },
]);

interface Step {
  readonly event: Event;
  /** Ran without an approval of its own, or makes lasting what had none. */
  readonly isSuspect: boolean;
}

type Decided = EventData["command.decided"];

/** @returns one line per command that completed a chain unapproved */
export function unapproved(log: readonly Logged[]): string[] {
  const steps = stepsOf(log);
  const events = steps.map(({ event }) => event);
  const lots = new Map<string, Event[]>();
  for (const event of events) for (const lot of lotsOf(event)) lots.set(lot, [...(lots.get(lot) ?? []), event]);
  const reads = firstReads(events);
  const world = (of: readonly Event[]): World => ({ events: of, catalogTags: catalog.tagsOf, clusterOf: (one) => one });
  return steps.flatMap(({ event, isSuspect }) => {
    if (!isSuspect || !event.parts.some(({ effect, gone }) => effect.destroys && !gone)) return [];
    const near = lotsOf(event).flatMap((lot) => lots.get(lot) ?? []);
    if (!near.some((one) => one.at < event.at && one.parts.some(({ effect }) => effect.operation === "transform")))
      return [];
    const known = [...new Set([...near, ...reads])].filter((one) => one !== event).sort((a, b) => a.at - b.at);
    const [chain] = allChains(world(known), rule, event);
    return chain ? [`${event.command}: completed ${chain.map(({ command }) => command).join(" → ")} unapproved`] : [];
  });
}

function stepsOf(log: readonly Logged[]): Step[] {
  const intents = new Map<string, Logged>();
  const steps = new Map<string, Step>();
  for (const one of log) {
    if (one.type === "command.intended") intents.set(one.id, one);
    else if (one.type === "command.decided") {
      const step = stepOf(one, intents);
      if (step !== null) steps.set(one.subject.command, step);
    } else if (one.type === "command.finished") finish(steps, one);
  }
  return [...steps.values()];
}

function stepOf(one: Logged, intents: ReadonlyMap<string, Logged>): Step | null {
  const data = one.data as Decided;
  if (data.ruling !== "allow" && data.ruling !== "mask") return null;
  const intent = data.intent === null ? undefined : intents.get(data.intent);
  const commits = ((intent?.data as EventData["command.intended"] | undefined)?.commits ?? []) as CommittedEffect[];
  const isCommit = data.transaction.kind === "commit";
  const bare = commits.filter(({ approved }) => approved === undefined);
  const { identity, account, task, command } = one.subject;
  const own = data.effects.map((effect) => ({ effect, of: command, gone: false }));
  const parts = [...own, ...bare.map(({ effect, command: of }) => ({ effect, of, gone: false }))];
  if (parts.length === 0) return null;
  const event: Event = {
    id: one.id,
    // A command that people let through counts from its decision, any other from where it asked.
    at: data.approval === null && intent !== undefined ? intent.position : one.position,
    atMs: one.atMs,
    identity,
    account,
    task,
    command,
    opaque: data.opaque !== null,
    commit: isCommit,
    parts,
    decidedAt: one.position,
    finishedAt: Number.POSITIVE_INFINITY,
    lostAt: Number.POSITIVE_INFINITY,
    lastedAt: Number.POSITIVE_INFINITY,
  };
  return { event, isSuspect: data.approval === null };
}

function finish(steps: ReadonlyMap<string, Step>, one: Logged): void {
  const { outcome, shown, undone, lasted } = one.data as EventData["command.finished"];
  const event = steps.get(one.subject.command)?.event;
  if (event !== undefined) {
    if (outcome !== "unknown") event.finishedAt = one.position;
    if (outcome === "error" && !event.opaque)
      for (const part of event.parts)
        if (isLasting(part.effect) || (!shown && !event.commit) || event.commit) part.gone = true;
  }
  for (const command of undone)
    for (const part of steps.get(command)?.event.parts ?? []) part.gone ||= isLasting(part.effect);
  for (const command of lasted) {
    const other = steps.get(command)?.event;
    if (other !== undefined) other.lastedAt = one.position;
  }
}

function lotsOf({ parts }: Event): string[] {
  const names = parts.flatMap(({ effect }) => [...effect.reads, ...effect.writes]);
  return [...new Set(names.flatMap((name) => /^orders\/(lot\d+)\./.exec(name)?.[1] ?? []))];
}

/** A reader may be tied to who copies by identity or task, whatever he read: the first read of each is witness enough. */
function firstReads(events: readonly Event[]): Event[] {
  const found = new Map<string, Event>();
  for (const event of events) {
    const reads = event.parts.some(
      ({ effect, gone }) =>
        !gone && effect.operation === "read" && effect.reads.some((name) => tagged(catalog.tagsOf(name))),
    );
    const name = `${event.identity}\n${event.account}\n${event.task}`;
    if (reads && (found.get(name)?.at ?? Number.POSITIVE_INFINITY) > event.at) found.set(name, event);
  }
  return [...found.values()];
}
