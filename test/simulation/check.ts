/** Judges a play by its promises: from what really happened and from the bytes of the log. */
import { createHash } from "node:crypto";
import type { EventData } from "../../schemas/event-data.ts";
import { limits } from "../../schemas/limits.ts";
import { Reading } from "./chains.ts";
import type { Outcome } from "./outcome.ts";
import type { Ruling } from "./rules.ts";
import type { Fact, Truth } from "./truth.ts";

type Steps = Truth["steps"];

export function check(truth: Truth, rulings: readonly Ruling[]): Outcome {
  const ranMs = new Map<string, number>();
  for (const fact of truth.facts)
    for (const command of [fact.command, fact.by]) if (!ranMs.has(command)) ranMs.set(command, fact.ranMs);
  const reading = new Reading(rulings, ranMs);
  reading.read(truth.steps);
  recorded(truth);
  unapproved(truth, reading);
  once(truth, reading);
  answers(truth, reading);
  blocks(truth);
  tags(truth);
  const count = (type: string) => new Set(truth.steps.filter((row) => row.type === type).map(({ id }) => id)).size;
  const facts = truth.facts.map(({ kind, atMs, command, by, gateway }) => [kind, atMs, command, by, gateway]);
  const rows = truth.steps.map(({ offset, source, sequence, type, atMs }) => [offset, source, sequence, type, atMs]);
  return {
    breaches: truth.breaches,
    facts: truth.facts.length,
    steps: truth.steps.length,
    held: count("command.held"),
    used: count("approval.used"),
    digest: createHash("sha256")
      .update(JSON.stringify([facts, rows, truth.breaches]))
      .digest("hex")
      .slice(0, 16),
  };
}

/** Until a gateway must know what the log says, and what is on its way to the target has arrived. */
const knownMs = limits.feedStaleMsMax + 1_000;

const toldOf = ({ kind, command, gateway, atMs }: Fact) => `${kind} at ${Math.round(atMs)}: ${command} by ${gateway}`;

/** 1: nothing lasts or is shown without its record durable before, where it must be. */
function recorded(truth: Truth): void {
  for (const fact of truth.facts)
    if (fact.missing.length > 0) truth.breach(1, `${toldOf(fact)}, no record of ${fact.missing.join(", ")}`);
}

/** 2: no completing step took effect unapproved. */
function unapproved(truth: Truth, { found }: Reading): void {
  const byCommand = new Map(found.map((one) => [one.command, one]));
  for (const fact of truth.facts) {
    const said = byCommand.get(fact.by);
    if (said === undefined || said.approval !== null) continue;
    // Nobody asked: then its gateway must have had to know the rules.
    const isKnown = said.asked || said.rules === fact.rules || said.sinceMs + knownMs < fact.ranMs;
    const isComplete = isKnown && said.chains.length > 0;
    if (isComplete)
      truth.breach(
        2,
        `${toldOf(fact)} completes a chain after ${said.chains[0]?.join(", ")}, ${said.asked ? "asked" : "unasked"}`,
      );
  }
}

/** 3: an approval is used once over all gateways, after somebody else than the requester had approved. */
function once(truth: Truth, { found }: Reading): void {
  const users = new Map<string, string>();
  const took = new Set(truth.facts.map(({ by }) => by));
  const rows = (type: string) => truth.steps.filter((row) => row.type === type);
  for (const { approval, command } of found) {
    if (approval === null || !took.has(command)) continue;
    const before = users.get(approval);
    if (before !== undefined && before !== command)
      truth.breach(3, `approval ${approval} was used for ${before} and for ${command}`);
    users.set(approval, command);
    const asked = rows("approval.asked").find((row) => (row.data as EventData["approval.asked"]).approval === approval);
    const used = rows("approval.used").find((row) => (row.data as EventData["approval.used"]).approval === approval);
    const isAnswered = rows("approval.answered").some((row) => {
      const data = row.data as EventData["approval.answered"];
      const isOther = data.by !== asked?.subject.identity && (data.by === "olga" || data.by === "otto");
      return data.approval === approval && data.answer === "approve" && isOther && isBefore(row, used);
    });
    if (used === undefined || !isAnswered)
      truth.breach(3, `approval ${approval} ran ${command} and nobody had approved it`);
  }
}

function isBefore(one: Steps[number], other: Steps[number] | undefined): boolean {
  return other !== undefined && one.offset <= other.offset;
}

/** 7: what the log was answered is what the brute-force definition says. */
function answers(truth: Truth, { expected }: Reading): void {
  const first = new Map<string, string>();
  for (const { type, data } of truth.steps) {
    if (type !== "command.answered") continue;
    const { intent, ruling } = data as EventData["command.answered"];
    if (!first.has(intent)) first.set(intent, ruling);
  }
  for (const { intent, ruling } of expected) {
    const given = first.get(intent);
    if (given !== undefined && given !== ruling) truth.breach(7, `${intent} was answered ${given}, and is ${ruling}`);
  }
}

/** 8: a block placed is enforced everywhere within the bounds. */
function blocks(truth: Truth): void {
  for (const row of truth.steps) {
    if (row.type !== "block.placed") continue;
    const { block, scope, expiresAtMs } = row.data as EventData["block.placed"];
    const isLifted = ({ type, data }: Steps[number]) =>
      type === "block.lifted" && (data as EventData["block.lifted"]).block === block;
    const end = truth.steps.find((one) => isLifted(one) || (expiresAtMs !== null && one.atMs >= expiresAtMs));
    // The log's time stands still while a new leader's clock is behind: then it may end by any right clock.
    const lengthMs = expiresAtMs === null ? Number.POSITIVE_INFINITY : expiresAtMs - row.saidMs;
    const untilMs = Math.min(end?.seenMs ?? Number.POSITIVE_INFINITY, row.seenMs + lengthMs);
    for (const fact of truth.facts) {
      const isAfter = fact.atMs > row.seenMs + knownMs && fact.atMs < untilMs - 1_000;
      // A gateway that is cut off refuses what reads and what is protected; it cannot know of a block (README, failures).
      if (fact.cutOff && fact.needs === "local" && fact.effects.every(({ reads }) => reads.length === 0)) continue;
      if (isAfter && (scope.account === fact.account || scope.identity === fact.identity))
        truth.breach(8, `${toldOf(fact)}, though ${block} stands since ${Math.round(row.seenMs)}`);
    }
  }
}

/** 9: tags that travel are known at every gateway that can act before the data lasts. */
function tags(truth: Truth): void {
  for (const fact of truth.facts) for (const what of fact.unaware) truth.breach(9, `${toldOf(fact)}, before ${what}`);
}
