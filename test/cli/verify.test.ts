import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { exportLog } from "../../infra/log/export.ts";
import { openJournal } from "../../infra/log/journal.ts";
import { type Desk, openDesk } from "./terminal.ts";

let desk: Desk;
let data: string;
let out: string;
let key: string;

/** A real log, and a real export of it, as the api would stream it. */
before(async () => {
  desk = await openDesk();
  data = join(desk.folder, "data");
  out = join(desk.folder, "export");
  key = join(data, "keys", "sources.json");
  await mkdir(out);
  const fatal = (error: Error): never => {
    throw error;
  };
  const journal = await openJournal({ folder: data, tenant: "demo", name: "one", now: Date.now, fatal });
  const api = await journal.appender("api", "one");
  for (const block of ["b1", "b2", "b3"])
    api.append({ type: "block.lifted", subject: {}, data: { block, by: "https://id|olga", reason: "over" } });
  await api.synced(3);
  await journal.close();
  const again = await openJournal({ folder: data, tenant: "demo", name: "one", now: Date.now, fatal });
  const { lines, manifest } = exportLog(
    { log: again, tenant: "demo", writer: "log/one" },
    { sinceMs: null, untilMs: null },
  );
  let text = "";
  for await (const line of lines) text += line;
  await writeFile(join(out, "records.ndjson"), text);
  await writeFile(join(out, "manifest.json"), JSON.stringify(manifest()));
  await again.close();
});
after(() => desk.close());

test("an export that is whole is called intact, names the keys it trusted and what it cannot know", async () => {
  const { code, out: said } = await desk.run("verify", out, "--key", key);
  assert.match(said, /^intact {2}\d+ records of demo, positions 0000000000000001 to \d+\n/);
  assert.match(said, /\ntrusted +api\/one [0-9a-f]{64}, \d+ signatures/);
  assert.match(said, /\ncannot know {2}/);
  assert.equal(code, 0);
});

test("one changed byte fails with exit 1 and names the record", async () => {
  const path = join(out, "records.ndjson");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace('\\"b2\\"', '\\"b9\\"'));
  const { code, out: said, err } = await desk.run("verify", out, "--key", key);
  await writeFile(path, text);
  assert.equal(code, 1);
  assert.match(said, /^damaged/);
  assert.match(
    err,
    /^error export\.damaged: position \d{16}, api\/one steps 2: its bytes are not those that were written/,
  );
});

test("without a key from outside there is no answer, and with somebody else's it fails", async () => {
  assert.equal((await desk.run("verify", out)).code, 2);
  const stranger = join(desk.folder, "stranger.json");
  await writeFile(stranger, '{"tenant":"demo","sources":{}}');
  const { code, err } = await desk.run("verify", out, "--key", stranger);
  assert.equal(code, 1);
  assert.match(err, /no key was given/);
});

test("a data folder is verified as it lies there", async () => {
  const { code, out: said } = await desk.run("verify", data, "--key", key);
  assert.equal(code, 0);
  assert.match(said, /^intact/);
});
