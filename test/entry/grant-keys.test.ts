/** Grant keys: derived, never stored, and the same in every process that holds the file. */
import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { openGrantKeys } from "../../infra/keys/grant-keys.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "grant-keys-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("two processes that start at once end with one key, in a file only its owner may read", async () => {
  for (let round = 0; round < 20; round += 1) {
    const file = join(folder, `${round}.json`);
    const opening = Array.from({ length: 4 }, () => openGrantKeys(file));
    const first = await Promise.race(opening);
    const id = first.newGrantId();
    const secrets = [...(await Promise.all(opening)), await openGrantKeys(file)].map((keys) => keys.secretOf(id));
    assert.equal(new Set(secrets).size, 1);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  }
  assert.equal((await readdir(folder)).length, 20);
});

test("ids and secrets have their form, and another id has another secret", async () => {
  const keys = await openGrantKeys(join(folder, "k"));
  const ids = Array.from({ length: 200 }, () => keys.newGrantId());
  for (const id of ids) assert.match(id, /^g1-[a-z2-7]{16}$/);
  const secrets = ids.map((id) => keys.secretOf(id));
  for (const secret of secrets) assert.match(secret ?? "", /^[a-z2-7]{26}$/);
  assert.equal(new Set(secrets).size, 200);
});

test("malformed ids and ids of keys that are not here have no secret, but a salt that stays the same", async () => {
  const keys = await openGrantKeys(join(folder, "k"));
  const again = await openGrantKeys(join(folder, "k"));
  for (const id of [
    "",
    "x",
    "g0-aaaaaaaaaaaaaaaa",
    "g2-aaaaaaaaaaaaaaaa",
    "g1-AAAAAAAAAAAAAAAA",
    "g1-aaaaaaaaaaaaaaaab",
  ]) {
    assert.equal(keys.secretOf(id), null);
    assert.deepEqual(keys.saltOf(id), again.saltOf(id));
    assert.equal(keys.saltOf(id).length, 16);
  }
});

test("a rotated key makes new ids; what was issued before keeps its secret", async () => {
  const file = join(folder, "k");
  const keys = await openGrantKeys(file);
  const before = keys.newGrantId();
  const secret = keys.secretOf(before);
  await keys.rotate();
  assert.match(keys.newGrantId(), /^g2-/);
  assert.equal(keys.secretOf(before), secret);
  assert.equal((await openGrantKeys(file)).secretOf(before), secret);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test("a process that was running when another rotated learns the new key", async () => {
  const file = join(folder, "k");
  const api = await openGrantKeys(file);
  const gateway = await openGrantKeys(file);
  await api.rotate();
  const id = api.newGrantId();
  assert.equal(gateway.secretOf(id), api.secretOf(id));
  assert.notEqual(gateway.secretOf(id), null);
});

test("a key file that others may read, or that is damaged, is refused without quoting it", async () => {
  const file = join(folder, "k");
  await openGrantKeys(file);
  await chmod(file, 0o644);
  await assert.rejects(openGrantKeys(file), { code: "keys.exposed" });
  await chmod(file, 0o600);
  await writeFile(file, "hunter2hunter2");
  await assert.rejects(openGrantKeys(file), (error: Error & { code: string }) => {
    assert.equal(error.code, "keys.unreadable");
    assert.doesNotMatch(JSON.stringify([error.message, String(error.cause)]), /hunter2/);
    return true;
  });
});
