/** A certificate authority for one test and what it signed: the broker's key for 127.0.0.1 and localhost. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificates {
  /** PEM of the authority that clients trust. */
  readonly authority: string;
  /** Private key and certificate in one PEM file, as a broker reads it. */
  readonly brokerFile: string;
}

export function makeCertificates(folder: string): Certificates {
  const path = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
  };
  const key = ["-newkey", "rsa:2048", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    path("ca.key"),
    "-out",
    path("ca.pem"),
    "-days",
    "2",
    "-subj",
    "/CN=test CA",
  );
  openssl("req", ...key, "-keyout", path("broker.key"), "-out", path("broker.csr"), "-subj", "/CN=localhost");
  writeFileSync(path("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  const signer = ["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial", "-days", "2"];
  openssl("x509", "-req", "-in", path("broker.csr"), ...signer, "-extfile", path("names"), "-out", path("broker.crt"));
  const authority = readFileSync(path("ca.pem"), "utf8");
  const brokerFile = path("broker.pem");
  writeFileSync(
    brokerFile,
    readFileSync(path("broker.key"), "utf8") + readFileSync(path("broker.crt"), "utf8") + authority,
  );
  return { authority, brokerFile };
}
