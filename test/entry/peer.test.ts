/** Our frames against somebody else's reading of the protocol: what we build, pg-protocol must read as it was meant. */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { parse } from "pg-protocol";
import {
  errorResponse,
  noticeResponse,
  parameterStatus,
  readyForQuery,
} from "../../services/gateway/postgres/messages.ts";

async function read(bytes: Buffer): Promise<Record<string, unknown>[]> {
  const stream = new PassThrough();
  const found: Record<string, unknown>[] = [];
  const done = parse(
    stream,
    (message) => void found.push({ ...message, ...("message" in message ? { message: message.message } : {}) }),
  );
  stream.end(bytes);
  await done;
  return found;
}

test("pg-protocol reads our errors, notices, parameters and ReadyForQuery with every field", async () => {
  const fields = {
    code: "42501",
    message: "Held by Throughline: déjà vu",
    detail: "rule x, command y",
    hint: "ask Olga",
  };
  const [error, notice, parameter, ready] = await read(
    Buffer.concat([
      errorResponse({ severity: "ERROR", ...fields }),
      noticeResponse({ severity: "NOTICE", ...fields }),
      parameterStatus("search_path", '"$user", public'),
      readyForQuery("T"),
    ]),
  );
  for (const report of [error, notice]) {
    for (const [name, value] of Object.entries(fields)) assert.equal(report?.[name], value, name);
  }
  assert.deepEqual([parameter?.parameterName, parameter?.parameterValue], ["search_path", '"$user", public']);
  assert.equal(ready?.status, "T");
});
