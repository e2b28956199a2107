/** A Session opens only under a Grant that lives, with its key and its opening durable first. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Keys } from "../../infra/keys/keys.ts";
import type { GrantId, TaskId } from "../../schemas/identity.ts";
import { closeSession, openSession, type SessionParts } from "../../services/gateway/sessions.ts";
import { createWorld, person, type World } from "./world.ts";

const facts = { wire: "postgres" as const, clientAddress: "10.0.0.1:9", application: "psql", tls: true };

function issue(world: World, id = "g1"): ReturnType<World["feed"]["grants"]["find"]> {
  const task = { id: "t" as TaskId, justification: "j" };
  const times = { issuedAtMs: world.now(), expiresAtMs: world.now() + 1_000 };
  const data = { grant: id, identity: person("ana"), account: "reader", target: "orders", task, ...times };
  world.api.append({ type: "grant.issued", subject: {}, data });
  return world.feed.grants.find(id);
}

function parts(world: World, created: string[] = []): SessionParts {
  const keys: Keys = {
    async create(keyId) {
      assert.equal(world.log.of("session.opened").length, 0, "the key comes first");
      created.push(keyId);
      return Buffer.alloc(32, 1);
    },
    get: () => Promise.resolve(null),
    erase: () => Promise.resolve(),
    tenantKey: () => Promise.resolve(Buffer.alloc(32)),
    close: () => Promise.resolve(),
  };
  const { feed, now } = world;
  return {
    appender: world.gateway,
    keys,
    grants: feed.grants,
    newId: () => "s1",
    now,
    roleOf: () => "reader_role",
    commandsOf: world.gate.commandsOf,
  };
}

describe("a session", () => {
  it("is open when its key and session.opened are durable", async () => {
    const world = createWorld();
    const grant = issue(world)?.grant;
    assert.ok(grant);
    world.log.syncing = false;
    let opened = false;
    const opening = openSession(parts(world), grant, facts).then((session) => {
      opened = true;
      return session;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(world.log.of("session.opened").length, 1);
    assert.equal(opened, false);
    world.log.sync();
    const session = await opening;
    assert.equal(session.role, "reader_role");
    assert.equal(session.ending, null);
    assert.deepEqual(world.log.of("session.opened")[0]?.subject, session.subject);
    closeSession(parts(world), session, { reason: "client left", clientBytes: 1, targetBytes: 2 });
    assert.equal(world.log.of("session.closed")[0]?.data.commands, 0);
  });

  it("is refused for a Grant that is unknown, revoked or over", async () => {
    const world = createWorld();
    const grant = issue(world)?.grant;
    assert.ok(grant);
    await assert.rejects(openSession(parts(world), { ...grant, id: "g2" as GrantId }, facts), { code: "login.failed" });
    world.pass(1_000);
    await assert.rejects(openSession(parts(world), grant, facts), { code: "login.expired" });
    const other = createWorld();
    const revoked = issue(other)?.grant;
    assert.ok(revoked);
    other.api.append({ type: "grant.revoked", subject: {}, data: { grant: "g1", by: "olga", reason: "left" } });
    await assert.rejects(openSession(parts(other), revoked, facts), { code: "login.expired" });
    assert.equal(other.log.of("session.opened").length, 0);
  });

  it("that lost its Grant while it was opened ends at once", async () => {
    const world = createWorld();
    const grant = issue(world)?.grant;
    assert.ok(grant);
    world.log.syncing = false;
    const opening = openSession(parts(world), grant, facts);
    await new Promise((resolve) => setImmediate(resolve));
    world.api.append({ type: "grant.revoked", subject: {}, data: { grant: "g1", by: "olga", reason: "left" } });
    world.log.sync();
    assert.equal((await opening).ending, "the Grant has ended");
  });
});

describe("a Grant", () => {
  it("is found as it was issued first, tells whoever waits, and ends once", () => {
    const world = createWorld();
    const heard: string[] = [];
    world.feed.grants.onGrant((id) => heard.push(id));
    issue(world);
    issue(world);
    assert.deepEqual(heard, ["g1"], "issuing it again changes nothing");
    world.pass(1_000);
    world.gate.tick();
    world.gate.tick();
    assert.equal(world.log.of("grant.expired").length, 1);
    assert.equal(world.feed.grants.find("g1")?.ended, "expired");
    assert.deepEqual(heard, ["g1", "g1"]);
    assert.equal(createWorld({ log: world.log.kept }).feed.grants.find("g1")?.ended, "expired", "also after a restart");
  });
});

describe("Grants that have ended", () => {
  it("are known as such for a day, then forgotten: no more are kept than are issued in a day", () => {
    const world = createWorld();
    const day = 24 * 3_600_000;
    issue(world, "early");
    world.pass(1_001);
    world.gate.tick();
    world.pass(day - 2_000);
    issue(world, "late");
    assert.equal(world.feed.grants.find("early")?.ended, "expired");
    for (let i = 0; i < 100; i++) {
      world.pass(day / 4);
      world.gate.tick();
      issue(world, `g${i}`);
    }
    assert.equal(world.feed.grants.find("early"), null);
    assert.deepEqual(
      world.feed.grants.kept(0).map(({ grant, ended }) => [grant.id, ended]),
      [95, 96, 97, 98, 99].map((i) => [`g${i}`, i === 99 ? null : "expired"]),
    );
  });
});
