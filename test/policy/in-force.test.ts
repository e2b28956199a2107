/** What is in force is what the log said last: by proposal of this process or of another, and never what cannot be read. */
import assert from "node:assert/strict";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { openNotes } from "../../infra/observe/notes.ts";
import type { Config } from "../../schemas/config.ts";
import { type PolicyFiles, PolicyInForce, readPolicyFiles } from "../../services/main-policy.ts";
import { createReload, needRestart } from "../../services/main-reload.ts";
import { memoryLog } from "../store/memory-log.ts";

const root = new URL("../..", import.meta.url).pathname;
let folder: string;
let at: { policy: string; catalog: string; rules: string };

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "throughline-policy-"));
  at = {
    policy: join(folder, "policy.cedar"),
    catalog: join(folder, "catalog.yaml"),
    rules: join(root, "schemas/rules"),
  };
  await copyFile(join(root, "infra/deploy/demo/policy.cedar"), at.policy);
  await copyFile(join(root, "infra/deploy/demo/catalog.yaml"), at.catalog);
});
after(() => rm(folder, { recursive: true }));

const extra = '\n@id("nobody-deletes")\nforbid (principal, action == Action::"delete", resource);\n';

async function stricter(): Promise<PolicyFiles> {
  const text = await readFile(at.policy, "utf8");
  const policy = join(folder, "stricter.cedar");
  await writeFile(policy, text + extra);
  return readPolicyFiles({ ...at, policy });
}

function said({ digest, texts }: Pick<PolicyFiles, "digest" | "texts">): Entry {
  const data = { digest, engine: "1", files: texts };
  return { type: "policy.changed", id: "e", atMs: 0, source: "gateway/other", role: "gateway", subject: {}, data };
}

test("a proposal is in force when the log has it, not before; the same is not proposed again", async () => {
  const [files, next] = [await readPolicyFiles(at), await stricter()];
  const changes: string[] = [];
  const inForce = new PolicyInForce(files, ({ digest }) => changes.push(digest));
  inForce.fold(said(files));
  assert.equal(inForce.propose(files, "1"), null);
  assert.equal(inForce.propose(files, "2")?.engine, "2");
  const draft = inForce.propose(next, "1");
  assert.equal(draft?.digest, next.digest);
  assert.equal(inForce.files, files);
  inForce.fold(said(next));
  assert.equal(inForce.files, next);
  assert.deepEqual(changes, [next.digest]);
});

test("what another process proposed is in force here too, from the log's own content", async () => {
  const [files, next] = [await readPolicyFiles(at), await stricter()];
  const inForce = new PolicyInForce(files, () => undefined);
  inForce.fold(said(next));
  assert.equal(inForce.files.digest, next.digest);
  assert.notEqual(inForce.files, next);
  assert.equal(inForce.files.policy.version, next.policy.version);
  assert.equal(inForce.problem, null);
});

test("of a long log only the last is read; what cannot be read replaces nothing and is a problem until it is mended", async () => {
  const files = await readPolicyFiles(at);
  const inForce = new PolicyInForce(files, () => undefined);
  const broken = { digest: "d", texts: { "policy.cedar": "permit (", "catalog.yaml": "" } };
  for (let n = 0; n < 1_000; n += 1) inForce.fold(said({ ...broken, digest: `d${n}` }));
  inForce.fold(said(files));
  assert.equal(inForce.files, files);
  assert.equal(inForce.problem, null);
  inForce.fold(said(broken));
  assert.equal(inForce.files, files);
  assert.match(inForce.problem ?? "", /cannot be read here/);
  inForce.fold(said(files));
  assert.equal(inForce.problem, null);
});

test("a reload that fails is an event, a note and a finding; what needs a restart is named", async () => {
  const files = await readPolicyFiles(at);
  const inForce = new PolicyInForce(files, () => undefined);
  inForce.fold(said(files));
  const log = memoryLog(() => 0);
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const notes = openNotes({ format: "json", base: {}, out: { write } });
  const config = { ...at, holds: { mode: "wait", waitSeconds: 1, approvers: ["a"] } } as unknown as Config;
  const reload = createReload({ config, inForce, appender: await log.appender("gateway", "test"), notes, engine: "1" });
  const types = () => log.records.map(({ type }) => type);
  await reload.run(async () => ({ ...config, catalog: join(folder, "nowhere.yaml") }));
  assert.match(reload.problem ?? "", /nowhere\.yaml cannot be read/);
  assert.deepEqual(types(), ["policy.refused"]);
  assert.match(lines.join(""), /config\.unreadable/);
  await stricter();
  await reload.run(async () => ({ ...config, policy: join(folder, "stricter.cedar"), name: "two" }));
  assert.equal(reload.problem, null);
  assert.deepEqual(
    types().filter((type) => type !== "policy.part"),
    ["policy.refused", "policy.changed"],
  );
  assert.match(lines.join(""), /"keys":"name"/);
  assert.deepEqual(needRestart(config, { ...config, policy: "x", targets: [] }), ["targets"]);
});

test("the policies before one stay known until correlators answer by it, and no longer", async () => {
  const [files, next] = [await readPolicyFiles(at), await stricter()];
  const inForce = new PolicyInForce(files, () => {});
  const policy = (id: string, of: PolicyFiles, engine: string): Entry => {
    const entry = said(of);
    return { ...entry, id, data: { ...entry.data, engine } } as Entry;
  };
  const switched = (id: string): Entry => {
    const about = { type: "rules.switched", atMs: 0, source: "correlator/c", role: "correlator", subject: {} } as const;
    return { ...about, id: `s-${id}`, data: { policy: id, digest: "" } };
  };
  const digests = () => inForce.before.map(({ digest }) => digest);
  inForce.fold(policy("p1", files, "7"));
  inForce.fold(switched("p1"));
  inForce.fold(policy("p2", next, "7"));
  inForce.fold(policy("p2 again", next, "7"));
  assert.equal(inForce.files.digest, next.digest);
  assert.deepEqual(new Set(digests()), new Set([files.digest, next.digest]));
  const kept = inForce.answering.policies;
  inForce.fold(switched("p1"));
  assert.ok(digests().includes(files.digest), "what is said of an older one says nothing of this one");
  inForce.fold(switched("p2"));
  assert.deepEqual(digests(), []);
  const restored = new PolicyInForce(next, () => {});
  restored.answering.restore(kept);
  assert.ok(restored.before.some(({ digest }) => digest === files.digest));
  inForce.fold(policy("p3", files, "6"));
  assert.deepEqual(digests(), [], "an engine before these takes over at once");
});
