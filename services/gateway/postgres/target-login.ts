/**
 * The gateway logs in at the target with the account's own credential: TCP (plain or TLS) or a unix socket; SCRAM, MD5,
 * and cleartext under TLS only. Until ReadyForQuery, where it hands the paused socket over.
 *
 * The credential and the target's words about it never leave: errors carry a SQLSTATE. Notices of the login are not
 * passed on; they are about the account, which is not the client's.
 */
import { createHash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import type { TargetConfig } from "../../../schemas/config.ts";
import { ThroughlineError } from "../../../schemas/errors.ts";
import { limits } from "../../../schemas/limits.ts";
import type { TargetCredential } from "../credentials.ts";
import { targetTypes } from "./frames.ts";
import { Inbox, type LoginFrame, takeFrame } from "./inbox.ts";
import {
  passwordMessage,
  readString,
  reportFields,
  saslInitialResponse,
  saslResponse,
  sslRequest,
  startupMessage,
} from "./messages.ts";
import { ScramClient, type Stretch } from "./scram.ts";
import { startTargetTls } from "./tls.ts";
import { TargetTurnedAway } from "./turn-away.ts";

export interface TargetConnection {
  /** `raw`, or the TLS over it. */
  readonly socket: Socket;
  /** For cutting it. */
  readonly raw: Socket;
  /** Hash of the target's certificate, null without TLS. */
  readonly binding: Buffer | null;
  readonly secured: boolean;
}

export interface LoggedIn extends TargetConnection {
  /** Bytes that came after ReadyForQuery. */
  readonly rest: Buffer;
  readonly parameters: Map<string, string>;
  readonly processId: number;
  readonly secret: Buffer;
  readonly transactionStatus: "I" | "T" | "E";
}

/** @throws ThroughlineError `target.unreachable` */
export async function connectTarget(target: TargetConfig, signal: AbortSignal): Promise<TargetConnection> {
  const at = target.address.lastIndexOf(":");
  const host = target.address.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  const port = Number(target.address.slice(at + 1));
  const raw = host.startsWith("/")
    ? connect({ path: `${host}/.s.PGSQL.${port}` })
    : connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 });
  const onAbort = () => raw.destroy();
  signal.addEventListener("abort", onAbort);
  try {
    await connected(raw, target.name);
    if (target.tls === "disable" || host.startsWith("/")) return { socket: raw, raw, binding: null, secured: false };
    return await secure(raw, host, target);
  } catch (error) {
    raw.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function connected(raw: Socket, name: string): Promise<void> {
  return new Promise((done, failed) => {
    const unreachable = (cause?: unknown) =>
      failed(new ThroughlineError("target.unreachable", `target "${name}" does not accept connections`, cause));
    // The error listener stays: `close` follows and is acted on, and a socket without one takes the process down.
    raw.on("error", unreachable).once("close", () => unreachable());
    raw.once("connect", () => done());
  });
}

async function secure(raw: Socket, host: string, target: TargetConfig): Promise<TargetConnection> {
  const inbox = new Inbox(raw);
  raw.write(sslRequest());
  const answer = (await inbox.take(1)).toString("latin1");
  // Bytes behind the answer came before TLS: somebody in between put them there.
  const early = inbox.release().length > 0;
  if (answer !== "S" || early) {
    throw new ThroughlineError("target.unreachable", `target "${target.name}" does not speak TLS`);
  }
  const ca = target.caFile === undefined ? null : await readFile(target.caFile);
  const { socket, binding } = await startTargetTls(raw, { host, verify: target.tls === "verify", ca });
  return { socket, raw, binding, secured: true };
}

/**
 * @param settings the client's, for the startup packet
 * @throws ThroughlineError `target.unreachable`, `target.refused`
 */
export async function loginTarget(
  connection: TargetConnection,
  target: TargetConfig,
  credential: TargetCredential,
  settings: ReadonlyMap<string, string>,
  stretch: Stretch,
): Promise<LoggedIn> {
  const { socket } = connection;
  const inbox = new Inbox(socket);
  socket.write(
    startupMessage(0x00030000, new Map([["user", credential.user], ["database", target.database], ...settings])),
  );
  const next = () => takeFrame(inbox, limits.passwordBytesMax);
  try {
    await authenticate(next, connection, credential, stretch);
    return { ...connection, ...(await readUntilReady(next)), rest: inbox.release() };
  } catch (error) {
    connection.raw.destroy();
    throw asTargets(error, target.name);
  }
}

/** What goes wrong on this side is never reported as the client's fault. */
function asTargets(error: unknown, name: string): unknown {
  if (!(error instanceof ThroughlineError) || error.code.startsWith("target.")) return error;
  return new ThroughlineError("target.unreachable", `target "${name}" broke off the login`, error);
}

type Next = () => Promise<LoginFrame>;

async function authenticate(
  next: Next,
  connection: TargetConnection,
  credential: TargetCredential,
  stretch: Stretch,
): Promise<void> {
  for (;;) {
    const frame = await next();
    if (frame.type === targetTypes.NoticeResponse || frame.type === targetTypes.NegotiateProtocolVersion) continue;
    const kind = authenticationKind(frame);
    if (kind === 0) return;
    const password = credential.password;
    if (password === null) throw refused("it asks for a password and the account has none");
    if (kind === 3 && !connection.secured) throw refused("it asks for a cleartext password without TLS");
    if (kind === 3) connection.socket.write(passwordMessage(password));
    else if (kind === 5) connection.socket.write(md5Answer(credential.user, password, frame.body.subarray(4)));
    else if (kind === 10) await scram(next, connection, password, frame.body, stretch);
    else throw refused(`it asks for authentication of kind ${kind}, which is not spoken here`);
  }
}

function refused(why: string): ThroughlineError {
  return new ThroughlineError("target.refused", `the target refused the account: ${why}`);
}

function authenticationKind(frame: LoginFrame): number {
  if (frame.type === targetTypes.ErrorResponse) throw turnedAway(frame.bytes);
  if (frame.type !== targetTypes.Authentication || frame.body.length < 4) {
    throw new ThroughlineError("frame.malformed", "expected an authentication message");
  }
  return frame.body.readUInt32BE(0);
}

/** AuthenticationMD5Password: concat('md5', md5(md5(password, user), salt)). */
function md5Answer(user: string, password: string, salt: Buffer): Buffer {
  const inner = createHash("md5").update(password).update(user).digest("hex");
  return passwordMessage(`md5${createHash("md5").update(inner).update(salt).digest("hex")}`);
}

async function scram(
  next: Next,
  { socket, binding, secured }: TargetConnection,
  password: string,
  offer: Buffer,
  stretch: Stretch,
): Promise<void> {
  const offered = offer.toString("latin1", 4).split("\0");
  const plus = binding !== null && offered.includes("SCRAM-SHA-256-PLUS");
  if (!plus && !offered.includes("SCRAM-SHA-256")) throw refused("it offers no SCRAM-SHA-256");
  const nonce = randomBytes(18).toString("base64");
  const couldBind = secured && binding !== null;
  const exchange = new ScramClient({ binding: plus ? binding : null, couldBind, nonce });
  socket.write(saslInitialResponse(plus ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256", exchange.first()));
  const challenge = await saslData(next, 11);
  socket.write(saslResponse(await exchange.final(challenge, password, stretch)));
  exchange.confirm(await saslData(next, 12));
}

async function saslData(next: Next, kind: 11 | 12): Promise<string> {
  const frame = await next();
  if (authenticationKind(frame) !== kind) throw new ThroughlineError("frame.malformed", "SCRAM out of step");
  return frame.body.toString("utf8", 4);
}

/** Classes of SQLSTATE that are about the client's own settings or the target's state, not about the account. */
const tellable = /^(22|42|53|57)/;

function turnedAway(message: Buffer): ThroughlineError {
  const fields = reportFields(message);
  const code = fields.get("C") ?? "";
  if (!tellable.test(code))
    return new ThroughlineError("target.refused", `the target refused the account with ${code}`);
  return new TargetTurnedAway({ severity: "FATAL", code, message: fields.get("M") ?? "" });
}

type Ready = Pick<LoggedIn, "parameters" | "processId" | "secret" | "transactionStatus">;

async function readUntilReady(next: Next): Promise<Ready> {
  const parameters = new Map<string, string>();
  let processId = 0;
  let secret: Buffer = Buffer.alloc(0);
  for (;;) {
    const { type, body, bytes } = await next();
    if (type === targetTypes.ErrorResponse) throw turnedAway(bytes);
    if (type === targetTypes.ParameterStatus) {
      const name = readString(body, 0);
      parameters.set(name.value, readString(body, name.next).value);
    } else if (type === targetTypes.BackendKeyData && body.length >= 8) {
      processId = body.readUInt32BE(0);
      secret = Buffer.from(body.subarray(4));
    } else if (type === targetTypes.ReadyForQuery) {
      return { parameters, processId, secret, transactionStatus: transactionStatus(body) };
    } else if (type !== targetTypes.NoticeResponse) {
      throw new ThroughlineError("frame.malformed", "unexpected message after the login");
    }
  }
}

function transactionStatus(body: Buffer): "I" | "T" | "E" {
  const status = body.toString("latin1");
  if (status === "I" || status === "T" || status === "E") return status;
  throw new ThroughlineError("frame.malformed", "an unknown transaction status");
}
