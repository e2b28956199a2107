/** The api of the running product, attacked over HTTP by people who have some of what they need. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ApprovalDetail, TimelinePage } from "../../schemas/api.ts";
import { eventually, refusalOf } from "../demo/cast.ts";
import { type Stage, setStage } from "../demo/play.ts";
import { held } from "../demo/play-chain.ts";
import { loggedIn, startWorld, type World, workloadToken } from "../demo/world.ts";

let folder: string;
let world: World;
let stage: Stage;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "throughline-api-"));
  world = await startWorld({ folder });
  stage = await setStage(world);
});
after(async () => {
  await stage?.leave();
  await world?.stop();
  await rm(folder, { recursive: true });
});

const asked = async (who: keyof Stage["players"], method: string, path: string, body?: unknown) =>
  stage.players[who].api(method, path, body);

/** Nothing of the inside: no stack, no path of this machine, no SQL, no library's words. */
function assertDiscreet(text: string): void {
  assert.doesNotMatch(
    text,
    /\n\s+at |node_modules|\/services\/|\/tmp\/|SELECT |DB::|Code: \d+|ClickHouse|postgres:\/\//i,
  );
}

/** A path as it stands, which fetch would tidy up. */
function raw(path: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  return new Promise((done, failed) => {
    request({ host: "127.0.0.1", port: world.ports.api, path, headers }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => {
        text += chunk.toString("latin1");
      });
      answer.on("end", () => done({ status: answer.statusCode ?? 0, text }));
    })
      .on("error", failed)
      .end();
  });
}

test("every route of the api but the open ones asks who it is, first", async () => {
  const { paths } = (await (await fetch(`${world.api}/api/openapi.json`)).json()) as {
    paths: Record<string, Record<string, unknown>>;
  };
  const open = new Set(["/api/meta", "/healthz", "/readyz"]);
  let tried = 0;
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of Object.keys(methods)) {
      if (open.has(path)) continue;
      const address = `${world.api}${path.replace(/\{\w+\}/g, "x")}`;
      const body = method === "get" ? {} : { body: "not json", headers: { "content-type": "application/json" } };
      const answer = await fetch(address, { method: method.toUpperCase(), ...body });
      assert.equal(answer.status, 401, `${method} ${path}`);
      assertDiscreet(await answer.text());
      tried += 1;
    }
  }
  assert.ok(tried >= 15, `only ${tried}`);
});

test("paths outside the console's folder are not served, however they are spelt", async () => {
  const spellings = [
    "/../main.ts",
    "/..%2fmain.ts",
    "/%2e%2e/main.ts",
    "/assets/../../../main.ts",
    "/assets/..%2f..%2f..%2fmain.ts",
    "/%2e%2e%2f%2e%2e%2f%2e%2e%2fpackage.json",
    "/..\\main.ts",
    "//etc/passwd",
    "/assets/%00",
    "/assets/..;/..;/main.ts",
    "/.env",
  ];
  for (const path of spellings) {
    const { status, text } = await raw(path);
    assert.ok(!/root:x:|runCommandLine|"dependencies"/.test(text), path);
    assert.ok(
      status === 404 || status === 400 || status === 403 || text.includes("<!doctype html>"),
      `${path} ${status}`,
    );
    assertDiscreet(text);
  }
});

test("a login leads only to a path of this console", async () => {
  const wrong = [
    "//evil.example/x",
    "/\\evil.example",
    "https://evil.example",
    "/%09/evil.example",
    "javascript:alert(1)",
    "/\t/evil.example",
    "\\\\evil.example",
    "/..//evil.example",
    "/login?to=//evil.example",
  ];
  for (const to of wrong) {
    const agent = await loggedIn(world, "ana");
    const begun = await agent.fetch(`${world.api}/login?to=${encodeURIComponent(to)}`);
    let next = begun.headers.get("location") ?? "";
    for (let hop = 0; hop < 8 && !next.startsWith(`${world.api}/login/callback`); hop += 1) {
      const answer = await agent.fetch(next);
      next = new URL(answer.headers.get("location") ?? "", next).href;
    }
    const done = await agent.fetch(next);
    const location = done.headers.get("location") ?? "";
    assert.equal(done.status, 302, to);
    assert.equal(new URL(location, world.api).origin, world.api, `${to} led to ${location}`);
    assert.match(location, /^\/(?![/\\])/);
  }
});

test("the cookie is HttpOnly and SameSite; another site's page changes nothing with it", async () => {
  const agent = await loggedIn(world, "olga");
  const body = JSON.stringify({ scope: { account: "nobody" }, reason: "forged" });
  const forged: Record<string, string>[] = [
    { origin: "https://evil.example" },
    { origin: "null" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    {},
    { origin: `${world.api}.evil.example` },
  ];
  for (const headers of forged) {
    const given = { method: "POST", body, headers: { "content-type": "application/json", ...headers } };
    assert.equal((await agent.fetch(`${world.api}/api/blocks`, given)).status, 403, JSON.stringify(headers));
    const logout = await agent.fetch(`${world.api}/logout`, { method: "POST", headers });
    assert.equal(logout.status, 403);
  }
  const plain = { method: "POST", body, headers: { "content-type": "text/plain", origin: world.api } };
  assert.ok((await agent.fetch(`${world.api}/api/blocks`, plain)).status >= 400);
  assert.deepEqual((await asked("olga", "GET", "/api/blocks")).body.blocks, []);
});

test("a token of another kind, another audience, another signature or none opens nothing", async () => {
  const token = await workloadToken(world, "load");
  const [head = "", payload = "", signature = ""] = token.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const forged = [
    `${encoded({ alg: "none" })}.${payload}.`,
    `${encoded({ alg: "HS256", typ: "at+jwt" })}.${payload}.${signature}`,
    `${head}.${encoded({ ...claims, sub: "olga", kind: "person" })}.${signature}`,
    `${head}.${payload}.${signature.slice(0, -4)}AAAA`,
    `${head}.${payload}`,
    token.slice(0, 20),
    "x".repeat(15_000),
  ];
  for (const one of forged) {
    const answer = await fetch(`${world.api}/api/me`, { headers: { authorization: `Bearer ${one}` } });
    assert.ok([401, 431].includes(answer.status), `${answer.status} for ${one.slice(0, 60)}`);
    const text = await answer.text();
    assertDiscreet(text);
    assert.ok(!text.includes(one.slice(0, 20)), "the token is in the answer");
  }
  const agent = await loggedIn(world, "olga");
  const both = await agent.fetch(`${world.api}/api/me`, { headers: { authorization: "Bearer bad" } });
  assert.equal(both.status, 401, "a bad token is not saved by a good cookie");
});

test("filters are values: what looks like SQL finds nothing, changes nothing and shows nothing", async () => {
  const evil = [
    "' OR 1=1 --",
    "x'; DROP TABLE events; --",
    "{limit:UInt32}",
    "\\' UNION SELECT * FROM texts",
    "%",
    "\u0000",
    "a\\",
  ];
  for (const value of evil) {
    for (const key of ["identity", "account", "session", "resource", "type", "chain", "before", "text", "key"]) {
      const { status, body } = await asked("ivan", "GET", `/api/timeline?${key}=${encodeURIComponent(value)}`);
      assert.ok(status === 200 || status === 400, `${key}=${value}: ${status} ${JSON.stringify(body)}`);
      if (status === 200 && key !== "before" && key !== "text") assert.deepEqual(body.rows, [], `${key}=${value}`);
      if (status !== 200) assertDiscreet(JSON.stringify(body));
    }
  }
  const { rows } = (await asked("ivan", "GET", "/api/timeline?limit=1")).body as unknown as TimelinePage;
  assert.equal(rows.length, 1);
});

test("questions that are too large, twice or unknown are 400, and say no more than why", async () => {
  const wrong = [
    "limit=100000",
    "limit=-1",
    "limit=1e9",
    "limit=1&limit=2",
    "account=a&account=b",
    "nonsense=1",
    "sinceMs=99999999999999999999",
    "untilMs=x",
    `text=${"a%20".repeat(30)}`,
    `text=${"b".repeat(3_000)}`,
    "__proto__=1",
    "order=sideways",
  ];
  for (const question of wrong) {
    const { status, body } = await asked("ivan", "GET", `/api/timeline?${question}`);
    assert.equal(status, 400, `${question}: ${status}`);
    assertDiscreet(JSON.stringify(body));
  }
  const large = await asked("olga", "POST", "/api/blocks", { scope: { account: "x".repeat(70_000) }, reason: "large" });
  assert.equal(large.status, 400);
});

test("who may not investigate reads nothing of the audit, whatever else they may do", async () => {
  const closed = ["/api/timeline", "/api/events/x", "/api/sessions", "/api/sessions/x", "/api/export"];
  for (const path of [...closed, "/api/chains", "/api/alerts", "/api/blocks"])
    assert.equal((await asked("ana", "GET", path)).status, 403, path);
  for (const path of closed) assert.equal((await asked("olga", "GET", path)).status, 403, path);
  for (const [path, body] of [
    ["/api/blocks", { scope: { account: "load" }, reason: "mine" }],
    ["/api/grants", { target: "orders", account: "load", task: { justification: "not mine" } }],
  ] as const)
    assert.equal((await asked("ana", "POST", path, body)).status, 403, path);
  const grants = (await asked("ana", "GET", "/api/grants")).body.grants as { identity: { name: string } }[];
  assert.ok(
    grants.every(({ identity }) => /Ana/.test(identity.name)),
    "only one's own Grants",
  );
  assert.deepEqual((await asked("ana", "GET", "/api/approvals")).body.approvals, []);
});

test("somebody's task id, claimed by another, permits nothing and hides nobody", async () => {
  const body = { target: "orders", account: "analyst", task: { id: "t-nightly", justification: "first" } };
  assert.equal((await asked("ana", "POST", "/api/grants", body)).status, 201);
  const same = { target: "orders", account: "load", task: { id: "t-nightly", justification: "claimed" } };
  assert.equal((await asked("load", "POST", "/api/grants", same)).status, 201);
  const wrong = await asked("ana", "POST", "/api/grants", { ...same, account: "load" });
  assert.equal(wrong.status, 403);
  const rows = await eventually("both Grants of the task", async () => {
    const page = (await asked("ivan", "GET", "/api/timeline?task=t-nightly&type=grant.issued")).body;
    return (page as unknown as TimelinePage).rows.length === 2 && (page as unknown as TimelinePage).rows;
  });
  assert.deepEqual(new Set(rows.map(({ identityName }) => identityName)).size, 2, "each under its own identity");
});

test("two answers of one human at once are one answer; with another login and with a token as well", async () => {
  const { extract, transform, load } = stage.actors;
  await extract.client.query("SELECT * FROM customers");
  await transform.client.query("INSERT INTO staging_customers SELECT * FROM customers");
  const { running, approval } = await held(stage, load, "DELETE FROM customers WHERE id = 2");
  const second = await loggedIn(world, "olga");
  const path = `/api/approvals/${approval.approval}/answer`;
  const bySecond = () =>
    second
      .fetch(`${world.api}${path}`, {
        method: "POST",
        body: JSON.stringify({ answer: "refuse", reason: "second" }),
        headers: { "content-type": "application/json", origin: world.api },
      })
      .then(({ status }) => ({ status }));
  const byFirst = () => asked("olga", "POST", path, { answer: "refuse", reason: "first" });
  const byOthers = (["load", "extract", "transform", "ana", "ivan"] as const).map((who) =>
    asked(who, "POST", path, { answer: "approve", reason: "not mine" }).then(({ status }) =>
      assert.ok([403, 404, 409].includes(status), `${who} ${status}`),
    ),
  );
  const answers = await Promise.all([byFirst(), bySecond(), byFirst(), bySecond()]);
  await Promise.all(byOthers);
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 409, 409, 409]);
  assert.equal((await refusalOf(running)).code, "42501");
  const detail = (await asked("olga", "GET", `/api/approvals/${approval.approval}`)).body as unknown as ApprovalDetail;
  assert.equal(detail.answers.length, 1);
});
