/**
 * Reads the steps of the shared log by the letter of DETECTION §2 and §6, with the brute-force definition: which commands
 * would have completed a chain, and what they ran under. It shares no code with the correlator or the gate.
 */
import { createCatalog } from "../../infra/catalog.ts";
import type { Effect } from "../../schemas/command.ts";
import type { CommandFacts, CommittedEffect, EventData } from "../../schemas/event-data.ts";
import { allChains, type Event, latestChain, type Part, type World } from "../correlator/oracle.ts";
import type { Row } from "./rows.ts";
import type { Ruling } from "./rules.ts";

/** What the log says of a command that was allowed. */
export interface Found {
  readonly command: string;
  /** Whether the correlator was asked, by the intent that its decision names. */
  readonly asked: boolean;
  /** Every chain that it would have completed there, each as the commands of its other steps. */
  readonly chains: readonly (readonly string[])[];
  readonly approval: string | null;
  /** Digest of the rules in force at its place. */
  readonly rules: string;
  /** Since when everybody can know them. */
  readonly sinceMs: number;
}

/** What the log should have been told of an intent. */
export interface Expected {
  readonly intent: string;
  readonly ruling: "allow" | "hold" | "block";
}

interface State {
  readonly session: string;
  readonly source: string;
  commits: readonly CommittedEffect[] | null;
  event: Event | null;
  chains: Event[][];
  undoable: boolean;
  decided: boolean;
  intent: string | null;
}

/** What one engine answers by. */
interface InForce {
  now: Ruling | null;
  sinceMs: number;
  /** Waits for `rules.switched`. */
  next: { readonly id: string; readonly ruling: Ruling | null } | null;
  isWhole: boolean;
}

type Asking = CommandFacts & { readonly commits?: readonly CommittedEffect[] };

const isLasting = ({ operation }: Effect) => /^(write|transform|delete|define|grant)$/.test(operation);
/** What its steps are, without their names; and its window. */
function asked({ files, rule }: Ruling): readonly string[] {
  const documents = (files["rules/r.yml"] ?? "").split("---\n");
  const steps = documents.filter((one) => one.includes("\ndetection:"));
  return [...steps.map((one) => one.slice(one.indexOf("\ndetection:")).trim()), `over ${rule.oracle.timespanMs}`];
}

/** Whether whoever has looked back for the first has for the second; all catalogs of a play are the same. */
function seesAll(before: Ruling | null, next: Ruling | null): boolean {
  if (before === null || next === null) return before === next;
  if (next.rule.oracle.timespanMs > before.rule.oracle.timespanMs) return false;
  const known = new Set(asked(before));
  return asked(next).every((one) => one.startsWith("over") || known.has(one));
}

/** Over this the brute-force definition takes too long; a play seldom has so many. */
const eventsMax = 60;

export class Reading {
  readonly found: Found[] = [];
  readonly expected: Expected[] = [];
  readonly #rulings: readonly Ruling[];
  readonly #ranMs: ReadonlyMap<string, number>;
  readonly #events: Event[] = [];
  readonly #states = new Map<string, State>();
  readonly #open = new Map<string, { readonly event: Event; readonly parts: Part[] }[]>();
  readonly #clusters = new Map<string, string>();
  /** Intents that were answered `allow`. */
  readonly #allowed = new Set<string>();
  readonly #regimes = new Map<string, InForce>();
  /** Of an engine that has not been heard of. */
  readonly #unheard: InForce = { now: null, sinceMs: 0, next: null, isWhole: true };
  #engine = "";
  #at = 0;

  /** @param ranMs when the target really did a command; what it never did is not there */
  constructor(rulings: readonly Ruling[], ranMs: ReadonlyMap<string, number>) {
    this.#rulings = rulings;
    this.#ranMs = ranMs;
  }

  read(rows: readonly (Row & { readonly seenMs: number })[]): void {
    const seen = new Set<string>();
    for (const { type, data } of rows) {
      const { intent, ruling } = data as EventData["command.answered"];
      if (type === "command.answered" && ruling === "allow") this.#allowed.add(intent);
    }
    for (const row of rows) {
      if (seen.has(row.id)) continue;
      seen.add(row.id);
      this.#at += 1;
      if (row.type === "policy.changed") this.#propose(row, row.data as EventData["policy.changed"]);
      else if (row.type === "rules.switched") this.#switch(row, row.data as EventData["rules.switched"]);
      else if (row.type === "command.intended") this.#intend(row, row.data as EventData["command.intended"]);
      else if (row.type === "command.decided") this.#decide(row, row.data as EventData["command.decided"]);
      else if (row.type === "command.finished") this.#finish(row, row.data as EventData["command.finished"]);
      else if (row.type === "service.started") this.#restart(row);
      else if (row.type === "session.closed") this.#close(row.subject.session ?? "");
      else if (row.type === "identity.linked") this.#link((row.data as EventData["identity.linked"]).identities);
    }
  }

  /** Each engine on its own: what another one's policy brings, it takes over at once, and may not have looked back for. */
  #propose({ id, seenMs }: Row & { readonly seenMs: number }, { digest, engine }: EventData["policy.changed"]): void {
    const next = this.#rulings.find((one) => one.digest === digest) ?? null;
    if (!this.#regimes.has(engine)) this.#regimes.set(engine, { ...this.#unheard });
    for (const [name, regime] of [...this.#regimes, ["", this.#unheard] as const]) {
      const isSeen = this.#states.size + this.#events.length === 0 || (regime.isWhole && seesAll(regime.now, next));
      if (name === engine && regime.next !== null && regime.next.ruling === next) continue;
      if (!isSeen && name === engine) {
        regime.next = { id, ruling: next };
        continue;
      }
      regime.isWhole = isSeen;
      regime.next = null;
      if (regime.now !== next) regime.sinceMs = seenMs;
      regime.now = next;
    }
    this.#engine = engine;
  }

  #switch({ seenMs }: Row & { readonly seenMs: number }, { policy }: EventData["rules.switched"]): void {
    const regime = this.#regimes.get(this.#engine);
    if (regime?.next?.id !== policy) return;
    if (regime.now !== regime.next.ruling) regime.sinceMs = seenMs;
    regime.now = regime.next.ruling;
    regime.next = null;
    regime.isWhole = true;
  }

  get #ruling(): Ruling | null {
    return this.#regimes.get(this.#engine)?.now ?? null;
  }

  #intend(row: Row, data: EventData["command.intended"]): void {
    const state = this.#stateOf(row);
    state.commits = data.commits;
    const event = this.#event(row, data, state);
    state.chains = this.#complete(event, data.commits, this.#events);
    this.expected.push({ intent: row.id, ruling: this.#rulingOf(event, state.chains) });
    // Nobody answered it (only another engine's correlators were there): then it never was in flight.
    if (!this.#allowed.has(row.id) || state.chains.length > 0 || event.parts.length === 0) return;
    state.event = event;
    state.undoable = data.undoable;
    state.intent = row.id;
    this.#events.push(event);
  }

  #decide(row: Row, data: EventData["command.decided"]): void {
    const state = this.#stateOf(row);
    state.decided = true;
    if (data.ruling !== "allow" && data.ruling !== "mask") {
      if (state.event !== null) for (const part of state.event.parts) part.gone = true;
      this.#states.delete(row.subject.command ?? "");
      return;
    }
    const event = state.event ?? this.#event(row, data, state);
    const asked = state.commits !== null;
    // Nobody asked: then it counts only over what had really happened when it ran.
    if (!asked)
      state.chains = this.#complete(
        event,
        [],
        this.#events.filter((one) => this.#ranBefore(one, event)),
      );
    const chains = state.chains.map((chain) =>
      chain.filter((one) => one.id !== event.id && one.command !== event.command),
    );
    this.found.push({
      command: event.command,
      asked,
      chains: chains.map((chain) => chain.map(({ command }) => command)),
      approval: data.approval,
      rules: this.#ruling?.digest ?? "",
      sinceMs: this.#regimes.get(this.#engine)?.sinceMs ?? 0,
    });
    event.decidedAt = this.#at;
    state.undoable = data.undoable;
    this.#control(row.subject.session ?? "", data, event);
    if (state.event === null && event.parts.length > 0) {
      state.event = event;
      this.#events.push(event);
    }
  }

  #ranBefore(one: Event, other: Event): boolean {
    const never = Number.POSITIVE_INFINITY;
    return (this.#ranMs.get(one.command) ?? never) < (this.#ranMs.get(other.command) ?? -never);
  }

  #control(session: string, { transaction, undoable, opaque }: CommandFacts, event: Event): void {
    if (transaction.kind === "begin") this.#open.set(session, []);
    else if (/^(commit|rollback|prepare)$/.test(transaction.kind)) this.#open.delete(session);
    else if (undoable && opaque === null)
      this.#open.get(session)?.push({ event, parts: event.parts.filter(({ effect }) => isLasting(effect)) });
  }

  #finish({ subject }: Row, { outcome, shown, undone, lasted }: EventData["command.finished"]): void {
    const state = this.#states.get(subject.command ?? "");
    const event = state?.event ?? null;
    if (state !== undefined && event !== null) {
      if (outcome !== "unknown") event.finishedAt = this.#at;
      for (const part of event.parts) {
        const isUndone = event.commit
          ? outcome === "error" || undone.includes(part.of)
          : outcome === "error" && state.undoable && !event.opaque && (isLasting(part.effect) || !shown);
        part.gone ||= isUndone;
      }
    }
    for (const command of undone) {
      const one = this.#states.get(command);
      if (one?.event && one.undoable && !one.event.opaque && !one.event.commit)
        for (const part of one.event.parts) part.gone ||= isLasting(part.effect);
      this.#states.delete(command);
    }
    for (const command of lasted) {
      const one = this.#states.get(command);
      if (one?.event) one.event.lastedAt = this.#at;
      this.#states.delete(command);
    }
    if (event !== null && (event.commit || !event.parts.some(({ effect }) => isLasting(effect))))
      this.#states.delete(event.command);
  }

  #restart({ source, data }: Row): void {
    if ((data as EventData["service.started"]).role !== "gateway") return;
    for (const [command, state] of this.#states) {
      if (state.source !== source) continue;
      if (state.event !== null && !state.decided) for (const part of state.event.parts) part.gone = true;
      this.#open.delete(state.session);
      this.#states.delete(command);
    }
  }

  #close(session: string): void {
    this.#open.delete(session);
    for (const [command, state] of this.#states) if (state.session === session) this.#states.delete(command);
  }

  #link(identities: readonly string[]): void {
    const roots = new Set(identities.map((one) => this.#clusterOf(one)));
    const [first = ""] = [...roots].sort();
    for (const one of ["i0", "i1", "i2"]) if (roots.has(this.#clusterOf(one))) this.#clusters.set(one, first);
  }

  #clusterOf(identity: string): string {
    return this.#clusters.get(identity) ?? identity;
  }

  #stateOf({ subject, source }: Row): State {
    const command = subject.command ?? "";
    let state = this.#states.get(command);
    if (state === undefined) {
      const fresh = { commits: null, event: null, chains: [], undoable: true, decided: false, intent: null };
      state = { session: subject.session ?? "", source, ...fresh };
      this.#states.set(command, state);
    }
    return state;
  }

  #event({ id, atMs, subject }: Row, data: Asking, state: State): Event {
    const command = subject.command ?? "";
    const part = (effect: Effect, of: string): Part => ({ effect, of, gone: false });
    const isCommit = data.transaction.kind === "commit";
    const own = data.effects.map((effect) => part(effect, command));
    const sum = (state.commits ?? []).map((one) => part(one.effect, one.command));
    const open = (this.#open.get(subject.session ?? "") ?? []).flatMap(({ parts }) =>
      parts.filter(({ gone }) => !gone),
    );
    const lasting = open.map(({ effect, of }) => part(effect, of));
    const parts =
      state.commits !== null
        ? [...(isCommit && sum.length > 0 ? [] : own), ...sum]
        : isCommit
          ? [...own, ...lasting]
          : own;
    return {
      id,
      at: this.#at,
      atMs,
      identity: subject.identity ?? "",
      account: subject.account ?? "",
      task: subject.task ?? "",
      command,
      opaque: data.opaque !== null,
      commit: isCommit,
      parts,
      decidedAt: this.#at,
      finishedAt: Number.POSITIVE_INFINITY,
      lostAt: Number.POSITIVE_INFINITY,
      lastedAt: Number.POSITIVE_INFINITY,
    };
  }

  #world(ruling: Ruling): World {
    const { tagsOf } = createCatalog(ruling.catalog);
    return { events: this.#events, catalogTags: tagsOf, clusterOf: (identity) => this.#clusterOf(identity) };
  }

  /** Every chain that it completes, unless people knew of it when they approved what now lasts. */
  #complete(asked: Event, commits: readonly CommittedEffect[], events: readonly Event[]): Event[][] {
    if (this.#ruling === null || asked.parts.length === 0 || events.length > eventsMax) return [];
    const all = allChains({ ...this.#world(this.#ruling), events }, this.#ruling.rule.oracle, asked);
    const found = latestChain(all);
    if (found === null || (asked.commit && this.#wasApproved(this.#ruling, asked, found, all, commits))) return [];
    return all;
  }

  #rulingOf(event: Event, chains: readonly Event[][]): Expected["ruling"] {
    if (this.#ruling === null) return "hold";
    if (chains.length === 0) return "allow";
    const { rule } = this.#ruling;
    if (rule.action !== "block") return "hold";
    return allChains(this.#world(this.#ruling), { ...rule.oracle, strongOnly: true }, event).length > 0
      ? "block"
      : "hold";
  }

  /** D9: the chain found is the approved one, or would be but for what the very transaction that commits has done. */
  #wasApproved(
    { rule, catalog }: Ruling,
    asked: Event,
    found: readonly Event[],
    all: readonly Event[][],
    commits: readonly CommittedEffect[],
  ): boolean {
    const { tagsOf } = createCatalog(catalog);
    const world = { events: this.#events, catalogTags: tagsOf, clusterOf: (one: string) => this.#clusterOf(one) };
    const completing = commits.filter(({ command, effect }) => {
      const alone = { ...asked, parts: [{ effect, of: command, gone: false }] };
      return rule.lastPlaces.some((place) => rule.matchesAt(world, place, alone, asked));
    });
    const covers = ({ approved }: CommittedEffect, chain: readonly Event[], last: Event) => {
      const before = JSON.stringify(chain.filter((event) => event !== last).map(({ id }) => id));
      return [approved, ...(approved?.also ?? [])].some(
        (one) => one !== undefined && JSON.stringify(one.before) === before,
      );
    };
    const isCovered = (chain: readonly Event[]) => completing.every((effect) => covers(effect, chain, asked));
    if (isCovered(found)) return true;
    const isOwn = ({ command }: Event) => asked.parts.some(({ of }) => of === command);
    const others = found.filter((event) => event !== asked && !isOwn(event));
    const ran = completing.map(({ command }) => this.#events.find((event) => event.command === command));
    if (others.some(({ at }) => at > Math.min(...ran.map((event) => event?.at ?? 0)))) return false;
    const without = latestChain(all.filter((chain) => !chain.some(isOwn)));
    if (without !== null && isCovered(without)) return true;
    return completing.every((effect, index) => {
      const own = ran[index];
      if (own === undefined) return false;
      const inside = ({ atMs }: Event) => atMs >= asked.atMs - rule.oracle.timespanMs;
      const then = latestChain(allChains(world, rule.oracle, own).filter((chain) => chain.every(inside)));
      return then !== null && covers(effect, then, own);
    });
  }
}
