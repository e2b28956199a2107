/** What an insert leaves beside the engine's own files when the disk does not take it: nothing. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { openChdb } from "../../infra/store/chdb.ts";

test("rows of which only a part could be put down are taken away again", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "throughline-chdb-"));
  const connection = await openChdb(folder);
  t.after(async () => {
    await connection.close();
    rmSync(folder, { recursive: true });
  });
  function* untilFull() {
    yield Buffer.alloc(5000, 1);
    throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  }
  const insert = () =>
    connection.exec({
      query: "INSERT INTO t (a) SETTINGS insert_deduplication_token = 'x' FORMAT Native",
      values: Readable.from(untilFull(), { objectMode: false }),
    } as Parameters<typeof connection.exec>[0]);
  for (let tries = 0; tries < 2; tries++) await assert.rejects(insert(), { code: "ENOSPC" });
  assert.deepEqual(readdirSync(join(folder, "inserts")), []);
});
