/**
 * Opens and closes Sessions in the log: a random key for its text, durable before `session.opened`, which is durable
 * before the client is let in. Which sessions run, and ending them, is open-sessions.ts.
 */
import type { Keys } from "../../infra/keys/keys.ts";
import type { Appender } from "../../infra/log/log.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Subject } from "../../schemas/event.ts";
import type { EventData } from "../../schemas/event-data.ts";
import type { Grant, SessionId } from "../../schemas/identity.ts";
import type { Grants } from "./grants.ts";
import type { Session } from "./session.ts";

export interface SessionParts {
  readonly appender: Appender;
  readonly keys: Keys;
  readonly grants: Pick<Grants, "find">;
  readonly newId: () => string;
  readonly now: () => number;
  /** The role an account has on its target. */
  readonly roleOf: (grant: Grant) => string;
  /** Commands that the gate judged in this session. */
  readonly commandsOf: (session: Session) => number;
}

export interface OpeningFacts {
  readonly wire: EventData["session.opened"]["wire"];
  readonly clientAddress: string;
  readonly application: string;
  readonly tls: boolean;
  readonly certificate?: EventData["session.opened"]["certificate"];
}

export type ClosingFacts = Omit<EventData["session.closed"], "commands">;

/** @throws ThroughlineError `login.expired` when the Grant has ended, `keys.master`, `log.full` */
export async function openSession(parts: SessionParts, grant: Grant, facts: OpeningFacts): Promise<Session> {
  expectOpen(parts, grant);
  const id = parts.newId() as SessionId;
  const key = await parts.keys.create(id);
  const { clientAddress, application, ...rest } = facts;
  const { identity, task, expiresAtMs } = grant;
  const subject = subjectOf(id, grant, clientAddress);
  const data = { ...rest, identity, task, keyId: id, application, expiresAtMs };
  await parts.appender.synced(parts.appender.append({ type: "session.opened", subject, data }));
  const role = parts.roleOf(grant);
  const session: Session = { id, grant, clientAddress, application, subject, keyId: id, key, role, ending: null };
  // It may have been revoked while all this became durable.
  if (parts.grants.find(grant.id)?.ended !== null) session.ending = "the Grant has ended";
  return session;
}

/** @returns when it is in the log; nobody need wait for its sync */
export function closeSession(parts: SessionParts, session: Session, facts: ClosingFacts): void {
  const data = { ...facts, commands: parts.commandsOf(session) };
  parts.appender.append({ type: "session.closed", subject: session.subject, data });
}

function expectOpen({ grants, now }: SessionParts, grant: Grant): void {
  const known = grants.find(grant.id);
  if (known === null) throw new ThroughlineError("login.failed", "no Grant has this id");
  if (known.ended !== null || now() >= grant.expiresAtMs)
    throw new ThroughlineError("login.expired", `Grant ${grant.id} was ${known.ended ?? "expired"}`);
}

/** The constant part of every event of the session. */
function subjectOf(session: SessionId, grant: Grant, clientAddress: string): Subject {
  const { identity, account, task, target } = grant;
  return {
    session,
    identity: identity.key,
    ...(identity.onBehalfOf.length > 0 ? { onbehalfof: identity.onBehalfOf.join(" ") } : {}),
    account,
    task: task.id,
    target,
    clientaddress: clientAddress,
    grantid: grant.id,
  };
}
