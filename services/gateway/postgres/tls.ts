/**
 * TLS on both sides of the wire, after SSLRequest or at once (direct TLS, ALPN `postgresql`), the certificate hash that
 * SCRAM-PLUS binds to, and the certificate that a client shows. TLS 1.2 at least. No session is resumed (PostgreSQL does the
 * same): a resumed one would bring its client's certificate along unchecked, by an older CA or past its end. Refuses a direct handshake without ALPN: it could be another protocol's
 * bytes, turned towards this port (PostgreSQL does the same).
 */
import { constants, createHash, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { connect, createServer, type TLSSocket, type TlsOptions } from "node:tls";
import type { GatewayTlsConfig } from "../../../schemas/config.ts";
import { ThroughlineError } from "../../../schemas/errors.ts";
import { factsOf, nameWords, type Shown } from "../client-certificate.ts";

const protocol = "postgresql";

/** What clients see of us, and what we ask of them. */
export interface Certificate {
  /** Makes a socket the server's side of a TLS connection. Rejects when no handshake comes of it. */
  readonly secure: (socket: Socket) => Promise<TLSSocket>;
  /** Null when the certificate's signature has no hash to bind with (Ed25519, RSA-PSS): then PLUS is not offered. */
  readonly binding: Buffer | null;
  /** Clients must show a certificate of their own. */
  readonly requiresClients: boolean;
}

/** @throws ThroughlineError `config.unreadable`, `config.invalid` */
export async function loadCertificate(config: GatewayTlsConfig): Promise<Certificate> {
  const { certFile, keyFile, clientCaFile, clientCertificate = "optional" } = config;
  const [cert, key] = await Promise.all([readPem(certFile), readPem(keyFile)]);
  const ca = clientCaFile === undefined ? null : await readAuthorities(clientCaFile);
  const options: TlsOptions = { cert, key, minVersion: "TLSv1.2", secureOptions: constants.SSL_OP_NO_TICKET };
  // Who shows a bad one is told why, over the connection that it makes: it is let through here and refused at its login.
  if (ca !== null) Object.assign(options, { ca, requestCert: true, rejectUnauthorized: false });
  try {
    const binding = endPointHash(new X509Certificate(cert));
    return { secure: createDoor(options), binding, requiresClients: ca !== null && clientCertificate === "required" };
  } catch (cause) {
    throw new ThroughlineError("config.invalid", `${certFile} and ${keyFile} are not a certificate and its key`, cause);
  }
}

/** Those of the file and no others: without any, those of the whole web would be trusted. */
async function readAuthorities(file: string): Promise<string[]> {
  const text = (await readPem(file)).toString("latin1");
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    if (blocks.length > 0 && blocks.every((block) => new X509Certificate(block).ca)) return blocks;
  } catch (cause) {
    throw new ThroughlineError("config.invalid", `${file} has a certificate that cannot be read`, cause);
  }
  throw new ThroughlineError("config.invalid", `${file} must hold certificates of CAs, and nothing else`);
}

/** A TLS server that never listens: only one of its own connections says whether the client's certificate is good. */
function createDoor(options: TlsOptions): Certificate["secure"] {
  const waiting = new Map<string, (secured: TLSSocket) => void>();
  const server = createServer({ ...options, ALPNCallback: chooseProtocol }, (secured) => {
    // `close` follows every error and is acted on; without a listener the process would end.
    secured.on("error", () => undefined);
    waiting.get(endsOf(secured))?.(secured);
  });
  return (socket) =>
    new Promise((done, failed) => {
      const ends = endsOf(socket);
      const enter = (secured: TLSSocket) => {
        leave();
        done(secured);
      };
      const onClose = () => {
        leave();
        failed(new ThroughlineError("frame.malformed", "the TLS handshake failed"));
      };
      const leave = () => {
        socket.off("close", onClose);
        if (waiting.get(ends) === enter) waiting.delete(ends);
      };
      waiting.set(ends, enter);
      socket.once("close", onClose);
      server.emit("connection", socket);
    });
}

/** Of a connection, by which the two sides of the door know it. */
function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** Of a handshake that is over: whoever showed a certificate has proven to hold its key. */
export function shownIn(secured: TLSSocket): Shown {
  const certificate = secured.getPeerX509Certificate();
  if (certificate === undefined) return { kind: "none" };
  if (secured.authorized) return { kind: "accepted", certificate: factsOf(certificate) };
  return { kind: "refused", subject: nameWords(certificate.subject), why: String(secured.authorizationError) };
}

async function readPem(file: string): Promise<Buffer> {
  return readFile(file).catch((cause: unknown) => {
    throw new ThroughlineError("config.unreadable", `${file} cannot be read`, cause);
  });
}

/** tls-server-end-point, RFC 5929 §4.1: the hash of the signature, but never MD5 or SHA-1. */
export function endPointHash(certificate: X509Certificate): Buffer | null {
  const name = /(md5|sha-?(?:1|224|256|384|512))(?!\d)/i.exec(certificate.signatureAlgorithm ?? "")?.[1];
  if (name === undefined) return null;
  const hash = name.toLowerCase().replace("-", "");
  return createHash(hash === "md5" || hash === "sha1" ? "sha256" : hash)
    .update(certificate.raw)
    .digest();
}

/**
 * @param direct TLS began without SSLRequest: ALPN must have chosen our protocol
 * @throws ThroughlineError `frame.malformed` when no session comes of it
 */
export async function acceptTls(socket: Socket, certificate: Certificate, direct: boolean): Promise<TLSSocket> {
  const secured = await certificate.secure(socket);
  if (direct && secured.alpnProtocol !== protocol) {
    throw new ThroughlineError("frame.malformed", "direct TLS without ALPN postgresql");
  }
  return secured;
}

export interface TargetTls {
  readonly host: string;
  /** Check the target's certificate and name. */
  readonly verify: boolean;
  readonly ca: Buffer | null;
}

export interface Secured {
  readonly socket: TLSSocket;
  readonly binding: Buffer | null;
}

/** Without a protocol in common the handshake fails with no_application_protocol; a client may also name none. */
function chooseProtocol({ protocols }: { protocols: readonly string[] }): string | undefined {
  return protocols.includes(protocol) ? protocol : undefined;
}

/** @throws ThroughlineError `target.unreachable` */
export async function startTargetTls(socket: Socket, terms: TargetTls): Promise<Secured> {
  const secured = connect({
    socket,
    host: terms.host,
    ...(/[a-z]/i.test(terms.host) && !terms.host.includes(":") ? { servername: terms.host } : {}),
    rejectUnauthorized: terms.verify,
    minVersion: "TLSv1.2",
    ALPNProtocols: [protocol],
    ...(terms.ca ? { ca: terms.ca } : {}),
  });
  await established(secured);
  const certificate = secured.getPeerX509Certificate();
  return { socket: secured, binding: certificate ? endPointHash(certificate) : null };
}

function established(socket: TLSSocket): Promise<void> {
  return new Promise((done, failed) => {
    const failure = (cause?: unknown) => new ThroughlineError("target.unreachable", "TLS to the target failed", cause);
    const onError = (cause: Error) => failed(failure(cause));
    const onClose = () => failed(failure());
    // The error listener stays: a socket without one takes the process down. `close` always follows and is acted on.
    socket.on("error", onError).once("close", onClose);
    socket.once("secureConnect", () => {
      socket.off("close", onClose);
      done();
    });
  });
}
