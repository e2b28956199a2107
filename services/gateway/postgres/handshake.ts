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
import type { ClientCertificate } from "../../../schemas/event-data.ts";
import type { Grant } from "../../../schemas/identity.ts";
import type { Limits } from "../../../schemas/limits.ts";
import { admit, credentialFor, expected, type Grants, readClaim } from "../credentials.ts";
import type { Enter, Entrance } from "../listen.ts";
import type { Session } from "../session.ts";
import { Cancels } from "./cancel.ts";
import { proveClient } from "./client-login.ts";
import { refuse } from "./farewell.ts";
import { greet, newVisit, type Visit } from "./greeting.ts";
import { negotiateProtocolVersion } from "./messages.ts";
import type { Stretch } from "./scram.ts";
import { type Startup, shown } from "./startup.ts";
import { connectTarget, type LoggedIn, loginTarget } from "./target-login.ts";
import type { Certificate } from "./tls.ts";
import { type Ready, runSession, type WelcomeParts } from "./welcome.ts";

export interface SessionFacts {
  readonly wire: "postgres";
  readonly clientAddress: string;
  /** As the client names itself. */
  readonly application: string;
  readonly tls: boolean;
  /** Absent when the client showed none. */
  readonly certificate?: ClientCertificate;
}

export interface HandshakeParts extends WelcomeParts {
  readonly targets: ReadonlyMap<string, TargetConfig>;
  readonly grantKeys: GrantKeys;
  readonly grants: Grants;
  /** Null = clients that ask for TLS are told there is none. */
  readonly certificate: Certificate | null;
  readonly requireTls: boolean;
  /** Makes the session key and writes `session.opened`; resolves when both are durable. */
  readonly open: (grant: Grant, facts: SessionFacts) => Promise<Session>;
  readonly stretch: Stretch;
  readonly now: () => number;
  readonly limits: Pick<Limits, "grantWaitMsMax" | "endingWaitMsMax">;
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
      ...(visit.shown.kind === "accepted" ? { certificate: visit.shown.certificate } : {}),
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
  refuseCertificate(visit, parts);
  // A hostile neighbour behind the same address must not lock out a Grant that exists.
  const strange = entrance.limited && parts.grants.find(visit.grantId) === null;
  if (strange || entrance.exhausted(visit.grantId)) {
    throw new ThroughlineError("login.rate", "too many failed logins from this network; wait a minute");
  }
}

/** A bad certificate is never taken as none: whoever shows it is told that it is bad. */
function refuseCertificate({ shown: seen }: Visit, { certificate }: HandshakeParts): void {
  if (seen.kind === "refused") {
    const what = `the client certificate of "${shown(seen.subject)}" is not accepted`;
    throw new ThroughlineError("login.certificate", `${what}: ${seen.why}`);
  }
  if (seen.kind === "none" && certificate?.requiresClients)
    throw new ThroughlineError("login.certificate", "this gateway takes sessions with a client certificate only");
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
