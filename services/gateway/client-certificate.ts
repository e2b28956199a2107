/**
 * A client's certificate as the log has it: who holds which private key. It never lets anybody in (the Grant does that);
 * it says which sessions were opened with one key. Reads certificates that the wire has verified, and verifies nothing.
 */
import { createHash, type X509Certificate } from "node:crypto";
import type { ClientCertificate } from "../../schemas/event-data.ts";

/** What a client showed. `refused`: it showed one, and it is not good. */
export type Shown =
  | { readonly kind: "none" }
  | { readonly kind: "accepted"; readonly certificate: ClientCertificate }
  | { readonly kind: "refused"; readonly subject: string; readonly why: string };

/** Whoever makes certificates chooses these texts: an event must stay small. */
const nameLettersMax = 256;
/** RFC 5280 permits 20 bytes. */
const serialLettersMax = 64;

export function factsOf(certificate: X509Certificate): ClientCertificate {
  const key = certificate.publicKey.export({ type: "spki", format: "der" });
  return {
    key: createHash("sha256").update(key).digest("hex"),
    subject: nameWords(certificate.subject),
    issuer: nameWords(certificate.issuer),
    serial: clean(certificate.serialNumber, serialLettersMax),
    notAfterMs: certificate.validToDate.getTime(),
  };
}

/** One line; node gives one per part of the name, and nothing for a name without parts. */
export function nameWords(name: string | undefined): string {
  return clean((name ?? "").split("\n").join(", "), nameLettersMax);
}

function clean(text: string, lettersMax: number): string {
  return text.replace(/\p{C}/gu, "?").slice(0, lettersMax);
}
