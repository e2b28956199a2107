import assert from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Double, startDouble } from "../console/double.ts";
import { heldApproval } from "../console/night.ts";
import { insidersNight } from "../console/story.ts";
import { type Desk, openDesk, t0 } from "./terminal.ts";

let api: Double;
let desk: Desk;
before(async () => {
  api = await startDouble(insidersNight(t0));
  desk = await openDesk();
});
after(async () => {
  await desk.close();
  await api.close();
});

const mode = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);
const session = (): string => join(desk.parts.configFolder, "session-default.json");

test("before a login every command says how to log in", async () => {
  const { code, err } = await desk.run("timeline");
  assert.equal(code, 1);
  assert.equal(err, "error login.failed: You are not logged in.\n  hint  Run `throughline login` first.");
});

test("login by browser goes through a loopback address and stores the token for its owner alone", async () => {
  const parts = desk.parts;
  const openBrowser = (url: string): void => {
    const back = new URL(new URL(url).searchParams.get("redirect_uri") ?? "");
    assert.equal(back.hostname, "127.0.0.1");
    void fetch(`${back}?code=c1`);
  };
  desk.parts = { ...parts, openBrowser };
  const { code, out } = await desk.run("login", "--url", api.url);
  desk.parts = parts;
  assert.equal(code, 0);
  assert.match(out, /^logged in {2}Olga Petrova at demo/);
  assert.equal(await mode(session()), "600");
  assert.match(await readFile(session(), "utf8"), /"accessToken": "token-c1"/);
});

test("a workload logs in with the secret in a file, into a profile of its own", async () => {
  const secret = join(desk.folder, "secret");
  await writeFile(secret, "s3cret\n");
  const { code } = await desk.run(
    "login",
    "--url",
    api.url,
    "--profile",
    "load",
    "--client-id",
    "load",
    "--client-secret-file",
    secret,
  );
  assert.equal(code, 0);
  const stored = await readFile(join(desk.parts.configFolder, "session-load.json"), "utf8");
  assert.match(stored, /"token-s3cret"/);
  assert.match(stored, /"clientId": "load"/);
});

test("a token that has ended is renewed without a word; without a refresh token the error says to log in", async () => {
  const later = { ...desk.parts, now: () => t0 + 3_600_000 };
  const parts = desk.parts;
  desk.parts = later;
  assert.equal((await desk.run("chains")).code, 0);
  assert.match(await readFile(session(), "utf8"), /token-renewed/);
  const { code, err } = await desk.run("--profile", "load", "chains");
  desk.parts = parts;
  assert.equal(code, 1);
  assert.match(err, /^error login\.expired: .*\n {2}hint {2}Run `throughline login` again\.$/);
});

test("a token is sent to no other address than the one it was for, and never over plain http to another machine", async () => {
  assert.match((await desk.run("--url", "http://127.0.0.1:1", "chains")).err, /You are logged in at/);
  assert.match((await desk.run("login", "--url", "http://audit.example")).err, /in the clear/);
});

test("connect writes a service entry and a pass file that psql reads, and prints no secret", async () => {
  await writeFile(desk.parts.serviceFile, "[mine]\nhost=db\n");
  const { code, out } = await desk.run("connect", "orders", "--as", "loader", "--task", "nightly load");
  assert.equal(code, 0);
  assert.match(out, / {2}psql service=throughline-orders-loader$/);
  assert.doesNotMatch(out, /secret/);
  assert.equal(
    await readFile(desk.parts.serviceFile, "utf8"),
    `[mine]\nhost=db\n\n[throughline-orders-loader]\nhost=127.0.0.1\nport=6432\ndbname=orders\nuser=loader~g1\npassfile=${desk.parts.configFolder}/pgpass\nsslmode=prefer\n`,
  );
  assert.equal(
    await readFile(join(desk.parts.configFolder, "pgpass"), "utf8"),
    "127.0.0.1:6432:orders:loader~g1:not\\:a\\\\secret\n",
  );
  assert.equal(await mode(join(desk.parts.configFolder, "pgpass")), "600");
  assert.match(
    api.asked.at(-1) ?? "",
    /^POST \/api\/grants \{"target":"orders","account":"loader","task":\{"justification":"nightly load"\}\}$/,
  );
});

test("connecting again replaces its own entry and leaves the others alone", async () => {
  const { out } = await desk.run("--json", "connect", "orders", "--as", "loader", "--task", "again");
  assert.doesNotMatch(out, /secret/);
  const text = await readFile(desk.parts.serviceFile, "utf8");
  assert.equal(text.match(/\[throughline-orders-loader\]/g)?.length, 1);
  assert.match(text, /^\[mine\]\nhost=db\n/);
  assert.equal((await readFile(join(desk.parts.configFolder, "pgpass"), "utf8")).split("\n").length, 2);
});

test("an answer carries its reason, and a refusal by the api keeps its code, sentence and hint", async () => {
  const { code, out } = await desk.run("approvals", "refuse", heldApproval, "--reason", "not in the plan");
  assert.equal(code, 0);
  assert.match(out, /^done {2}Refused ap_01k9f3z8/);
  assert.match(
    api.asked.at(-1) ?? "",
    /POST \/api\/approvals\/ap_01k9f3z8\/answer \{"answer":"refuse","reason":"not in the plan"\}/,
  );
  api.failure = {
    status: 403,
    code: "access.denied",
    detail: "You are a step of this chain.",
    hint: "Ask a data owner.",
  };
  const refused = await desk.run("approvals", "approve", heldApproval, "--reason", "x");
  api.failure = null;
  assert.equal(refused.code, 1);
  assert.equal(refused.err, "error access.denied: You are a step of this chain.\n  hint  Ask a data owner.");
});

test("a block that names nothing is misuse; one that does is placed and lifted", async () => {
  assert.equal((await desk.run("blocks", "place", "--reason", "x")).code, 2);
  const { out } = await desk.run("blocks", "place", "--account", "load", "--minutes", "30", "--reason", "incident 7");
  assert.match(out, /^done {2}Block b-3 refuses account load from now on\.$/);
  assert.equal((await desk.run("blocks", "lift", "b-3", "--reason", "over")).code, 0);
  assert.match((await desk.run("blocks", "list", "--all")).out, /lifted by Olga Petrova/);
});

test("alerts are listed, acknowledged, resolved with a reason, and given up for a receiver", async () => {
  assert.match((await desk.run("alerts")).out, /open .*al-2/);
  const seen = await desk.run("alerts", "acknowledge", "al-2");
  assert.match(seen.out, /^done {2}You look at: An answer is needed$/);
  assert.equal((await desk.run("alerts", "resolve", "al-2")).code, 2);
  assert.match((await desk.run("alerts", "resolve", "al-2", "--reason", "announced")).out, /^done {2}Resolved/);
  assert.doesNotMatch((await desk.run("alerts")).out, /al-2/);
  assert.match((await desk.run("alerts", "list", "--all")).out, /resolved by Olga Petrova/);
  const given = await desk.run("alerts", "give-up", "al-1", "--receiver", "soc", "--reason", "refuses it");
  assert.match(given.out, /^done {2}soc does not get alert al-1 any more\.$/);
});

test("what commands moved is exported as OpenLineage, of one session if asked, never with text", async () => {
  const out = join(desk.folder, "lineage");
  api.exported = ['{"eventType":"COMPLETE"}', '{"manifest":{"count":1}}'];
  const lineage = ["export", "--format", "openlineage", "--since", "1h", "--out", out];
  assert.equal((await desk.run(...lineage, "--session", "s-load")).code, 0);
  assert.equal(await readFile(join(out, "openlineage.ndjson"), "utf8"), '{"eventType":"COMPLETE"}\n');
  assert.match(api.asked.at(-1) ?? "", /^GET \/api\/lineage\?since=\d+&session=s-load$/);
  assert.equal((await desk.run(...lineage, "--with-text")).code, 2);
  assert.equal((await desk.run("export", "--since", "1h", "--out", out, "--format", "csv")).code, 2);
  assert.equal((await desk.run("export", "--since", "1h", "--out", out, "--command", "c1")).code, 2);
});

test("an export becomes records and manifest; one that broke off fails and leaves no records.ndjson", async () => {
  const out = join(desk.folder, "export");
  api.exported = ['{"position":"1"}', '{"position":"2"}', '{"manifest":{"records":2}}'];
  assert.equal((await desk.run("export", "--since", "1h", "--out", out)).code, 0);
  assert.equal(await readFile(join(out, "records.ndjson"), "utf8"), '{"position":"1"}\n{"position":"2"}\n');
  assert.equal(JSON.parse(await readFile(join(out, "manifest.json"), "utf8")).records, 2);
  api.exported = ['{"position":"1"}'];
  const broken = join(desk.folder, "broken");
  const { code, err } = await desk.run("export", "--since", "1h", "--out", broken);
  assert.equal(code, 1);
  assert.match(err, /^error export\.damaged/);
  await assert.rejects(stat(join(broken, "records.ndjson")));
});

test("rules and configuration: findings are printed and fail; misuse exits 2", async () => {
  const parts = desk.parts;
  desk.parts = {
    ...parts,
    offline: {
      ...parts.offline,
      configCheck: async () => ['throughline.yaml:3: api.listn: unknown key; did you mean "listen"?'],
      testRules: async () => [
        { name: "a.yml: one", ok: true, finding: "" },
        { name: "a.yml: two", ok: false, finding: "expected hold, was allow" },
      ],
      runRules: async function* (job) {
        assert.deepEqual([job.rules, job.events, job.catalog], [["a.yml", "b.yml"], "events.ndjson", "catalog.yaml"]);
        yield { rule: "r", event: "e7", action: "hold", chain: ["e1", "e7"] };
      },
    },
  };
  const check = await desk.run("config", "check");
  const tested = await desk.run("rules", "test");
  const ran = await desk.run("rules", "run", "a.yml", "b.yml", "--catalog", "catalog.yaml", "events.ndjson");
  desk.parts = parts;
  assert.deepEqual([check.code, tested.code, ran.code], [1, 1, 0]);
  assert.match(check.out, /did you mean "listen"/);
  assert.match(tested.out, /failed {2}a\.yml: two\n {8}expected hold, was allow/);
  assert.equal(ran.out, '{"rule":"r","event":"e7","action":"hold","chain":["e1","e7"]}');
  assert.equal((await desk.run("nonsense")).code, 2);
  assert.equal((await desk.run("connect", "orders")).code, 2);
});
