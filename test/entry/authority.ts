/** Certificates of clients, as an operator's CA makes them: by the openssl of the system. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Issued {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Issuing {
  /** Of another certificate; absent = a new key. */
  readonly keyFile?: string;
  readonly usage?: "clientAuth" | "serverAuth";
  /** From when to when it holds, as ASN.1 has times. */
  readonly holds?: readonly [from: string, until: string];
}

export interface Authority {
  readonly caFile: string;
  /** Each with a serial number of its own. */
  issue(name: string, issuing?: Issuing): Issued;
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

function openssl(folder: string, ...args: readonly string[]): Buffer {
  return execFileSync("openssl", [...args], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
}

/** @param folder of this authority alone */
export function makeAuthority(folder: string): Authority {
  mkdirSync(folder, { recursive: true });
  const inside = (name: string) => join(folder, name);
  const config = ["[ca]", "default_ca=d", "[d]", "database=./index", "serial=./serial", "new_certs_dir=."];
  const rest = ["unique_subject=no", "default_md=sha256", "policy=p", "[p]", "commonName=supplied"];
  writeFileSync(inside("ca.cnf"), [...config, ...rest].join("\n"));
  writeFileSync(inside("index"), "");
  writeFileSync(inside("serial"), "1000");
  const usage = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"];
  const subject = ["-subj", "/CN=Clients of acme", "-days", "2"];
  openssl(folder, "req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.pem", ...subject, ...usage);
  return {
    caFile: inside("ca.pem"),
    issue(name, { keyFile = "", usage: purpose = "clientAuth", holds } = {}) {
      const file = `${name}-${Math.random().toString(36).slice(2)}`;
      const key = keyFile === "" ? [...newKey, "-keyout", `${file}.key`] : ["-new", "-key", keyFile];
      openssl(folder, "req", ...key, "-out", `${file}.csr`, "-subj", `/CN=${name}`);
      writeFileSync(inside(`${file}.ext`), `extendedKeyUsage=${purpose}\n`);
      const times = holds === undefined ? ["-days", "1"] : ["-startdate", holds[0], "-enddate", holds[1]];
      const ca = ["-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-batch", "-notext"];
      openssl(folder, "ca", ...ca, "-in", `${file}.csr`, "-out", `${file}.pem`, "-extfile", `${file}.ext`, ...times);
      return { certFile: inside(`${file}.pem`), keyFile: keyFile === "" ? inside(`${file}.key`) : keyFile };
    },
  };
}

/** SHA-256 of the SubjectPublicKeyInfo, by openssl's own reading. */
export function keyDigestOf({ certFile }: Issued): string {
  const pem = execFileSync("openssl", ["x509", "-in", certFile, "-noout", "-pubkey"]);
  const der = execFileSync("openssl", ["pkey", "-pubin", "-outform", "DER"], { input: pem });
  return execFileSync("openssl", ["dgst", "-sha256", "-r"], { input: der }).toString().slice(0, 64);
}
