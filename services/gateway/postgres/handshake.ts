/**
 * From an accepted connection to a session, in order: greeting, proof, Grant, target, record, welcome. The client sees
 * AuthenticationOk only when the target has let us in and `session.opened` is durable.
 *
 * Every way it can end early is an event and a sentence in the protocol's own words. It knows nothing of statements:
 * the two sockets go to `serve`, paused, and come back when the session is over.
 */
import { randomBytes } from "node:crypto";
import type { GrantKeys } from "../../../infra/keys/grant-keys.ts";
import type { TargetConfig } from "../../../schemas/config.ts";
import { ThroughlineError } from "../../../schemas/errors.ts";
import type { Grant } from "../../../schemas/identity.ts";
import type { Limits } from "../../../schemas/limits.ts";
import { admit, credentialFor, expected, type Grants, readClaim } from "../credentials.ts";
import type { Enter, Entrance } from "../listen.ts";
import type { OpenSessions } from "../open-sessions.ts";
import type { Session } from "../session.ts";
import { type CancelKey, Cancels, cancelAtTarget } from "./cancel.ts";
import { proveClient } from "./client-login.ts";
import { cut, partWith, refuse } from "./farewell.ts";
import { greet, newVisit, type Visit } from "./greeting.ts";
import {
  authenticationOk,
  backendKeyData,
  negotiateProtocolVersion,
  parameterStatus,
  readyForQuery,
} from "./messages.ts";
import type { Stretch } from "./scram.ts";
import { type Startup, shown } from "./startup.ts";
import { connectTarget, type LoggedIn, loginTarget } from "./target-login.ts";
import type { Certificate } from "./tls.ts";
import type { Wire } from "./wire.ts";

export interface SessionFacts {
  readonly wire: "postgres";
  readonly clientAddress: string;
  /** As the client names itself. */
  readonly application: string;
  readonly tls: boolean;
}

export interface ClosingFacts {
  readonly reason: string;
  /** Bytes that came from each side. */
  readonly clientBytes: number;
  readonly targetBytes: number;
}

export interface HandshakeParts {
  readonly targets: ReadonlyMap<string, TargetConfig>;
  readonly grantKeys: GrantKeys;
  readonly grants: Grants;
  /** Null = clients that ask for TLS are told there is none. */
  readonly certificate: Certificate | null;
  readonly requireTls: boolean;
  /** Makes the session key and writes `session.opened`; resolves when both are durable. */
  readonly open: (grant: Grant, facts: SessionFacts) => Promise<Session>;
  /** Writes `session.closed`. */
  readonly close: (session: Session, facts: ClosingFacts) => void;
  /** Runs the session; must set its listeners, and `wire.onEnding`, before it first waits. */
  readonly serve: (wire: Wire) => Promise<{ readonly reason: string }>;
  readonly sessions: OpenSessions;
  readonly stretch: Stretch;
  readonly now: () => number;
  readonly limits: Pick<Limits, "grantWaitMsMax" | "endingWaitMsMax">;
  /** For the operator: what went wrong here and is nobody's refusal. */
  readonly fault: (error: unknown) => void;
}

export function createHandshake(parts: HandshakeParts): Enter {
  const cancels = new Cancels();
  return async (socket, entrance) => {
    const visit = newVisit(socket);
    const onAbort = () => {
      visit.inbox.fail(entrance.signal.reason);
      visit.interrupt?.();
    };
    entrance.signal.addEventListener("abort", onAbort);
    try {
      const wish = await greet(visit, parts.certificate);
      if (wish.kind === "cancel") await runCancel(visit, entrance, cancels.find(wish.processId, wish.secret), parts);
      else await runSession(await login(wish.startup, visit, entrance, parts), visit, entrance, parts, cancels);
    } catch (error) {
      const aborted = entrance.signal.aborted && error !== entrance.signal.reason;
      await refuse(visit, aborted ? entrance.signal.reason : error, entrance, parts);
    }
  };
}

/** A cancel request gets no answer, as the protocol has it: only the connection's end. */
async function runCancel(
  visit: Visit,
  entrance: Entrance,
  cancel: (() => Promise<void>) | null,
  parts: HandshakeParts,
): Promise<void> {
  try {
    if (cancel === null) {
      entrance.refused(new ThroughlineError("cancel.unknown", "a cancel request for no session here"), "", "", "");
      return;
    }
    entrance.proven();
    // The client waits for our close: by then the target has the signal, as with PostgreSQL itself.
    await cancel();
  } catch (error) {
    parts.fault(error);
  } finally {
    visit.stream.destroy();
  }
}

/** Everything a session needs, before the client is told. */
interface Ready {
  readonly startup: Startup;
  readonly closing: Buffer;
  readonly session: Session;
  readonly target: TargetConfig;
  readonly login: LoggedIn;
}

async function login(startup: Startup, visit: Visit, entrance: Entrance, parts: HandshakeParts): Promise<Ready> {
  const { signal, clientAddress } = entrance;
  const claim = readClaim(startup.user);
  Object.assign(visit, { user: startup.user, database: startup.database, grantId: claim.grantId.slice(0, 64) });
  refuseEarly(visit, entrance, parts);
  if (startup.negotiate) {
    visit.stream.write(negotiateProtocolVersion(0x00030000 | startup.minor, startup.negotiate.unknown));
  }
  const closing = await proveClient({
    inbox: visit.inbox,
    expected: expected(parts.grantKeys, claim),
    binding: visit.secured && parts.certificate ? parts.certificate.binding : null,
    nonce: randomBytes(18).toString("base64"),
    stretch: parts.stretch,
  });
  entrance.proven();
  const { grants, now, limits } = parts;
  const terms = { grants, now, waitMsMax: limits.grantWaitMsMax, signal };
  const grant = await admit(claim, startup.user, startup.database, terms);
  const target = parts.targets.get(grant.target);
  if (target === undefined) throw new ThroughlineError("target.unknown", `no target "${grant.target}" is configured`);
  const login = await reach(target, grant, startup, visit, signal, parts);
  try {
    const facts = {
      wire: "postgres",
      clientAddress,
      application: shown(startup.application),
      tls: visit.secured,
    } as const;
    return { startup, closing, target, login, session: await parts.open(grant, facts) };
  } catch (error) {
    login.raw.destroy();
    throw error;
  }
}

/** The cheap ways to say no, before anything is hashed. */
function refuseEarly(visit: Visit, entrance: Entrance, parts: HandshakeParts): void {
  if (parts.requireTls && !visit.secured) {
    throw new ThroughlineError("login.tls_required", "this gateway takes sessions under TLS only");
  }
  // A hostile neighbour behind the same address must not lock out a Grant that exists.
  const strange = entrance.limited && parts.grants.find(visit.grantId) === null;
  if (strange || entrance.exhausted(visit.grantId)) {
    throw new ThroughlineError("login.rate", "too many failed logins from this network; wait a minute");
  }
}

async function reach(
  target: TargetConfig,
  grant: Grant,
  startup: Startup,
  visit: Visit,
  signal: AbortSignal,
  parts: HandshakeParts,
): Promise<LoggedIn> {
  const credential = await credentialFor(target, grant.account);
  const connection = await connectTarget(target, signal);
  visit.interrupt = () => connection.raw.destroy();
  signal.throwIfAborted();
  const login = await loginTarget(connection, target, credential, startup.settings, parts.stretch);
  visit.interrupt = null;
  const encoding = login.parameters.get("client_encoding") ?? "UTF8";
  const readable = login.parameters.get("standard_conforming_strings") !== "off" && /^(UTF8|SQL_ASCII)$/.test(encoding);
  if (readable) return login;
  connection.raw.destroy();
  throw new ThroughlineError("target.refused", "the target does not keep UTF8 and standard_conforming_strings");
}

async function runSession(
  ready: Ready,
  visit: Visit,
  entrance: Entrance,
  parts: HandshakeParts,
  cancels: Cancels,
): Promise<void> {
  const { session, login } = ready;
  const client = visit.stream;
  const left = visit.inbox.gone || entrance.signal.aborted;
  const wire = newWire(ready, visit, parts);
  const key = cancels.add(ready.startup.minor >= 2 ? 32 : 4, () => cancel(wire, ready, parts));
  let reason = "the client left during its login";
  try {
    if (left) return;
    client.write(welcome(ready, key));
    entrance.entered();
    const served = parts.serve(wire);
    parts.sessions.add({ session, end: (why) => wire.onEnding?.(why), cut: () => cut(client, login.raw) });
    reason = (await served).reason;
  } catch (error) {
    reason = error instanceof ThroughlineError ? `${error.code}: ${error.message}` : "internal.bug";
    parts.fault(error);
  } finally {
    cancels.remove(key);
    wire.onEnding = null;
    const facts = { reason, clientBytes: client.bytesRead, targetBytes: login.socket.bytesRead };
    login.raw.destroy();
    recordEnd(session, facts, parts);
    await partWith(client, null, parts.limits.endingWaitMsMax);
    // Last, so that a drain has waited for the record too.
    parts.sessions.remove(session.id);
  }
}

/** The session is over either way; that it could not be written down is the operator's to know. */
function recordEnd(session: Session, facts: ClosingFacts, parts: HandshakeParts): void {
  try {
    parts.close(session, facts);
  } catch (unwritten) {
    parts.fault(unwritten);
  }
}

function newWire({ session, login, target }: Ready, visit: Visit, parts: HandshakeParts): Wire {
  return {
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
    onEnding: null,
  };
}

async function cancel(wire: Wire, { target, login }: Ready, parts: HandshakeParts): Promise<void> {
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
