/**
 * Second stage: standing orders. A block placed by a person or a rule refuses the next matching command of sessions
 * that are already open; so does the end of the session's Grant. Every enforcement is an event.
 *
 * An agent that acts for a blocked person is blocked too. Linked identities are not: place a block on each.
 */

import { overlaps } from "../../infra/catalog.ts";
import type { Appender } from "../../infra/log/log.ts";
import type { Effect } from "../../schemas/command.ts";
import type { BlockScope } from "../../schemas/event-data.ts";
import type { Verdict } from "../../schemas/verdict.ts";
import type { Feed, StandingBlock } from "./feed.ts";
import { type Question, strictest } from "./question.ts";
import type { Session } from "./session.ts";

export interface BlockParts {
  readonly appender: Appender;
  readonly feed: Pick<Feed, "blocks" | "atMs">;
  /** Null on one machine, whose clock the log's time is. */
  readonly shared: unknown;
}

export function block(parts: BlockParts, question: Question, sofar: Verdict): Verdict {
  if (question.session.ending !== null) return ending(question.session.ending, sofar);
  const placed = blockFor(parts, question);
  if (placed === null) return sofar;
  parts.appender.append({
    type: "block.enforced",
    subject: question.subject,
    data: { block: placed.id, gateway: parts.appender.source, placedAtMs: placed.placedAtMs },
  });
  return blocked(placed, sofar);
}

/** The same for what is only looked at (Parse, Bind, Describe): nothing is recorded here. */
export function blockFor(
  { feed, shared }: Pick<BlockParts, "feed" | "shared">,
  question: Question,
): StandingBlock | null {
  const { blocks } = feed;
  if (blocks.length === 0) return null;
  // Of many machines one may have a clock that is ahead: blocks end by the log's time.
  const nowMs = shared === null ? question.nowMs : feed.atMs;
  return (
    blocks.find(
      ({ scope, expiresAtMs }) => (expiresAtMs === null || nowMs < expiresAtMs) && matches(scope, question),
    ) ?? null
  );
}

export function blocked(placed: StandingBlock, sofar: Verdict): Verdict {
  return strictest(sofar, {
    ruling: "block",
    stage: "block",
    because: [placed.id],
    sentence: `Blocked until somebody lifts it: ${placed.reason}`,
    masks: [],
  });
}

function ending(why: string, sofar: Verdict): Verdict {
  const sentence = `This session has ended: ${why}.`;
  return strictest(sofar, { ruling: "block", stage: "block", because: ["session"], sentence, masks: [] });
}

function matches(scope: BlockScope, { session, command, commits }: Question): boolean {
  if (!concerns(scope, session)) return false;
  const { resource, operations } = scope;
  if (resource === undefined && operations === undefined) return true;
  const effects = [...command.reading.effects, ...commits.map((committed) => committed.effect)];
  if (command.reading.opaque !== null && resource === undefined) return true;
  return effects.some(
    (effect) =>
      (resource === undefined || touches(effect, resource)) &&
      (operations === undefined || command.reading.opaque !== null || operations.includes(effect.operation)),
  );
}

function concerns(scope: BlockScope, { id, grant }: Session): boolean {
  const identities: readonly string[] = [grant.identity.key, ...grant.identity.onBehalfOf];
  return (
    (scope.identity === undefined || identities.includes(scope.identity)) &&
    (scope.account === undefined || scope.account === grant.account) &&
    (scope.session === undefined || scope.session === id) &&
    (scope.task === undefined || scope.task === grant.task.id || scope.task === grant.task.parent) &&
    (scope.grant === undefined || scope.grant === grant.id)
  );
}

function touches(effect: Effect, resource: string): boolean {
  return effect.reads.some((uri) => overlaps(uri, resource)) || effect.writes.some((uri) => overlaps(uri, resource));
}
