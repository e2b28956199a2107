/**
 * The first words of a connection: TLS or not, and what it wants. Ends with a startup packet or a cancel request.
 * Refuses bytes that were sent ahead of a TLS handshake (they would be read as if they had come under it).
 */
import type { Socket } from "node:net";
import { ThroughlineError } from "../../../schemas/errors.ts";
import type { Shown } from "../client-certificate.ts";
import { Inbox } from "./inbox.ts";
import { type Opening, openingLength, readOpening } from "./startup.ts";
import { acceptTls, type Certificate, shownIn } from "./tls.ts";

/** First byte of a TLS handshake record; as a length it would be 369 million. */
const tlsHandshake = 0x16;

/** What is known of a connection so far; the way to say no goes over it. */
export interface Visit {
  readonly socket: Socket;
  /** The socket, or the TLS over it. */
  stream: Socket;
  inbox: Inbox;
  secured: boolean;
  /** The certificate that the client showed. */
  shown: Shown;
  /** Ends a wait that is not the inbox's. */
  interrupt: (() => void) | null;
  user: string;
  database: string;
  /** The grant id as claimed. */
  grantId: string;
}

export function newVisit(socket: Socket): Visit {
  const inbox = new Inbox(socket);
  const nobody = { user: "", database: "", grantId: "" };
  return { socket, stream: socket, inbox, secured: false, shown: { kind: "none" }, interrupt: null, ...nobody };
}

export type Wish = Extract<Opening, { kind: "cancel" | "startup" }>;

/** @throws ThroughlineError `frame.malformed`, `frame.too_large`, `login.unsupported`, `login.abandoned` */
export async function greet(visit: Visit, certificate: Certificate | null): Promise<Wish> {
  // One SSLRequest and one GSSENCRequest at most: each is answered once.
  for (let requests = 0; requests < 3; requests += 1) {
    const prefix = await visit.inbox.take(4);
    if (prefix[0] === tlsHandshake && requests === 0) {
      await secureDirectly(visit, prefix, certificate);
      continue;
    }
    const opening = readOpening(await visit.inbox.take(openingLength(prefix) - 4));
    if (opening.kind === "tls") await answerTls(visit, certificate);
    else if (opening.kind === "gss") visit.stream.write("N");
    else return opening;
  }
  throw new ThroughlineError("frame.malformed", "one encryption request after the other");
}

async function answerTls(visit: Visit, certificate: Certificate | null): Promise<void> {
  if (visit.secured) throw new ThroughlineError("frame.malformed", "TLS inside TLS");
  if (certificate === null) {
    visit.stream.write("N");
    return;
  }
  if (visit.inbox.release().length > 0) {
    throw new ThroughlineError("frame.malformed", "bytes were sent ahead of the TLS handshake");
  }
  visit.stream.write("S");
  await secure(visit, certificate, false);
}

async function secureDirectly(visit: Visit, prefix: Buffer, certificate: Certificate | null): Promise<void> {
  if (certificate === null) throw new ThroughlineError("frame.malformed", "TLS, which is not configured here");
  visit.socket.unshift(Buffer.concat([prefix, visit.inbox.release()]));
  await secure(visit, certificate, true);
}

async function secure(visit: Visit, certificate: Certificate, direct: boolean): Promise<void> {
  visit.interrupt = () => visit.socket.destroy();
  const secured = await acceptTls(visit.socket, certificate, direct);
  visit.stream = secured;
  visit.shown = shownIn(secured);
  visit.interrupt = null;
  visit.inbox = new Inbox(visit.stream);
  visit.secured = true;
}
