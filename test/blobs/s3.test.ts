import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { objectBlobs } from "../../infra/blobs/blobs-objects.ts";
import type { Objects } from "../../infra/blobs/objects.ts";
import { s3Objects } from "../../infra/blobs/objects-s3.ts";
import type { S3Options } from "../../infra/blobs/s3-caller.ts";
import type { ThroughlineError } from "../../schemas/errors.ts";
import { isCode } from "../log/contract.ts";
import { blobsContract, objectsContract } from "./contract.ts";
import { type Front, openFront } from "./front.ts";
import { credentialFiles, type Moto, startMoto } from "./moto.ts";

let moto: Moto;
before(async () => {
  moto = await startMoto();
});
after(async () => {
  await moto.close();
});

function options(changes: Partial<S3Options> = {}): S3Options {
  const { endpoint, bucket, credentials } = moto;
  return { endpoint, bucket, region: "us-east-1", pathStyle: true, ...credentials, now: Date.now, ...changes };
}
const objects = (changes: Partial<S3Options> = {}, prefix = "acme/") => s3Objects(options(changes), prefix);

blobsContract("S3-compatible storage", () => objectBlobs(objects()));
objectsContract("S3-compatible storage", () => objects());

describe("what the storage refuses", () => {
  it("is said with its own word, tried once, and never taken for a missing object", async (t) => {
    const front = await openFront(moto.endpoint);
    t.after(() => front.close());
    const { endpoint } = front;
    const wrong = credentialFiles(moto.folder, "wrong", "AKIAWRONG", "nothing");
    const secret = { ...moto.credentials, secretKeyFile: wrong.secretKeyFile };
    await assert.rejects(objects({ endpoint, ...wrong }).get("a", 1), refusal(/403 InvalidAccessKeyId/));
    await assert.rejects(
      objects({ endpoint, ...secret }).put("a", Buffer.from("x")),
      refusal(/403 SignatureDoesNotMatch/),
    );
    await assert.rejects(objects({ endpoint, ...secret }).has("a"), refusal(/403/));
    await assert.rejects(objects({ endpoint, bucket: "elsewhere" }).get("a", 1), refusal(/404 NoSuchBucket/));
    assert.equal(front.seen.length, 4);
  });

  it("names neither secret nor path of a secret", async () => {
    const wrong = credentialFiles(moto.folder, "hush", "AKIAHUSH", "hush-hush-secret");
    const said = await objects(wrong)
      .get("a", 1)
      .catch((error: ThroughlineError) => `${error.message} ${error.hint}`);
    assert.doesNotMatch(String(said), /hush|AKIA/);
  });

  it("ends with the new credentials, which are read without a restart", async () => {
    const { accessKeyFile, secretKeyFile } = credentialFiles(moto.folder, "old", "AKIAOLD", "old");
    const store = objects({ accessKeyFile, secretKeyFile });
    await assert.rejects(store.get("a", 1), isCode("blobs.refused"));
    copyFileSync(moto.credentials.accessKeyFile, accessKeyFile);
    copyFileSync(moto.credentials.secretKeyFile, secretKeyFile);
    assert.equal(await store.get("a", 1), null);
    await assert.rejects(
      objects({ secretKeyFile: join(moto.folder, "none") }).get("a", 1),
      isCode("config.unreadable"),
    );
  });
});

describe("a tenant", () => {
  it("does not reach another's objects, by its prefix or by the storage's own permissions", async () => {
    const [mine, other] = [objects({}, "acme/"), objects({}, "acme-two/")];
    await mine.put("blobs/x", Buffer.from("mine"));
    assert.equal(await other.get("blobs/x", 10), null);
    assert.equal(await other.has("blobs/x"), false);
    const theirs = await moto.below("acme-two/");
    await objects(theirs, "acme-two/").put("blobs/x", Buffer.from("theirs"));
    const thief = objects(theirs, "acme/");
    await assert.rejects(thief.get("blobs/x", 10), refusal(/AccessDenied/));
    await assert.rejects(thief.put("blobs/x", Buffer.from("gone")), refusal(/AccessDenied/));
    assert.equal(String(await mine.get("blobs/x", 10)), "mine");
  });
});

describe("storage that fails", () => {
  let front: Front;
  let store: Objects;
  beforeEach(async () => {
    front = await openFront(moto.endpoint);
    store = objects({ endpoint: front.endpoint, bounds: { objectAnswerMsMax: 2_000 } });
  });
  afterEach(() => front.close());

  it("is asked again, and what it did not do in the end is an error", async () => {
    for (const status of [500, 502, 503, 429]) {
      front.next({ status }, { status });
      await store.put("failing/a", Buffer.from(String(status)));
      assert.equal(String(await store.get("failing/a", 10)), String(status));
    }
    front.fault = () => ({ status: 503, code: "SlowDown" });
    const from = front.seen.length;
    await assert.rejects(store.put("failing/a", Buffer.from("x")), isCode("blobs.unavailable"));
    assert.equal(front.seen.length - from, 4);
  });

  it("with answers cut short or lost is asked again", async () => {
    await store.put("cut/a", Buffer.from("a recording of some length"));
    front.next("truncate", "lose the answer");
    assert.equal(String(await store.get("cut/a", 100)), "a recording of some length");
    front.fault = () => "truncate";
    await assert.rejects(store.get("cut/a", 100), isCode("blobs.unavailable"));
  });

  it("that never answers is left, and that is gone is said to be", async () => {
    const hasty = objects({ endpoint: front.endpoint, bounds: { objectAnswerMsMax: 100 } });
    await store.put("slow/a", Buffer.from("a recording"));
    for (const fault of ["stall", "stall in the body"] as const) {
      front.fault = () => fault;
      await assert.rejects(hasty.get("slow/a", 100), isCode("blobs.unavailable"));
    }
    front.fault = null;
    assert.equal(String(await store.get("slow/a", 100)), "a recording");
    await front.close();
    await assert.rejects(store.get("a", 1), isCode("blobs.unavailable"));
    front = await openFront(moto.endpoint);
  });

  it("with a corrupt answer, or another object in the place of one, gives no blob", async () => {
    const blobs = objectBlobs(store);
    const [one, two] = [await blobs.put(Buffer.from("one")), await blobs.put(Buffer.from("two"))];
    front.next("corrupt");
    await assert.rejects(blobs.get(one), isCode("export.damaged"));
    const place = (reference: string) => `blobs/${reference.slice(7, 9)}/${reference.slice(7)}`;
    await store.put(place(one), Buffer.from("two"));
    await assert.rejects(blobs.get(one), isCode("export.damaged"));
    assert.equal(String(await blobs.get(two)), "two");
    await blobs.put(Buffer.from("one"));
    assert.equal(String(await blobs.get(one)), "one");
  });

  it("can tell bytes that changed on the way: their digest is under the signature", async () => {
    await store.put("way/a", Buffer.from("right"));
    const { headers = {}, path } = front.seen.at(-1) ?? {};
    assert.equal(headers["x-amz-content-sha256"], hash("sha256", "right", "hex"));
    assert.match(headers.authorization ?? "", /SignedHeaders=[^,]*\bhost;x-amz-content-sha256;x-amz-date/);
    assert.equal(path, "/evidence/acme/way/a");
  });

  it("that answers a create too late is told apart from somebody else's object", async () => {
    front.next("lose the answer");
    assert.equal(await store.create("late/a", Buffer.from("mine")), true);
    await store.put("late/b", Buffer.from("theirs"));
    front.next("lose the answer");
    assert.equal(await store.create("late/b", Buffer.from("mine")), false);
    front.next({ status: 409, code: "ConditionalRequestConflict" });
    assert.equal(await store.create("late/c", Buffer.from("mine")), true);
  });

  it("with the bucket in the host's name is asked there", async () => {
    const lookup: S3Options["lookup"] = (_host, wanted, done) =>
      wanted.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4);
    const port = new URL(front.endpoint).port;
    front.fault = () => ({ status: 200 });
    const asked = objects({ endpoint: `http://s3.test:${port}`, pathStyle: false, lookup });
    await asked.put("a/b", Buffer.from("x"));
    await asked.keepsVersions();
    assert.deepEqual(
      front.seen.map(({ path, headers }) => [path, headers.host]),
      [
        ["/acme/a/b", `evidence.s3.test:${port}`],
        ["/?versioning=", `evidence.s3.test:${port}`],
      ],
    );
  });
});

/** @param words what the message says */
function refusal(words: RegExp): (error: unknown) => boolean {
  return (error) => isCode("blobs.refused")(error) && words.test((error as Error).message);
}
