/** A projector that is behind meets the end of a session before it opens the session's texts: none may be missing. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { sealBytes } from "../../infra/keys/seal.ts";
import type { LogRecord } from "../../infra/log/log.ts";
import { ClearTexts } from "../../services/projector/clear.ts";

test("the text of a session that has ended before it is written is still opened", async () => {
  const key = randomBytes(32);
  const record = (type: string, data: object) => ({ type, envelope: { session: "s1", data } }) as unknown as LogRecord;
  const sealed = sealBytes(key, Buffer.from("SELECT 1"), "").toString("base64");
  const decided = record("command.decided", { text: { sealed, bytes: 8, hash: "" }, parameters: null });
  const clear = new ClearTexts({
    keys: { get: async () => key } as unknown as ConstructorParameters<typeof ClearTexts>[0]["keys"],
    blobs: { get: () => assert.fail("no text is that large") } as unknown as never,
    keyIdOf: async () => null,
  });
  clear.follow(record("session.opened", { keyId: "k1" }));
  clear.follow(decided);
  clear.follow(record("session.closed", {}));
  assert.equal((await clear.of(decided))?.text, "SELECT 1");
});
