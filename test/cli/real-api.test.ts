/** The command line against the real api, with a real identity provider: what the double cannot know. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openFlows } from "../../infra/identity/oidc.ts";
import { type House, openHouse, origin } from "../api/house.ts";
import { workloads } from "../api/provider.ts";
import { type Desk, openDesk } from "./terminal.ts";

let house: House;
let desk: Desk;

before(async () => {
  house = await openHouse();
  desk = await openDesk();
  const inject = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const { pathname, search } = new URL(String(input));
    const line = `${init.method ?? "GET"} ${pathname}${search}`;
    const body = typeof init.body === "string" ? JSON.parse(init.body) : undefined;
    const answer = await house.ask(line, body, { ...(init.headers as Record<string, string>) });
    return new Response(answer.status === 204 ? null : answer.text, {
      status: answer.status,
      headers: { "content-type": String(answer.headers["content-type"] ?? "text/plain") },
    });
  };
  desk.parts = {
    ...desk.parts,
    now: Date.now,
    fetch: inject,
    flows: (client) => openFlows(client, Date.now),
  };
});
after(async () => {
  await desk.close();
  await house.close();
});

async function loginAs(id: string) {
  const secret = join(desk.folder, `${id}.secret`);
  await writeFile(secret, workloads.find((workload) => workload.id === id)?.secret ?? "");
  return desk.run("--profile", id, "login", "--url", origin, "--client-id", id, "--client-secret-file", secret);
}

test("a workload logs in by client credentials and gets a Grant that stands in the log before psql may use it", async () => {
  const login = await loginAs("load");
  assert.equal(login.code, 0, login.err);
  assert.match(login.out, /^logged in {2}load job at test/);
  const { code, out, err } = await desk.run(
    "--profile",
    "load",
    "connect",
    "orders",
    "--as",
    "load",
    "--task",
    "nightly load",
  );
  assert.equal(code, 0, err);
  assert.match(out, /^granted {2}load on orders until/);
  const [issued] = house.types("grant.issued");
  const service = await readFile(desk.parts.serviceFile, "utf8");
  assert.ok(service.includes(`user=load~${issued?.data.grant}`), service);
});

test("disconnect revokes the Grant in the log and takes its entry and its secret out of the user's files", async () => {
  const words = ["--profile", "load", "disconnect", "orders", "--as", "load"];
  const { code, out, err } = await desk.run(...words);
  assert.equal(code, 0, err);
  const [issued] = house.types("grant.issued");
  assert.ok(out.includes(`Grant ${issued?.data.grant} of load on orders is revoked`), out);
  assert.deepEqual(
    house.types("grant.revoked").map((event) => [event.data.grant, event.data.reason]),
    [[issued?.data.grant, "no longer needed"]],
  );
  assert.ok(!(await readFile(desk.parts.serviceFile, "utf8")).includes("load"));
  assert.equal((await readFile(join(desk.parts.configFolder, "pgpass"), "utf8")).trim(), "");
  assert.match((await desk.run(...words)).err, /^error not\.found: .* has no entry \[throughline-orders-load\]/);
});

test("what policy refuses keeps the api's code and hint", async () => {
  const { code, err } = await desk.run(
    "--profile",
    "load",
    "connect",
    "orders",
    "--as",
    "analyst",
    "--task",
    "curious",
  );
  assert.equal(code, 1);
  assert.match(err, /^error access\.denied: .+\n {2}hint {2}.+/);
});

test("approvals and blocks speak the api's own shapes", async () => {
  const open = await desk.run("--profile", "load", "approvals");
  assert.equal(open.out, "Nothing waits for an answer.", open.err);
  const block = await desk.run("--profile", "load", "blocks", "place", "--account", "extract", "--reason", "x");
  assert.match(block.err, /^error access\.denied/);
});

test("a wrong secret is the identity provider's refusal, and nothing is stored", async () => {
  const secret = join(desk.folder, "wrong.secret");
  await writeFile(secret, "not the secret");
  const { code, err } = await desk.run(
    "--profile",
    "wrong",
    "login",
    "--url",
    origin,
    "--client-id",
    "load",
    "--client-secret-file",
    secret,
  );
  assert.equal(code, 1);
  assert.match(err, /^error identity\.provider/);
  assert.match((await desk.run("--profile", "wrong", "chains")).err, /^error login\.failed/);
});
