/**
 * The client proves that it knows its Grant's secret: SCRAM-SHA-256, under TLS bound to our certificate when the client
 * can. The same exchange runs for names that cannot exist. Nothing is looked up here, and the slow hash comes last,
 * after the cheap ways to be wrong.
 */
import { ThroughlineError } from "../../../schemas/errors.ts";
import { limits } from "../../../schemas/limits.ts";
import type { Expected } from "../credentials.ts";
import { clientTypes } from "./frames.ts";
import { type Inbox, takeFrame } from "./inbox.ts";
import { authenticationSasl, authenticationSaslContinue, authenticationSaslFinal, readString } from "./messages.ts";
import { type Mechanism, ScramServer, type Stretch, verifierKeys } from "./scram.ts";

/** RFC 7677's minimum; the secret has 130 random bits, so more would only cost. */
const iterations = 4096;

export interface ClientLoginParts {
  readonly inbox: Inbox;
  readonly expected: Expected;
  /** Hash of our certificate when the client is under TLS and it can be bound to, else null. */
  readonly binding: Buffer | null;
  readonly nonce: string;
  readonly stretch: Stretch;
}

/**
 * @returns the message that closes the exchange, to be sent once everything else about the login is settled
 * @throws ThroughlineError `login.failed`, `frame.malformed`, `frame.too_large`, `login.abandoned`
 */
export async function proveClient(parts: ClientLoginParts): Promise<Buffer> {
  const { inbox, expected, binding } = parts;
  const offered: Mechanism[] = binding ? ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"] : ["SCRAM-SHA-256"];
  inbox.stream.write(authenticationSasl(offered));
  const initial = readInitialResponse(await takePassword(inbox));
  const mechanism = offered.find((name) => name === initial.mechanism);
  if (mechanism === undefined) throw new ThroughlineError("frame.malformed", "a SASL mechanism that was not offered");
  const scram = new ScramServer({ mechanism, binding, nonce: parts.nonce, salt: expected.salt, iterations });
  inbox.stream.write(authenticationSaslContinue(scram.first(initial.data)));
  scram.final((await takePassword(inbox)).toString("utf8"));
  const keys = verifierKeys(await parts.stretch(expected.secret, expected.salt, iterations));
  const closing = scram.verify(keys);
  if (closing === null) throw new ThroughlineError("login.failed", "wrong secret");
  return authenticationSaslFinal(closing);
}

async function takePassword(inbox: Inbox): Promise<Buffer> {
  const frame = await takeFrame(inbox, limits.passwordBytesMax);
  if (frame.type !== clientTypes.Password) {
    throw new ThroughlineError("frame.malformed", "expected a SASL response");
  }
  return frame.body;
}

function readInitialResponse(body: Buffer): { mechanism: string; data: string } {
  const { value: mechanism, next } = readString(body, 0);
  if (body.length < next + 4 || body.readInt32BE(next) !== body.length - next - 4) {
    throw new ThroughlineError("frame.malformed", "malformed SASL initial response");
  }
  return { mechanism, data: body.toString("utf8", next + 4) };
}
