import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Identity } from "../../schemas/identity.ts";
import { Callers } from "../../services/api/caller.ts";
import { type House, logIn, openHouse, origin } from "./house.ts";

describe("the door of the api", () => {
  let house: House;
  before(async () => {
    house = await openHouse();
  });
  after(() => house.close());

  test("tells nobody anything but what is needed to log in", async () => {
    assert.equal((await house.ask("GET /api/meta")).body.issuer, house.provider.issuer);
    assert.deepEqual((await house.ask("GET /api/meta")).body.gateway, {
      host: "127.0.0.1",
      port: 6432,
      requireTls: false,
    });
    for (const path of [
      "me",
      "targets",
      "grants",
      "timeline",
      "sessions",
      "chains",
      "approvals",
      "blocks",
      "alerts",
      "export",
    ]) {
      const { status, body, headers } = await house.ask(`GET /api/${path}`);
      assert.equal(status, 401, path);
      assert.equal(body.code, "login.failed");
      assert.match(String(headers["content-type"]), /^application\/problem\+json/);
      assert.equal(headers["www-authenticate"], "Bearer");
    }
    assert.equal((await house.ask("POST /api/blocks", { nonsense: true })).status, 401);
  });

  test("knows a workload by its token and a person by the cookie of a real login", async () => {
    const extract = await (await house.as("extract"))("GET /api/me");
    assert.equal((extract.body.identity as { key: string }).key, `${house.provider.issuer}|extract`);
    assert.deepEqual(extract.body.roles, ["approve"]);
    const ivan = await (await house.as("ivan"))("GET /api/me");
    assert.deepEqual(ivan.body.roles, ["investigate", "export"]);
    assert.equal((ivan.body.identity as { kind: string }).kind, "person");
    const logins = house.types("identity.logged_in").map((event) => event.data.method);
    assert.deepEqual(logins, ["token", "browser"]);
  });

  test("refuses tokens that are not its own, and records it, without repeating the token", async () => {
    const bad = ["eyJhbGciOiJub25lIn0.eyJzdWIiOiJvbGdhIn0.", "x", ""];
    for (const token of bad) {
      const { status } = await house.ask("GET /api/me", undefined, { authorization: `Bearer ${token}` });
      assert.equal(status, 401);
    }
    assert.equal((await house.ask("GET /api/me", undefined, { authorization: "Basic b2xnYTp4" })).status, 401);
    const failures = house.types("identity.login_failed");
    assert.equal(failures.length, 4);
    assert.doesNotMatch(JSON.stringify(failures), /eyJ/);
  });

  test("stops counting tries of one address after a while, and writes no more events about them", async () => {
    const tries = Array.from({ length: 80 }, () => house.ask("GET /api/me", undefined, { authorization: "Bearer x" }));
    const statuses = (await Promise.all(tries)).map((answer) => answer.status);
    assert.ok(statuses.includes(429));
    assert.ok(house.types("identity.login_failed").length <= 60);
    house.clock.nowMs += 61_000;
    assert.equal((await house.ask("GET /api/me", undefined, { authorization: "Bearer x" })).status, 401);
  });

  test("counts no try that nobody could judge: while the identity provider is away everybody reads that", async () => {
    const away = () => Promise.reject(new ThroughlineError("identity.provider", "it does not answer"));
    const nothing = () => assert.fail("nobody proved anything, or failed to");
    const parts = {
      tokens: { verify: away },
      origin,
      sessionMs: 1,
      now: () => 0,
      onLogin: nothing,
      onFailure: nothing,
    };
    const callers = new Callers(parts);
    for (let tries = 1; tries <= 70; tries += 1)
      await assert.rejects(callers.of({ authorization: `Bearer ${tries}` }, "10.0.0.1", false), {
        code: "identity.provider",
      });
  });

  test("lets nobody in by a token whose first use the log did not take", async () => {
    const key = "idp|job" as Identity["key"];
    const identity: Identity = { key, kind: "workload", name: "job", groups: [], onBehalfOf: [] };
    let logins = 0;
    const onLogin = () => {
      logins += 1;
      if (logins === 1) throw new ThroughlineError("log.full", "The disk of the log is full");
    };
    const tokens = { verify: async () => ({ identity, expiresAtMs: 1_000 }) };
    const callers = new Callers({ tokens, origin, sessionMs: 1, now: () => 0, onLogin, onFailure: () => {} });
    const come = () => callers.of({ authorization: "Bearer x" }, "10.0.0.1", false);
    await assert.rejects(come(), { code: "log.full" });
    await come();
    await come();
    assert.equal(logins, 2);
  });

  test("takes a change by cookie only from its own pages", async () => {
    const cookie = await logIn(house.api, "olga", "olga's secret");
    const scope = { identity: "somebody" };
    const place = (headers: Record<string, string>) =>
      house.ask("POST /api/blocks", { scope, reason: "test" }, { cookie, ...headers });
    assert.equal((await place({})).status, 403);
    assert.equal((await place({ origin: "http://evil.example" })).status, 403);
    assert.equal((await place({ origin: "null" })).status, 403);
    assert.equal((await place({ origin: `${origin}.evil.example` })).status, 403);
    assert.equal((await place({ origin: "http://evil.example", "sec-fetch-site": "same-origin" })).status, 403);
    assert.equal((await place({ "sec-fetch-site": "cross-site" })).status, 403);
    assert.equal(house.types("block.placed").length, 0);
    assert.equal((await place({ origin })).status, 201);
    assert.equal((await place({ "sec-fetch-site": "same-origin" })).status, 201);
  });

  test("keeps its cookie from scripts and from other sites, and forgets it at logout and at its end", async () => {
    const begun = await house.api.inject({ method: "GET", url: "/login" });
    assert.match(String(begun.headers["set-cookie"]), /HttpOnly; SameSite=Lax/);
    const cookie = await logIn(house.api, "ivan", "ivan's secret");
    assert.equal((await house.ask("GET /api/me", undefined, { cookie })).status, 200);
    assert.equal((await house.ask("POST /logout", undefined, { cookie })).status, 403);
    assert.equal((await house.ask("POST /logout", undefined, { cookie, origin })).status, 303);
    assert.equal((await house.ask("GET /api/me", undefined, { cookie })).status, 401);
    const second = await logIn(house.api, "ivan", "ivan's secret");
    house.clock.nowMs += 8 * 3_600_000;
    const { status, body } = await house.ask("GET /api/me", undefined, { cookie: second });
    assert.equal(status, 401);
    assert.equal(body.code, "login.expired");
  });

  test("finishes only the login that this browser began, once", async () => {
    const begun = await house.api.inject({ method: "GET", url: "/login" });
    const state = new URL(String(begun.headers.location)).searchParams.get("state");
    const stolen = `/login/callback?code=stolen&state=${state}`;
    assert.equal((await house.ask(`GET ${stolen}`)).status, 401);
    const cookie = String(begun.headers["set-cookie"]).split(";")[0] ?? "";
    assert.equal((await house.ask(`GET ${stolen}&iss=${house.provider.issuer}`, undefined, { cookie })).status, 401);
    assert.equal((await house.ask(`GET ${stolen}`, undefined, { cookie })).status, 401);
  });

  test("sends nobody to another site after a login", async () => {
    const { arriveAt } = await import("./browser.ts");
    for (const to of ["//evil.example", "/\\evil.example", "http://evil.example", "/.//evil.example", "javascript:1"]) {
      house.clock.nowMs += 61_000;
      const begun = await house.api.inject({ method: "GET", url: `/login?to=${encodeURIComponent(to)}` });
      const cookie = String(begun.headers["set-cookie"]).split(";")[0] ?? "";
      const back = await arriveAt(String(begun.headers.location), { login: "ivan", password: "ivan's secret" }, origin);
      const done = await house.api.inject({ method: "GET", url: back.pathname + back.search, headers: { cookie } });
      const at = new URL(String(done.headers.location), origin);
      assert.equal(at.origin, origin, to);
    }
  });

  test("refuses what it does not know, and says what it would know", async () => {
    const olga = await house.as("olga");
    const body = { scope: { identity: "x" }, reason: "r", minuts: 5 };
    const answer = await olga("POST /api/blocks", body);
    assert.equal(answer.status, 400);
    assert.match(String(answer.body.detail), /minuts: unknown key \(known: scope, reason, minutes\)/);
    const ivan = await house.as("ivan");
    assert.equal((await ivan("GET /api/timeline?limit=5000")).status, 400);
    assert.equal((await ivan("GET /api/timeline?acount=x")).status, 400);
    assert.equal((await ivan("GET /api/timeline?limit=10")).status, 200);
    const garbage = await house.api.inject({
      method: "POST",
      url: "/api/blocks",
      headers: {
        authorization: `Bearer ${await house.provider.workloadToken("load")}`,
        "content-type": "application/json",
      },
      payload: "{",
    });
    assert.equal(garbage.statusCode, 400);
  });

  test("sets the headers that keep a browser safe, on errors too", async () => {
    for (const line of ["GET /api/meta", "GET /api/me", "GET /nowhere.js"]) {
      const { headers } = await house.ask(line);
      assert.match(String(headers["content-security-policy"]), /default-src 'none'; script-src 'self'/);
      assert.match(String(headers["content-security-policy"]), /frame-ancestors 'none'/);
      assert.equal(headers["x-content-type-options"], "nosniff");
    }
  });

  test("describes itself", async () => {
    const { body } = await house.ask("GET /api/openapi.json");
    const paths = body.paths as Record<string, Record<string, unknown>>;
    assert.ok(paths["/api/approvals/{id}/answer"]?.post);
    assert.ok(paths["/api/timeline"]?.get);
  });

  test("shows a token of another audience, or by another issuer, the door", async () => {
    const { startTestProvider } = await import("./provider.ts");
    const stranger = await startTestProvider();
    const token = await stranger.workloadToken("extract");
    await stranger.close();
    assert.equal((await house.ask("GET /api/me", undefined, { authorization: `Bearer ${token}` })).status, 401);
  });
});
