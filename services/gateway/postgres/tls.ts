/**
 * TLS on both sides of the wire, after SSLRequest or at once (direct TLS, ALPN `postgresql`), and the certificate hash
 * that SCRAM-PLUS binds to. TLS 1.2 at least. Refuses a direct handshake without ALPN: it could be another protocol's
 * bytes, turned towards this port (PostgreSQL does the same).
 */
import { createHash, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { connect, createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { ThroughlineError } from "../../../schemas/errors.ts";

const protocol = "postgresql";

/** What clients see of us. */
export interface Certificate {
  readonly context: SecureContext;
  /** Null when the certificate's signature has no hash to bind with (Ed25519, RSA-PSS): then PLUS is not offered. */
  readonly binding: Buffer | null;
}

/** @throws ThroughlineError `config.unreadable`, `config.invalid` */
export async function loadCertificate(certFile: string, keyFile: string): Promise<Certificate> {
  const [cert, key] = await Promise.all([readPem(certFile), readPem(keyFile)]);
  try {
    const context = createSecureContext({ cert, key, minVersion: "TLSv1.2" });
    return { context, binding: endPointHash(new X509Certificate(cert)) };
  } catch (cause) {
    throw new ThroughlineError("config.invalid", `${certFile} and ${keyFile} are not a certificate and its key`, cause);
  }
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
  const secured = new TLSSocket(socket, {
    isServer: true,
    secureContext: certificate.context,
    ALPNCallback: chooseProtocol,
  });
  await established(secured, "secure", () => new ThroughlineError("frame.malformed", "the TLS handshake failed"));
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
  await established(
    secured,
    "secureConnect",
    (cause) => new ThroughlineError("target.unreachable", "TLS to the target failed", cause),
  );
  const certificate = secured.getPeerX509Certificate();
  return { socket: secured, binding: certificate ? endPointHash(certificate) : null };
}

function established(
  socket: TLSSocket,
  event: "secure" | "secureConnect",
  failure: (cause?: unknown) => ThroughlineError,
): Promise<void> {
  return new Promise((done, failed) => {
    const onError = (cause: Error) => failed(failure(cause));
    const onClose = () => failed(failure());
    // The error listener stays: a socket without one takes the process down. `close` always follows and is acted on.
    socket.on("error", onError).once("close", onClose);
    socket.once(event, () => {
      socket.off("close", onClose);
      done();
    });
  });
}
