/**
 * From a login that is settled to the session's close: welcomes the client, hands both sockets to `serve`, paused, and
 * ends what is left of them. A session cannot outlive its sockets, nor be open without being among the open ones.
 */
import type { Socket } from "node:net";
import type { TargetConfig } from "../../../schemas/config.ts";
import { ThroughlineError } from "../../../schemas/errors.ts";
import type { Entrance } from "../listen.ts";
import type { OpenSessions } from "../open-sessions.ts";
import type { Session } from "../session.ts";
import { type CancelKey, type Cancels, cancelAtTarget } from "./cancel.ts";
import { cut, type FarewellParts, partWith } from "./farewell.ts";
import type { Visit } from "./greeting.ts";
import { authenticationOk, backendKeyData, parameterStatus, readyForQuery } from "./messages.ts";
import type { Startup } from "./startup.ts";
import type { LoggedIn } from "./target-login.ts";
import { turnAway } from "./turn-away.ts";
import type { Wire } from "./wire.ts";

export interface ClosingFacts {
  readonly reason: string;
  /** Bytes that came from each side. */
  readonly clientBytes: number;
  readonly targetBytes: number;
}

export interface WelcomeParts extends FarewellParts {
  /** Writes `session.closed`. */
  readonly close: (session: Session, facts: ClosingFacts) => void;
  /**
   * Runs the session; sets `wire.onEnding` when it listens to both sockets. Should one break before that, or should it
   * reject, the session is over.
   */
  readonly serve: (wire: Wire) => Promise<{ readonly reason: string }>;
  readonly sessions: OpenSessions;
}

/** Everything a session needs, before the client is told. */
export interface Ready {
  readonly startup: Startup;
  readonly closing: Buffer;
  readonly session: Session;
  readonly target: TargetConfig;
  readonly login: LoggedIn;
}

export async function runSession(
  ready: Ready,
  visit: Visit,
  entrance: Entrance,
  parts: WelcomeParts,
  cancels: Cancels,
): Promise<void> {
  const { session, login } = ready;
  const client = visit.stream;
  const left = visit.inbox.gone || entrance.signal.aborted;
  const { wire, attended } = newWire(ready, visit, parts);
  const key = cancels.add(ready.startup.minor >= 2 ? 32 : 4, () => cancel(wire, ready, parts));
  let reason = "the client left during its login";
  let message: Buffer | null = null;
  try {
    if (left) return;
    client.write(welcome(ready, key));
    entrance.entered();
    const broken = brokeEarly(session, attended, client, login);
    const served = parts.serve(wire);
    parts.sessions.add({
      session,
      end: (why) => wire.onEnding?.(why),
      drain: (why) => wire.onDrain?.(why),
      cut: () => cut(client, login.raw),
    });
    reason = (await Promise.race([served, broken])).reason;
  } catch (error) {
    reason = error instanceof ThroughlineError ? `${error.code}: ${error.message}` : "internal.bug";
    // Nobody has spoken to the client since its welcome, so a message of ours cannot fall into the middle of another.
    if (!attended()) message = turnAway(error, "");
    parts.fault(error);
  } finally {
    cancels.remove(key);
    wire.onEnding = null;
    wire.onDrain = null;
    const facts = { reason, clientBytes: client.bytesRead, targetBytes: login.socket.bytesRead };
    login.raw.destroy();
    recordEnd(session, facts, parts);
    await partWith(client, message, parts.limits.endingWaitMsMax);
    // Last, so that a drain has waited for the record too.
    parts.sessions.remove(session.id);
  }
}

/** A socket that closes while nobody listens yet would leave the other one waiting for ever. */
function brokeEarly(
  session: Session,
  attended: () => boolean,
  client: Socket,
  { socket, raw }: LoggedIn,
): Promise<{ readonly reason: string }> {
  return new Promise((done) => {
    const onClose = () => {
      if (attended()) return;
      cut(client, raw);
      done({ reason: session.ending ?? "a connection broke before the session began" });
    };
    client.once("close", onClose);
    socket.once("close", onClose);
  });
}

/** The session is over either way; that it could not be written down is the operator's to know. */
function recordEnd(session: Session, facts: ClosingFacts, parts: WelcomeParts): void {
  try {
    parts.close(session, facts);
  } catch (unwritten) {
    parts.fault(unwritten);
  }
}

interface NewWire {
  readonly wire: Wire;
  /** Somebody has listened to it, now or before. */
  readonly attended: () => boolean;
}

function newWire({ session, login, target }: Ready, visit: Visit, parts: WelcomeParts): NewWire {
  let onEnding: Wire["onEnding"] = null;
  let attended = false;
  const wire: Wire = {
    session,
    client: visit.stream,
    target: login.socket,
    clientRest: visit.inbox.release(),
    targetRest: login.rest,
    parameters: login.parameters,
    transactionStatus: login.transactionStatus,
    cancelTarget() {
      cancelAtTarget(target, login, parts.limits.endingWaitMsMax).catch(parts.fault);
    },
    onCancel: null,
    get onEnding() {
      return onEnding;
    },
    set onEnding(listener) {
      onEnding = listener;
      attended ||= listener !== null;
    },
  };
  return { wire, attended: () => attended };
}

async function cancel(wire: Wire, { target, login }: Ready, parts: WelcomeParts): Promise<void> {
  if (wire.onCancel?.()) return;
  await cancelAtTarget(target, login, parts.limits.endingWaitMsMax);
}

function welcome({ closing, login }: Ready, key: CancelKey): Buffer {
  return Buffer.concat([
    closing,
    authenticationOk(),
    ...[...login.parameters].map(([name, value]) => parameterStatus(name, value)),
    backendKeyData(key.processId, key.secret),
    readyForQuery(login.transactionStatus),
  ]);
}
