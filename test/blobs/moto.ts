/**
 * A real S3-compatible server for tests: moto (PyPI), with authentication and permissions switched on, so that a wrong
 * signature is refused by somebody else's code. Takes the one that python3 has, or installs one into node_modules/.cache.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePort } from "../../infra/deploy/postgres.ts";

const version = "5.2.1";
const cache = join(import.meta.dirname, "..", "..", "node_modules", ".cache", `moto-${version}`);

export interface Credentials {
  readonly accessKeyFile: string;
  readonly secretKeyFile: string;
}

export interface Moto {
  readonly endpoint: string;
  readonly bucket: string;
  readonly folder: string;
  readonly credentials: Credentials;
  /** Credentials of somebody who may only touch what is below this prefix. */
  below(prefix: string): Promise<Credentials>;
  versioning(on: boolean): Promise<void>;
  close(): Promise<void>;
}

export async function startMoto(): Promise<Moto> {
  const folder = mkdtempSync(join(tmpdir(), "throughline-moto-"));
  const port = await freePort();
  const child = spawn("python3", ["-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)], {
    stdio: "ignore",
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", PYTHONPATH: motoPath() },
  });
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  const endpoint = `http://127.0.0.1:${port}`;
  await answers(endpoint, () => child.exitCode !== null);
  const bucket = "evidence";
  const all = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "s3:*", Resource: "*" }] };
  const setAuth = (count: string) => fetch(`${endpoint}/moto-api/reset-auth`, { method: "POST", body: count });
  const credentials = await makeUser(endpoint, folder, "throughline", all);
  const unsigned = (path: string, body?: string) =>
    fetch(`${endpoint}${path}`, { method: "PUT", headers: { authorization: scope("s3") }, ...(body ? { body } : {}) });
  await unsigned(`/${bucket}`);
  await setAuth("0");
  /** What the owner of the server does, without the product's signatures. */
  const asOwner = async <T>(work: () => Promise<T>): Promise<T> => {
    await setAuth("inf");
    try {
      return await work();
    } finally {
      await setAuth("0");
    }
  };
  return {
    endpoint,
    bucket,
    folder,
    credentials,
    below: (prefix) =>
      asOwner(() => {
        const Resource = `arn:aws:s3:::${bucket}/${prefix}*`;
        const statement = [
          { Effect: "Allow", Action: "s3:*", Resource },
          { Effect: "Allow", Action: "s3:GetBucketVersioning", Resource: `arn:aws:s3:::${bucket}` },
        ];
        return makeUser(endpoint, folder, prefix.replaceAll("/", "-"), { Version: "2012-10-17", Statement: statement });
      }),
    versioning: (on) =>
      asOwner(async () => {
        const status = on ? "Enabled" : "Suspended";
        const xml = `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>${status}</Status></VersioningConfiguration>`;
        await unsigned(`/${bucket}?versioning`, xml);
      }),
    async close() {
      child.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

/** Where python3 finds moto: empty when it has it by itself. */
function motoPath(): string {
  const has = (path: string) =>
    spawnSync("python3", ["-c", "import moto.server, flask"], { env: { ...process.env, PYTHONPATH: path } }).status ===
    0;
  if (existsSync(cache)) return cache;
  if (has("")) return "";
  const made = `${cache}.${process.pid}`;
  const install = ["-m", "pip", "install", "-q", "--target", made, `moto[s3,server]==${version}`];
  execFileSync("python3", install, { stdio: "inherit" });
  try {
    renameSync(made, cache);
  } catch {
    // Another test file was faster: its folder is as good.
    rmSync(made, { recursive: true });
    if (!existsSync(cache)) throw new Error(`${cache} could not be made`);
  }
  return cache;
}

const scope = (service: string) =>
  `AWS4-HMAC-SHA256 Credential=owner/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`;

async function makeUser(endpoint: string, folder: string, name: string, policy: object): Promise<Credentials> {
  const ask = async (fields: Record<string, string>) => {
    const body = new URLSearchParams({ Version: "2010-05-08", UserName: name, ...fields });
    const answer = await fetch(endpoint, { method: "POST", headers: { authorization: scope("iam") }, body });
    return await answer.text();
  };
  await ask({ Action: "CreateUser" });
  await ask({ Action: "PutUserPolicy", PolicyName: "p", PolicyDocument: JSON.stringify(policy) });
  const made = await ask({ Action: "CreateAccessKey" });
  const part = (tag: string) => new RegExp(`<${tag}>([^<]+)</${tag}>`).exec(made)?.[1] ?? "";
  return credentialFiles(folder, name, part("AccessKeyId"), part("SecretAccessKey"));
}

export function credentialFiles(folder: string, name: string, id: string, secret: string): Credentials {
  const [accessKeyFile, secretKeyFile] = [join(folder, `${name}.id`), join(folder, `${name}.secret`)];
  writeFileSync(accessKeyFile, `${id}\n`);
  writeFileSync(secretKeyFile, `${secret}\n`, { mode: 0o600 });
  return { accessKeyFile, secretKeyFile };
}

async function answers(endpoint: string, ended: () => boolean): Promise<void> {
  for (;;) {
    try {
      await fetch(`${endpoint}/moto-api/`);
      return;
    } catch (cause) {
      if (ended()) throw new Error("moto ended before it answered", { cause });
      await wait(50);
    }
  }
}
