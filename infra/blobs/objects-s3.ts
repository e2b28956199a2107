/**
 * Objects in S3-compatible storage: what the answers of the protocol mean for names under one prefix.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ GetObject, HeadObject, PutObject (If-None-Match), GetBucketVersioning.
 * Every body is signed by its SHA-256, so that the server refuses bytes that changed on the way.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import type { Answer } from "./exchange.ts";
import { checkName, type Objects } from "./objects.ts";
import { S3Caller, type S3Options } from "./s3-caller.ts";

/** @param prefix the tenant's own; ends with a slash */
export function s3Objects(options: S3Options, prefix: string): Objects {
  const caller = new S3Caller(options);
  const keyOf = (name: string) => `${prefix}${checkName(name)}`;
  const read = async (name: string, bytesMax: number) => {
    const { answer } = await caller.call({ method: "GET", key: keyOf(name), answerBytesMax: bytesMax });
    if (answer.status === 200) {
      if (answer.body.length <= bytesMax) return answer.body;
      throw new ThroughlineError("frame.too_large", `${keyOf(name)} has ${answer.body.length} bytes`);
    }
    if (isAbsent(answer)) return null;
    throw refused(answer, `to read ${keyOf(name)}`);
  };
  return {
    get: read,
    async has(name) {
      const { answer } = await caller.call({ method: "HEAD", key: keyOf(name) });
      if (answer.status === 200 || answer.status === 404) return answer.status === 200;
      throw refused(answer, `to look for ${keyOf(name)}`);
    },
    async put(name, bytes) {
      const { answer } = await caller.call({ method: "PUT", key: keyOf(name), body: bytes });
      if (!isDone(answer)) throw refused(answer, `to write ${keyOf(name)}`);
    },
    async create(name, bytes) {
      const called = await caller.call({
        method: "PUT",
        key: keyOf(name),
        body: bytes,
        headers: { "if-none-match": "*" },
      });
      if (isDone(called.answer)) return true;
      if (called.answer.status !== 412) throw refused(called.answer, `to write ${keyOf(name)}`);
      return called.unsure && isMade(await read(name, limits.blobBytesMax), bytes);
    },
    async keepsVersions() {
      const { answer } = await caller.call({ method: "GET", key: "", query: "versioning" });
      // A server that does not know versions keeps none.
      if (answer.status === 501 || codeOf(answer) === "NotImplemented") return false;
      if (answer.status !== 200) throw refused(answer, "to say whether the bucket keeps versions");
      return /<Status>(?:Enabled|Suspended)<\/Status>/.test(answer.body.toString("utf8"));
    },
  };
}

/** A try before this one got no answer and may have made it: then what is there is ours. */
function isMade(there: Buffer | null, bytes: Uint8Array): boolean {
  return there?.equals(bytes) === true;
}

const isDone = (answer: Answer) => answer.status === 200 || answer.status === 201 || answer.status === 204;

/** A bucket that is not there is no missing object. */
const isAbsent = (answer: Answer) => answer.status === 404 && codeOf(answer) !== "NoSuchBucket";

/** The server's own word for it: letters only, so nothing foreign gets into a message. */
function codeOf(answer: Answer): string {
  const text = answer.body.toString("utf8", 0, Math.min(answer.body.length, limits.eventBytesMax));
  return /<Code>([A-Za-z]{1,64})<\/Code>/.exec(text)?.[1] ?? "";
}

function refused(answer: Answer, what: string): ThroughlineError {
  const code = codeOf(answer);
  const region = answer.headers["x-amz-bucket-region"];
  const moved = typeof region === "string" && /^[a-z0-9-]+$/.test(region) ? `; the bucket's region is ${region}` : "";
  const said = `${answer.status}${code === "" ? "" : ` ${code}`}${moved}`;
  return new ThroughlineError("blobs.refused", `The object storage refuses ${what}: ${said}`);
}
