/** Bytes that should not come in: each ends that connection with a clear error and an event, and stalls nobody else. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { afterEach, test } from "node:test";
import fc from "fast-check";
import {
  cancelRequest,
  reportFields,
  saslInitialResponse,
  saslResponse,
  sslRequest,
  startupMessage,
} from "../../services/gateway/postgres/messages.ts";
import { Peer, World, type WorldOptions } from "./world.ts";

const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

async function world(options: WorldOptions = {}): Promise<World> {
  const started = await World.start(options);
  worlds.push(started);
  return started;
}

function bytes(...words: readonly number[]): Buffer {
  const out = Buffer.alloc(words.length * 4);
  for (const [index, word] of words.entries()) out.writeUInt32BE(word, index * 4);
  return out;
}

/** The SQLSTATE of the one ErrorResponse that came. */
async function stateOf(peer: Peer): Promise<string | undefined> {
  return reportFields(await peer.ended).get("C");
}

const user = { user: "loader~g1-aaaaaaaaaaaaaaaa" };

const malformed: readonly [name: string, packet: Buffer, code: string, event: string][] = [
  ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "08P01", "frame.too_large"],
  ["an SSH banner", Buffer.from("SSH-2.0-OpenSSH_9.2\r\n"), "08P01", "frame.too_large"],
  ["a length of two gigabytes", bytes(0x7fffffff, 196608), "08P01", "frame.too_large"],
  ["a negative length", bytes(0xffffffff, 196608), "08P01", "frame.too_large"],
  ["a length of zero", bytes(0, 0), "08P01", "frame.malformed"],
  ["a length of seven", bytes(7, 196608), "08P01", "frame.malformed"],
  ["no parameters at all", bytes(8, 196608), "08P01", "frame.malformed"],
  ["a name without an end", Buffer.concat([bytes(12, 196608), Buffer.from("user")]), "08P01", "frame.malformed"],
  ["a name without a value", Buffer.concat([bytes(13, 196608), Buffer.from("user\0")]), "08P01", "frame.malformed"],
  ["no user", startupMessage(196608, new Map([["database", "orders"]])), "08P01", "frame.malformed"],
  ["an empty user", startupMessage(196608, new Map([["user", ""]])), "08P01", "frame.malformed"],
  [
    "bytes behind the end",
    Buffer.concat([bytes(18, 196608), Buffer.from("user\0a\0\0!!")]),
    "08P01",
    "frame.malformed",
  ],
  ["protocol 2", bytes(8, 0x00020000), "0A000", "login.unsupported"],
  ["protocol 4", startupMessage(0x00040000, new Map(Object.entries(user))), "0A000", "login.unsupported"],
  ["TLS where there is none", Buffer.from("160301020001000001fc0303", "hex"), "08P01", "frame.malformed"],
  ["a cancel request that is too short", bytes(12, 80877102, 1), "08P01", "frame.malformed"],
  [
    "replication",
    startupMessage(196608, new Map([...Object.entries(user), ["replication", "database"]])),
    "0A000",
    "login.unsupported",
  ],
];

for (const [name, packet, code, event] of malformed) {
  test(`${name} is turned away with ${code}`, async () => {
    const at = await world();
    assert.equal(await stateOf(new Peer(at.entry.port).send(packet)), code);
    assert.equal((await at.heard("refused")).refusal.code, event);
    assert.deepEqual(at.faults, []);
  });
}

const settings: readonly [options: Record<string, string>, why: RegExp][] = [
  [{ options: "-c role=admin" }, /role/],
  [{ options: "--role=admin" }, /role/],
  [{ options: "-crole=admin" }, /role/],
  [{ options: "-c ro\\le=admin" }, /role/],
  [{ options: "-c session-authorization=admin" }, /session_authorization/],
  [{ ROLE: "admin" }, /role/],
  [{ session_replication_role: "replica" }, /triggers/],
  [{ client_encoding: "SJIS" }, /client_encoding/],
  [{ options: "-c client_encoding=gbk" }, /client_encoding/],
  [{ standard_conforming_strings: "off" }, /standard_conforming_strings/],
  [{ backslash_quote: "on" }, /backslash_quote/],
  [{ local_preload_libraries: "x" }, /local_preload_libraries/],
  [{ options: "-d 5" }, /options/],
  [{ options: "-c" }, /options/],
  [{ options: "-c search_path" }, /options/],
  [{ options: "-c user=postgres" }, /setting/],
];

test("settings that would change what a statement means, or load code, are refused by name", async () => {
  const at = await world();
  for (const [parameters, why] of settings) {
    const answer = reportFields(await new Peer(at.entry.port).startup({ ...user, ...parameters }).ended);
    assert.equal(answer.get("C"), "0A000", JSON.stringify(parameters));
    assert.match(answer.get("M") ?? "", why);
    at.nowMs += 60_000;
  }
});

test("an unknown minor version and unknown protocol options are negotiated, not refused", async () => {
  const at = await world();
  const peer = new Peer(at.entry.port).startup({ ...user, "_pq_.wish": "1" }, 0x0003270f);
  const answer = await peer.message();
  assert.equal(String.fromCharCode(answer[0]!), "v");
  assert.equal(answer.readUInt32BE(5), 0x00030002);
  assert.equal(answer.toString("latin1", 9), "\0\0\0\x01_pq_.wish\0");
  assert.equal((await peer.message()).readUInt32BE(5), 10);
  peer.socket.destroy();
  assert.equal((await at.heard("refused")).refusal.code, "login.abandoned");
});

test("GSS encryption is declined, and the login goes on; without a certificate so is TLS", async () => {
  const at = await world();
  const peer = new Peer(at.entry.port).send(bytes(8, 80877104));
  assert.equal((await peer.take(1)).toString(), "N");
  peer.send(sslRequest());
  assert.equal((await peer.take(1)).toString(), "N");
  assert.equal((await peer.startup(user).message()).readUInt32BE(5), 10);
  peer.socket.destroy();
});

test("one encryption request after the other ends the connection", async () => {
  const at = await world();
  const peer = new Peer(at.entry.port);
  for (let n = 0; n < 3; n += 1) peer.send(sslRequest());
  assert.match((await peer.ended).toString("latin1"), /^NNNE.*08P01/s);
});

test("half a startup packet and then silence costs a place only until the time is up", async () => {
  const at = await world({ limits: { loginWaitMsMax: 100 } });
  const half = new Peer(at.entry.port).send(bytes(100, 196608));
  assert.equal(await stateOf(half), "08006");
  assert.equal((await at.heard("refused")).refusal.code, "login.timeout");
  assert.equal(at.entry.pending, 0);
});

test("half a startup packet and then a hang-up is an event", async () => {
  const at = await world();
  const half = new Peer(at.entry.port).send(bytes(100, 196608));
  half.socket.end();
  assert.equal((await at.heard("refused")).refusal.code, "login.abandoned");
});

test("a port check, which says nothing and leaves, is not an event", async () => {
  const at = await world();
  const check = new Peer(at.entry.port);
  check.socket.end();
  await check.ended;
  const next = new Peer(at.entry.port).send(bytes(0, 0));
  await next.ended;
  assert.deepEqual(at.refusals(), ["frame.malformed"]);
});

const wrongAnswers: readonly [name: string, answer: Buffer][] = [
  ["a password that is two gigabytes long", Buffer.from([0x70, 0x7f, 0xff, 0xff, 0xff])],
  ["a query", Buffer.from("5100000006310a00", "hex")],
  ["a mechanism that was not offered", saslInitialResponse("SCRAM-SHA-1", "n,,n=,r=x")],
  ["a binding that was not offered", saslInitialResponse("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=x")],
  ["a SASL response whose length lies", Buffer.from("700000000a58000000ffff", "hex")],
  ["an empty password", Buffer.from([0x70, 0, 0, 0, 4])],
];

for (const [name, answer] of wrongAnswers) {
  test(`in the middle of a login, ${name} is turned away with 08P01`, async () => {
    const at = await world();
    const peer = new Peer(at.entry.port).startup(user);
    await peer.message();
    peer.send(answer);
    assert.equal(await stateOf(peer), "08P01");
    const { refusal } = await at.heard("refused");
    assert.match(refusal.code, /^frame\./);
    assert.equal(refusal.claimedUser, user.user);
  });
}

test("what a peer claims is bounded and cannot move a terminal where it is written down", async () => {
  const at = await world();
  await new Peer(at.entry.port).startup({ user: `\x1b[2J${"x".repeat(5000)}`, replication: "on" }).ended;
  const peer = new Peer(at.entry.port).startup({ user: `\x1b[2J${"x".repeat(5000)}` });
  await peer.message();
  peer.send(saslInitialResponse("SCRAM-SHA-256", "n,,n=,r=x"));
  const challenge = (await peer.message()).toString("utf8", 9);
  const nonce = /r=([^,]*)/.exec(challenge)?.[1];
  peer.send(saslResponse(`c=biws,r=${nonce},p=${Buffer.alloc(32).toString("base64")}`));
  assert.equal(await stateOf(peer), "28P01");
  for (const said of at.said) {
    assert.ok(said.type === "refused" && said.refusal.claimedUser.length <= 64);
    assert.ok(!JSON.stringify(said).includes("\\u001b"));
  }
});

test("silent connections make way, the oldest first, when the places are taken", async () => {
  const at = await world({ limits: { loginsPendingMax: 3 } });
  const silent: Peer[] = [];
  for (let n = 0; n < 3; n += 1) {
    const peer = new Peer(at.entry.port).startup(user);
    await peer.message();
    silent.push(peer);
  }
  const late = new Peer(at.entry.port).startup(user);
  assert.equal((await late.message()).readUInt32BE(5), 10);
  assert.equal(await stateOf(silent[0]!), "53300");
  assert.deepEqual(at.refusals(), ["login.crowded"]);
  assert.equal(at.entry.pending, 3);
  for (const peer of [...silent, late]) peer.socket.destroy();
});

test("beyond a number of failures a network's strangers are turned away early; a Grant that exists is not", async () => {
  const at = await world({ limits: { loginFailuresPerMinuteMax: 3 } });
  for (let n = 0; n < 5; n += 1) await new Peer(at.entry.port).send(bytes(0, 0)).ended;
  assert.equal(at.refusals().length, 3);
  const stranger = reportFields(await new Peer(at.entry.port).startup(user).ended);
  assert.equal(stranger.get("C"), "28000");
  assert.match(stranger.get("M") ?? "", /too many failed/);
  const known = new Peer(at.entry.port).startup({ user: at.grant().user });
  assert.equal((await known.message()).readUInt32BE(5), 10);
  known.socket.destroy();
  at.nowMs += 60_000;
  const later = new Peer(at.entry.port).startup(user);
  assert.equal((await later.message()).readUInt32BE(5), 10);
  later.socket.destroy();
  await at.entry.close();
  const counted = at.said.find((said) => said.type === "refused" && said.refusal.code === "login.rate");
  assert.ok(counted?.type === "refused");
  assert.match(counted.refusal.reason, /^3 more/);
});

test("guesses at one Grant's secret stop being hashed after that number", async () => {
  const at = await world({ limits: { loginFailuresPerMinuteMax: 2 } });
  const { user: name } = at.grant();
  const guess = async () => {
    const peer = new Peer(at.entry.port).startup({ user: name });
    if ((await peer.message())[0] === 0x45) return "early";
    peer.send(saslInitialResponse("SCRAM-SHA-256", "n,,n=,r=x"));
    const nonce = /r=([^,]*)/.exec((await peer.message()).toString("utf8", 9))?.[1];
    peer.send(saslResponse(`c=biws,r=${nonce},p=${Buffer.alloc(32).toString("base64")}`));
    return stateOf(peer);
  };
  assert.deepEqual([await guess(), await guess(), await guess()], ["28P01", "28P01", "early"]);
});

test("closing tells those who are logging in, and waits for nobody", async () => {
  const at = await world();
  const peer = new Peer(at.entry.port).startup(user);
  await peer.message();
  const closed = at.entry.close();
  assert.equal(await stateOf(peer), "57P03");
  await closed;
  assert.equal(at.entry.pending, 0);
});

test("a cancel request for nobody gets no answer, and is an event", async () => {
  const at = await world();
  assert.equal((await new Peer(at.entry.port).send(cancelRequest(1, Buffer.alloc(32))).ended).length, 0);
  assert.deepEqual(at.refusals(), ["cancel.unknown"]);
});

test("random bytes, cut anywhere, in any state: the entrance lives and no place stays taken", async () => {
  const at = await world({ limits: { loginFailuresPerMinuteMax: 1_000_000 } });
  const opening = fc.constantFrom(
    Buffer.alloc(0),
    sslRequest(),
    startupMessage(196608, new Map(Object.entries(user))),
    Buffer.concat([
      startupMessage(0x00030002, new Map(Object.entries(user))),
      saslInitialResponse("SCRAM-SHA-256", "n,,n=,r=x"),
    ]),
    bytes(16, 80877102),
  );
  await fc.assert(
    fc.asyncProperty(
      opening,
      fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }),
      fc.boolean(),
      async (first, parts, reset) => {
        const peer = new Peer(at.entry.port).send(first);
        for (const part of parts) peer.send(part);
        if (reset) peer.socket.once("connect", () => peer.socket.resetAndDestroy());
        else peer.socket.end();
        await peer.ended;
      },
    ),
    { numRuns: 200 },
  );
  const big = new Peer(at.entry.port).startup(user);
  await big.message();
  big.send(randomBytes(4 * 1024 * 1024));
  await big.ended;
  const alive = new Peer(at.entry.port).startup(user);
  assert.equal((await alive.message()).readUInt32BE(5), 10);
  alive.socket.destroy();
  await at.heard("refused", (said) => said.refusal.code === "login.abandoned");
  await at.entry.close();
  assert.equal(at.entry.pending, 0);
  assert.deepEqual(at.faults, []);
});
