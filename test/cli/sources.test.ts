import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { openGrantKeysFor } from "../../infra/keys/open.ts";
import { signatureHolds, signText } from "../../infra/log/sign.ts";
import { parseSources, sourcesOf } from "../../infra/log/sources.ts";
import type { Config } from "../../schemas/config.ts";
import { isCode } from "../log/contract.ts";
import { type Desk, openDesk } from "./terminal.ts";

let desk: Desk;
let folder: string;
const all = ["--gateway", "gw1,gw2", "--correlator", "c1, c2", "--projector", "p1", "--api", "p1", "--tenant", "acme"];
beforeEach(async () => {
  desk = await openDesk();
  folder = join(desk.folder, "keys");
});
afterEach(() => desk.close());

const file = (...path: string[]) => readFileSync(join(folder, ...path));
const registry = () => parseSources(String(file("sources.json")));
const configOf = (name: string, privateKeys = join(folder, name)) =>
  ({ tenant: "acme", name, data: "/nowhere", sources: join(folder, "sources.json"), privateKeys }) as Config;

test("each process gets its own keys and no more; the registry is the same for all", async () => {
  const run = await desk.run("sources", "init", folder, ...all);
  assert.equal(run.code, 0, run.err);
  assert.match(run.out, /p1 +log\/p1 log\/p1-archive projector\/p1 api\/p1/);
  const gateway = (name: string) => [`gateway-${name}.pem`, "grant.keys", `log-${name}.pem`, "master.key"];
  assert.deepEqual(readdirSync(join(folder, "gw1")).toSorted(), gateway("gw1"));
  assert.deepEqual(readdirSync(join(folder, "gw2")).toSorted(), gateway("gw2"));
  for (const name of ["c1", "c2"])
    assert.deepEqual(readdirSync(join(folder, name)).toSorted(), [`correlator-${name}.pem`, `log-${name}.pem`]);
  assert.deepEqual(readdirSync(join(folder, "p1")).toSorted(), [
    "api-p1.pem",
    "grant.keys",
    "log-p1-archive.pem",
    "log-p1.pem",
    "master.key",
    "projector-p1.pem",
  ]);
  for (const secret of ["grant.keys", "master.key"]) {
    assert.deepEqual(file("gw1", secret), file("gw2", secret));
    assert.deepEqual(file("gw1", secret), file("p1", secret));
  }
  assert.equal(file("p1", "master.key").length, 32);
  for (const name of ["gw1", "gw2", "c1", "c2", "p1"])
    for (const entry of readdirSync(join(folder, name)))
      assert.equal(statSync(join(folder, name, entry)).mode & 0o777, 0o600, entry);
  const { tenant, known } = registry();
  assert.equal(tenant, "acme");
  assert.equal(known.size, 2 * 2 + 2 * 2 + 4);
  assert.doesNotMatch(String(file("sources.json")), /PRIVATE/);
});

test("a process signs as its own sources, and has nobody else's key", async () => {
  await desk.run("sources", "init", folder, ...all);
  const sources = sourcesOf(configOf("gw1"));
  const signature = signText(sources.privateKey("gateway/gw1"), "a text");
  assert.ok(signatureHolds(registry().known.get("gateway/gw1")!.key, "a text", signature));
  assert.throws(() => sources.privateKey("gateway/gw2"), isCode("log.refused"));
  assert.throws(() => sources.privateKey("api/p1"), isCode("log.refused"));
  assert.throws(() => sourcesOf({ ...configOf("gw1"), tenant: "other" }), isCode("config.invalid"));
  writeFileSync(join(folder, "gw1", "gateway-gw1.pem"), file("gw2", "gateway-gw2.pem"));
  assert.throws(() => sources.privateKey("gateway/gw1"), isCode("log.refused"), "a key that nobody knows it by");
  const id = (await openGrantKeysFor(configOf("p1"))).newGrantId();
  const secret = (await openGrantKeysFor(configOf("p1"))).secretOf(id);
  assert.equal((await openGrantKeysFor(configOf("gw2"))).secretOf(id), secret);
  chmodSync(join(folder, "gw2", "grant.keys"), 0o440);
  assert.equal((await openGrantKeysFor(configOf("gw2"))).secretOf(id), secret, "a group may read it");
  chmodSync(join(folder, "gw2", "grant.keys"), 0o444);
  await assert.rejects(openGrantKeysFor(configOf("gw2")), isCode("keys.exposed"));
  await assert.rejects(openGrantKeysFor(configOf("c1")), isCode("config.unreadable"), "never made anew");
});

test("adding keeps what is there and shares the secrets; a known name or lost secrets are refused", async () => {
  await desk.run("sources", "init", folder, ...all);
  const before = registry().known;
  const run = await desk.run("--json", "sources", "add", folder, "--gateway", "gw3");
  assert.deepEqual(JSON.parse(run.out).made[0].sources, ["log/gw3", "gateway/gw3"]);
  const after = registry().known;
  for (const [source, { publicKey }] of before) assert.equal(after.get(source)?.publicKey, publicKey);
  assert.equal(after.size, before.size + 2);
  assert.deepEqual(file("gw3", "master.key"), file("gw1", "master.key"));
  assert.equal((await desk.run("sources", "add", folder, "--gateway", "gw1")).code, 1);
  assert.equal((await desk.run("sources", "add", folder, "--correlator", "gw1")).code, 1);
  assert.equal((await desk.run("sources", "init", folder, ...all)).code, 1);
  assert.deepEqual(registry().known.size, after.size);
  for (const name of ["gw1", "gw2", "gw3", "p1"]) rmSync(join(folder, name), { recursive: true });
  const lost = await desk.run("sources", "add", folder, "--gateway", "gw4");
  assert.equal(lost.code, 1);
  assert.match(lost.err, /grant\.keys/);
  assert.equal(registry().known.has("gateway/gw4"), false);
});

test("what was begun and not ended is taken up again, with the keys that were made", async () => {
  await desk.run("sources", "init", folder, ...all);
  const [key, master] = [file("gw1", "gateway-gw1.pem"), file("p1", "master.key")];
  rmSync(join(folder, "sources.json"));
  rmSync(join(folder, "gw2"), { recursive: true });
  assert.equal((await desk.run("sources", "init", folder, ...all)).code, 0);
  assert.deepEqual(file("gw1", "gateway-gw1.pem"), key);
  assert.deepEqual(file("gw2", "master.key"), master);
});

test("names that are none, or none at all, are refused", async () => {
  assert.equal((await desk.run("sources", "init", folder)).code, 2);
  for (const name of ["../x", "GW", "p1-archive", "a/b"])
    assert.equal((await desk.run("sources", "init", folder, "--gateway", name)).code, 1, name);
  assert.equal((await desk.run("sources", "init", folder, "--gateway", "a", "--tenant", "../x")).code, 1);
});

test("a registry where one key stands for two sources is refused", async () => {
  await desk.run("sources", "init", folder, ...all);
  const registry = JSON.parse(String(file("sources.json"))) as { sources: Record<string, { publicKey: string }> };
  registry.sources["api/p1"]!.publicKey = registry.sources["gateway/gw1"]!.publicKey;
  assert.throws(() => parseSources(JSON.stringify(registry)), isCode("config.invalid"));
});
