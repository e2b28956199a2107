/**
 * What a command's record must reach before anything of it leaves or lasts. `local`: this machine's disk. `shared`: the
 * shared log has it, which is asked of whatever could matter to a chain or to another gateway. `known`: every live gateway
 * of the target knows what it brings. Kept per session: what one waits for keeps nobody else waiting.
 */
import type { Appender, Ticket } from "../../infra/log/log.ts";
import type { Effect } from "../../schemas/command.ts";
import type { CommandFacts, CommittedEffect } from "../../schemas/event-data.ts";
import type { Session } from "./session.ts";
import type { SharedView, Travel } from "./shared-view.ts";

interface Pending {
  readonly ticket: Ticket;
  readonly isReached: () => boolean;
}

export class Awaited {
  readonly #appender: Appender;
  readonly #shared: SharedView | null;
  readonly #pending = new WeakMap<Session, Pending[]>();

  constructor(appender: Appender, shared: SharedView | null) {
    this.#appender = appender;
    this.#shared = shared;
  }

  /** Call right after the record was said. @param travels what it brings that other gateways must know first, or null */
  share(session: Session, ticket: Ticket, travels: Travel | null): void {
    const shared = this.#shared;
    if (shared === null) return;
    const sequence = shared.said;
    const known = travels === null ? null : shared.travelling(session.grant.target, travels);
    const isReached = () => shared.hasAcknowledged(sequence) && (known === null || known());
    const pending = this.#pending.get(session) ?? [];
    pending.push({ ticket, isReached });
    this.#pending.set(session, pending);
  }

  /** Whether everything that this session said up to the ticket has reached what it must. */
  isReached(session: Session, ticket: Ticket): boolean {
    if (ticket > this.#appender.durable) return false;
    const pending = this.#pending.get(session);
    if (pending === undefined) return true;
    const left = pending.filter((one) => !one.isReached());
    if (left.length === 0) this.#pending.delete(session);
    else if (left.length < pending.length) this.#pending.set(session, left);
    return left.every((one) => one.ticket > ticket);
  }
}

export type TagsOf = (resource: string) => readonly string[];

/** Whether this may matter elsewhere, rules aside: it touches something tagged, moves data, ends or redefines things. */
export function mattersElsewhere(facts: CommandFacts, commits: readonly CommittedEffect[], tagsOf: TagsOf): boolean {
  if (facts.opaque !== null) return true;
  const matters = ({ operation, reads, writes, ends }: Effect) =>
    !(operation === "read" || operation === "write" || operation === "delete" || operation === "connect") ||
    ends.length > 0 ||
    (writes.length > 0 && reads.length > 0 && operation !== "delete") ||
    reads.some((uri) => tagsOf(uri).length > 0) ||
    writes.some((uri) => tagsOf(uri).length > 0);
  return facts.effects.some(matters) || commits.some(({ effect }) => matters(effect));
}

/** Whether it shows, or goes by, anything of the target's that may have been tagged unseen. */
export function goesByData({ effects, opaque }: Pick<CommandFacts, "effects" | "opaque">): boolean {
  return opaque !== null || effects.some(({ reads }) => reads.length > 0);
}

/** Whether a name may get another meaning, or lose it. */
function redefines({ effects }: CommandFacts): boolean {
  return effects.some(({ operation, ends }) => operation === "define" || ends.length > 0);
}

/**
 * What others must know before this takes effect; null when there is nothing. Tags that it carries to where they are known
 * already may have been told a moment ago, with the answer to its own intent: others may not know them yet.
 */
export function travelOf(facts: CommandFacts, tagsOf: TagsOf): Travel | null {
  let [carries, lacks] = [false, false];
  for (const { operation, reads, writes } of facts.effects) {
    if ((operation !== "transform" && operation !== "write") || writes.length === 0) continue;
    const carried = new Set(reads.flatMap(tagsOf));
    carries ||= carried.size > 0;
    lacks ||= writes.some((uri) => [...carried].some((tag) => !tagsOf(uri).includes(tag)));
  }
  const isRedefined = redefines(facts);
  return carries || isRedefined ? { redefines: isRedefined, isTold: !lacks && !isRedefined } : null;
}
