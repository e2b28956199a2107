import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, mock, test } from "node:test";
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { startDevelopmentProvider } from "../../infra/identity/development.ts";
import { openFlows } from "../../infra/identity/oidc.ts";
import { createTokens } from "../../infra/identity/tokens.ts";
import { Agent } from "../demo/agent.ts";
import { audience, clientId, startTestProvider, type TestProvider, users, workloads } from "./provider.ts";

/** Waits on loopback for the browser to come back. */
async function loopback(): Promise<{ uri: string; arrived: Promise<URL>; close(): void }> {
  const arrived = Promise.withResolvers<URL>();
  const server = createServer((request, response) => {
    response.end("done");
    arrived.resolve(new URL(request.url ?? "", "http://127.0.0.1"));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`;
  return { uri, arrived: arrived.promise.then((url) => new URL(url.search, uri)), close: () => server.close() };
}

describe("the development identity provider", () => {
  let provider: TestProvider;
  before(async () => {
    provider = await startTestProvider();
  });
  after(() => provider.close());
  const tokens = () => createTokens({ issuer: provider.issuer, audience, groupsClaim: "groups" }, Date.now);

  test("refuses to start outside development, or where one name stands for two", async () => {
    const base = { folder: provider.folder, port: 0, audience, clientId, redirectUris: [], users, workloads };
    await assert.rejects(startDevelopmentProvider({ ...base, development: false }), { code: "config.invalid" });
    const twice = [...workloads, { id: "ana", name: "a", groups: [], secret: "ana-secret-1234567890" }];
    await assert.rejects(startDevelopmentProvider({ ...base, development: true, workloads: twice }), {
      code: "config.invalid",
    });
    await assert.rejects(startDevelopmentProvider({ ...base, development: true, audience: "throughline" }), {
      code: "config.invalid",
    });
  });

  test("gives a workload a token that names it, its groups and that it is no person", async () => {
    const { identity } = await tokens().verify(await provider.workloadToken("extract"));
    assert.equal(identity.key, `${provider.issuer}|extract`);
    assert.equal(identity.kind, "workload");
    assert.equal(identity.name, "extract job");
    assert.deepEqual(identity.groups, ["pipelines", "data-owners"]);
  });

  test("refuses a workload's wrong secret, and a resource that it does not know", async () => {
    await assert.rejects((await provider.flows("extract")).workload("wrong"), { code: "identity.provider" });
    const flows = await openFlows({ issuer: provider.issuer, clientId: "extract", audience: "urn:other" }, Date.now);
    await assert.rejects(flows.workload(workloads[0]!.secret), { code: "identity.provider" });
  });

  test("logs a person in by code and PKCE on any loopback port, and renews", async () => {
    const back = await loopback();
    const flows = await provider.flows();
    const { url, finish } = await flows.browser(back.uri);
    await new Agent({ login: "olga", password: "olga's secret" }).visit(url);
    const got = await finish(await back.arrived);
    back.close();
    const { identity } = await tokens().verify(got.accessToken);
    assert.equal(identity.key, `${provider.issuer}|olga`);
    assert.equal(identity.kind, "person");
    assert.equal(identity.name, "Olga");
    assert.deepEqual(identity.groups, ["data-owners", "responders"]);
    assert.ok(got.refreshToken);
    const renewed = await flows.refresh(got.refreshToken);
    assert.equal((await tokens().verify(renewed.accessToken)).identity.key, identity.key);
  });

  test("shows the form again to who does not know the password", async () => {
    const { url } = await (await provider.flows()).browser("http://127.0.0.1:1/callback");
    const page = await new Agent({ login: "olga", password: "guess" }).visit(url);
    assert.equal(page.status, 403);
    assert.match(page.text, /do not belong together/);
  });

  test("refuses a redirect that is not on loopback", async () => {
    const { url } = await (await provider.flows()).browser("http://evil.example/callback");
    const page = await new Agent({}).visit(url);
    assert.equal(page.status, 400);
    assert.match(page.text, /redirect_uri/);
  });

  test("logs a device in", async () => {
    const { url, finish } = await (await provider.flows()).device();
    const waiting = finish(AbortSignal.timeout(20_000));
    const page = await new Agent({ login: "ivan", password: "ivan's secret" }).visit(url);
    assert.match(page.text, /Connected/);
    const { identity } = await tokens().verify((await waiting).accessToken);
    assert.equal(identity.name, "Ivan");
  });
});

describe("access tokens", () => {
  const issuer = { url: "", keys: [] as object[] };
  let close: () => void;
  let key: CryptoKey;
  let other: CryptoKey;
  const now = () => 1_700_000_000_000;
  const seconds = now() / 1_000;
  before(async () => {
    const pair = await generateKeyPair("ES256");
    key = pair.privateKey;
    other = (await generateKeyPair("ES256")).privateKey;
    issuer.keys = [{ ...(await exportJWK(pair.publicKey)), kid: "one", alg: "ES256", use: "sig" }];
    const server = createServer((request, response) => {
      const known = request.url === "/.well-known/openid-configuration";
      response.end(
        JSON.stringify(known ? { issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` } : { keys: issuer.keys }),
      );
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    issuer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    close = () => server.close();
  });
  after(() => close());
  const verify = (token: string) =>
    createTokens({ issuer: issuer.url, audience, groupsClaim: "groups" }, now).verify(token);
  const claims = () => ({ iss: issuer.url, aud: audience, sub: "olga", iat: seconds, exp: seconds + 60 });
  const signed = (changes: object, header: object = {}, by = key) =>
    new SignJWT({ ...claims(), ...changes }).setProtectedHeader({ alg: "ES256", kid: "one", ...header }).sign(by);

  test("are taken when everything is right", async () => {
    assert.equal((await verify(await signed({}))).identity.key, `${issuer.url}|olga`);
  });

  test("of a client that speaks for itself name no person, however its provider marks it", async () => {
    const marks = [
      { client_id: "olga" },
      { azp: "olga" },
      { idtyp: "app" },
      { gty: "client-credentials" },
      { preferred_username: "service-account-loader", azp: "loader" },
    ];
    for (const mark of marks)
      assert.equal(
        (await verify(await signed({ ...mark, kind: "person" }))).identity.kind,
        "workload",
        JSON.stringify(mark),
      );
    assert.equal((await verify(await signed({ azp: "console" }))).identity.kind, "person");
  });

  test("are refused: an ID token, even one whose audience is ours", async () => {
    for (const mark of [{ at_hash: "x" }, { c_hash: "x" }, { typ: "ID" }])
      await assert.rejects(verify(await signed(mark)), { code: "login.failed" });
  });

  test("are refused: no signature, another key, a symmetric one made of the public key", async () => {
    const unsigned = new UnsecuredJWT(claims()).encode();
    const symmetric = await new SignJWT(claims())
      .setProtectedHeader({ alg: "HS256", kid: "one" })
      .sign(Buffer.from(JSON.stringify(issuer.keys[0])));
    const own = await signed({}, { jwk: await exportJWK((await generateKeyPair("ES256")).publicKey) }, other);
    for (const token of [unsigned, symmetric, own, "x.y.z", "", "a".repeat(20_000)])
      await assert.rejects(verify(token), { code: "login.failed" });
  });

  test("are refused: another audience, another issuer, ended, not yet valid, without an end, without a subject", async () => {
    const wrong = [
      { aud: "urn:other" },
      { aud: [] },
      { iss: "http://evil.example" },
      { iss: `${issuer.url}/` },
      { nbf: seconds + 3_600 },
      { exp: undefined },
      { sub: undefined },
      { sub: "" },
      { sub: 7 },
    ];
    for (const changes of wrong)
      await assert.rejects(verify(await signed(changes)), { code: "login.failed" }, JSON.stringify(changes));
    await assert.rejects(verify(await signed({ exp: seconds - 60 })), { code: "login.expired" });
  });

  test("are refused when they are tokens for something else", async () => {
    await assert.rejects(verify(await signed({}, { typ: "logout+jwt" })), { code: "login.failed" });
    await assert.rejects(verify(await signed({}, { typ: "dpop+jwt" })), { code: "login.failed" });
  });

  test("say who acts for whom, innermost first", async () => {
    const act = { sub: "agent-2", act: { sub: "agent-1" } };
    const { identity } = await verify(await signed({ act, groups: ["data-owners", 7, ""] }));
    assert.equal(identity.kind, "agent");
    assert.equal(identity.key, `${issuer.url}|agent-2`);
    assert.deepEqual(identity.onBehalfOf, [`${issuer.url}|agent-1`, `${issuer.url}|olga`]);
    assert.deepEqual(identity.groups, ["data-owners"]);
  });

  test("of a client that speaks for itself are never a person's, whatever they claim", async () => {
    const { identity } = await verify(await signed({ sub: "job", client_id: "job", kind: "person" }));
    assert.equal(identity.kind, "workload");
  });

  test("are good while the provider is away, however long; keys that it took back are not, once it answers", async () => {
    let [nowMs, isAway] = [now(), false];
    const server = createServer((request, response) => {
      if (isAway) return void request.socket.destroy();
      const known = request.url === "/.well-known/openid-configuration";
      response.end(JSON.stringify(known ? { issuer: url, jwks_uri: `${url}/jwks` } : { keys: published }));
    });
    let published = issuer.keys;
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const tokens = createTokens({ issuer: url, audience, groupsClaim: "groups" }, () => nowMs);
    const token = await signed({ iss: url, exp: seconds + 86_400 });
    try {
      // What caches keys by the machine's own clock is told the same.
      mock.timers.enable({ apis: ["Date"], now: nowMs });
      await tokens.verify(token);
      isAway = true;
      for (const minutes of [5, 11, 60]) {
        nowMs = now() + minutes * 60_000;
        mock.timers.setTime(nowMs);
        assert.equal((await tokens.verify(token)).identity.key, `${url}|olga`);
      }
      isAway = false;
      published = [];
      nowMs += 60_000;
      mock.timers.setTime(nowMs);
      await assert.rejects(tokens.verify(token), { code: "login.failed" });
    } finally {
      mock.timers.reset();
      server.close();
      server.closeAllConnections();
    }
  });

  test("are refused with another code when the provider cannot be asked", async () => {
    const away = createTokens({ issuer: "http://127.0.0.1:1", audience, groupsClaim: "groups" }, now);
    await assert.rejects(away.verify(await signed({})), { code: "identity.provider" });
  });
});
