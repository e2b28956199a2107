import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { openBlobsFor } from "../../infra/blobs/open.ts";
import { readConfig } from "../../infra/config.ts";
import { openKeysFor } from "../../infra/keys/open.ts";
import type { Config } from "../../schemas/config.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { makeCertificates } from "../kafka/certificates.ts";
import { isCode } from "../log/contract.ts";
import { openFront } from "./front.ts";
import { type Moto, startMoto } from "./moto.ts";

let moto: Moto;
let folder: string;
before(async () => {
  moto = await startMoto();
});
after(() => moto.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "throughline-open-"));
  writeFileSync(join(folder, "master.key"), Buffer.alloc(32, 1), { mode: 0o600 });
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const text = (more: string, tenant = "acme") => `
tenant: ${tenant}
name: one
data: ./data
policy: policy.cedar
catalog: catalog.yaml
rules: rules
gateway: { postgres: "127.0.0.1:6432", requireTls: false }
api: { listen: "127.0.0.1:8080", url: "http://127.0.0.1:8080", sessionHours: 8 }
identity: { issuer: "https://login.test", clientId: c, audience: a, groupsClaim: groups, allowInsecure: false }
grants: { hours: 8 }
holds: { mode: wait, waitSeconds: 60, approvers: [owners] }
targets:
  - { name: orders, kind: postgres, address: "127.0.0.1:5432", database: o, tls: disable, catalogAccount: o, opaque: hold, mode: enforce, accounts: { o: { user: o } } }
${more}`;
const config = (more: string, tenant?: string): Config =>
  readConfig(text(more, tenant), join(folder, "throughline.yaml"));
const s3 = (endpoint = moto.endpoint, more = "") => `blobs:
  s3:
    endpoint: ${endpoint}
    bucket: ${moto.bucket}
    region: us-east-1
    accessKeyFile: ${moto.credentials.accessKeyFile}
    secretKeyFile: ${moto.credentials.secretKeyFile}
    prefix: throughline/prod
    pathStyle: true
${more}`;
const keys = "keys: { in: blobs, masterKeyFile: master.key }\n";

function complaint(more: string): string {
  try {
    config(more);
  } catch (error) {
    assert.ok(error instanceof ThroughlineError);
    return error.message;
  }
  return "";
}

describe("storage by configuration", () => {
  it("is the data folder where none is named", async () => {
    const plain = config("");
    const reference = await openBlobsFor(plain, Date.now).put(Buffer.from("x"));
    assert.ok(
      readFileSync(join(plain.data, "blobs", reference.slice(7, 9), reference.slice(7))).equals(Buffer.from("x")),
    );
    await (await openKeysFor(plain, Date.now)).close();
    assert.equal(readFileSync(join(plain.data, "keys", "master.key")).length, 32);
  });

  it("in one bucket is apart for each tenant: neither finds the other's blobs, nor opens its keys", async () => {
    const [acme, other] = [config(s3() + keys), config(s3() + keys, "acme-two")];
    const reference = await openBlobsFor(acme, Date.now).put(Buffer.from("acme's"));
    assert.equal(await openBlobsFor(other, Date.now).has(reference), false);
    await assert.rejects(openBlobsFor(other, Date.now).get(reference), isCode("not.found"));
    const [mine, theirs] = [await openKeysFor(acme, Date.now), await openKeysFor(other, Date.now)];
    await mine.create("s1");
    await assert.rejects(theirs.get("s1"), isCode("keys.missing"));
    assert.notDeepEqual(await mine.tenantKey("acme"), await theirs.tenantKey("acme-two"));
    await theirs.close();
    writeFileSync(join(folder, "master.key"), Buffer.alloc(32, 2));
    await assert.rejects(openKeysFor(acme, Date.now), isCode("keys.master"), "another tenant's master key");
    await mine.close();
  });

  it("in a folder that machines mount is the same for all of them", async () => {
    const shared = config(`blobs: { folder: shared }\n${keys}`);
    const reference = await openBlobsFor(shared, Date.now).put(Buffer.from("x"));
    assert.equal(await openBlobsFor(shared, Date.now).has(reference), true);
    assert.ok(
      readFileSync(join(folder, "shared", "acme", "blobs", reference.slice(7, 9), reference.slice(7))).length > 0,
    );
    const [one, two] = [await openKeysFor(shared, Date.now), await openKeysFor(shared, Date.now)];
    const key = Buffer.from(await one.create("s1"));
    assert.deepEqual(Buffer.from((await two.get("s1")) ?? []), key);
    await one.close();
    await two.close();
  });

  it("speaks TLS to whom the CA signed, and to nobody else", async (t) => {
    const { authority, brokerFile } = makeCertificates(folder);
    const front = await openFront(moto.endpoint, readFileSync(brokerFile));
    t.after(() => front.close());
    writeFileSync(join(folder, "authority.pem"), authority);
    const trusting = config(s3(front.endpoint, "    caFile: authority.pem\n"));
    const reference = await openBlobsFor(trusting, Date.now).put(Buffer.from("over TLS"));
    assert.equal(String(await openBlobsFor(trusting, Date.now).get(reference)), "over TLS");
    await assert.rejects(openBlobsFor(config(s3(front.endpoint)), Date.now).get(reference), (error: Error) => {
      assert.ok(isCode("blobs.unavailable")(error));
      return /self-signed|certificate/.test((error.cause as Error).message);
    });
  });
});

describe("a master key", () => {
  it("that others may read or write, that is none, or that is missing, is refused", async () => {
    const shared = config(`blobs: { folder: shared }\n${keys}`);
    const file = join(folder, "master.key");
    for (const mode of [0o604, 0o620]) {
      chmodSync(file, mode);
      await assert.rejects(openKeysFor(shared, Date.now), isCode("keys.exposed"));
    }
    chmodSync(file, 0o440);
    await (await openKeysFor(shared, Date.now)).close();
    chmodSync(file, 0o600);
    writeFileSync(file, Buffer.alloc(31));
    await assert.rejects(openKeysFor(shared, Date.now), isCode("keys.unreadable"));
    rmSync(file);
    await assert.rejects(openKeysFor(shared, Date.now), isCode("config.unreadable"));
  });
});

describe("a configuration of storage", () => {
  it("that contradicts itself is refused, with the line", () => {
    assert.match(complaint("blobs: {}"), /blobs: needs either s3 or folder/);
    assert.match(complaint(`${s3()}  folder: x\n`), /blobs: needs either s3 or folder/);
    assert.match(complaint(keys), /:\d+: keys: in: blobs needs blobs/);
    assert.match(complaint("sources: sources.json"), /sources: needs log\.kafka/);
    assert.match(complaint("privateKeys: mine"), /privateKeys: needs sources/);
    assert.match(complaint(s3("http://storage.test:9000")), /blobs\.s3\.endpoint: http lets others read/);
    assert.equal(complaint(s3("http://storage.test:9000", "    allowInsecure: true\n")), "");
    assert.match(complaint(s3("https://storage.test/bucket")), /blobs\.s3\.endpoint/);
    assert.match(complaint(s3().replace("throughline/prod", "../other")), /blobs\.s3\.prefix/);
  });

  it("has its paths from its own folder", () => {
    const {
      sources,
      privateKeys,
      keys: found,
    } = config(
      `log: { kafka: { brokers: ["b:9092"], prefix: tl, eventPartitions: 2, replicas: 1, minInSync: 1 } }\nsources: a/sources.json\nprivateKeys: gw1\nblobs: { folder: x }\n${keys}`,
    );
    assert.deepEqual(
      [sources, privateKeys, found?.masterKeyFile].map((path) => path?.slice(folder.length)),
      ["/a/sources.json", "/gw1", "/master.key"],
    );
  });
});
