/** Targets that misbehave during our login: the client reads a clear sentence, and nothing of the credential leaves. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import pg from "pg";
import {
  authenticationOk,
  authenticationSasl,
  authenticationSaslContinue,
  authenticationSaslFinal,
  backendKeyData,
  errorResponse,
  noticeResponse,
  parameterStatus,
  readyForQuery,
} from "../../services/gateway/postgres/messages.ts";
import { passwordFile, World, type WorldOptions } from "./world.ts";

const secret = "the account's own password";
let folder = "";
let file = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bad-target-"));
  file = await passwordFile(folder, secret);
});
after(() => rm(folder, { recursive: true }));

const opened: { world: World; server: Server; sockets: Set<Socket> }[] = [];
afterEach(async () => {
  for (const { world, server, sockets } of opened.splice(0)) {
    await world.stop();
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

/** @param play what the target does with a connection */
async function behind(play: (socket: Socket) => void, options: WorldOptions = {}) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    play(socket);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const world = await World.start({
    ...options,
    target: { address: `127.0.0.1:${port}`, accounts: { loader: { user: "loader", passwordFile: file } } },
  });
  opened.push({ world, server, sockets });
  const granted = world.grant();
  const client = new pg.Client({
    host: "127.0.0.1",
    port: world.entry.port,
    user: granted.user,
    password: granted.secret,
    database: "orders",
  });
  client.on("error", () => undefined);
  return { world, client, sockets, server };
}

/** Answers the startup packet; whatever is said next ends the connection. */
const answer = (bytes: Buffer) => (socket: Socket) => {
  socket.once("data", () => {
    socket.write(bytes);
    socket.once("data", () => socket.end());
  });
};

const bad: readonly [name: string, play: (socket: Socket) => void, code: string][] = [
  ["hangs up", (socket) => socket.destroy(), "08006"],
  ["answers with garbage", answer(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")), "08006"],
  ["answers with two gigabytes", answer(Buffer.from([0x52, 0x7f, 0xff, 0xff, 0xff])), "08006"],
  ["asks for the cleartext password without TLS", answer(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3])), "08004"],
  ["asks for Kerberos", answer(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 7])), "08004"],
  ["offers SCRAM-SHA-1 only", answer(authenticationSasl(["SCRAM-SHA-1"])), "08004"],
  ["ends its error in the middle", answer(Buffer.from([0x45, 0, 0, 0, 8, 0x43, 0x32, 0x38, 0x50])), "08006"],
  [
    "turns SQL strings into another language",
    answer(
      Buffer.concat([authenticationOk(), parameterStatus("standard_conforming_strings", "off"), readyForQuery("I")]),
    ),
    "08004",
  ],
  [
    "speaks an encoding that hides quotes",
    answer(Buffer.concat([authenticationOk(), parameterStatus("client_encoding", "SJIS"), readyForQuery("I")])),
    "08004",
  ],
  [
    "quotes the account in its refusal",
    answer(errorResponse({ severity: "FATAL", code: "28P01", message: `no: ${secret}`, detail: secret })),
    "08004",
  ],
];

for (const [name, play, code] of bad) {
  test(`a target that ${name} ends the login with ${code}`, async () => {
    const { world, client, sockets } = await behind(play);
    await assert.rejects(client.connect(), { code });
    const { refusal } = await world.heard("refused");
    assert.match(refusal.code, /^target\./);
    assert.ok(!JSON.stringify([world.said, world.faults.map(String)]).includes(secret));
    while (sockets.size > 0) await once([...sockets][0]!, "close");
  });
}

test("a target that does not know the password itself is not believed", async () => {
  const { client } = await behind((socket) => {
    socket.once("data", () => {
      socket.write(authenticationSasl(["SCRAM-SHA-256"]));
      socket.once("data", (initial: Buffer) => {
        const nonce = /r=(.*)$/.exec(initial.toString("latin1"))?.[1];
        socket.write(authenticationSaslContinue(`r=${nonce}X,s=QUFBQQ==,i=4096`));
        socket.once("data", () => {
          const forged = createHash("sha256").update("guess").digest("base64");
          socket.write(Buffer.concat([authenticationSaslFinal(`v=${forged}`), authenticationOk(), readyForQuery("I")]));
        });
      });
    });
  });
  await assert.rejects(client.connect(), { code: "08004", message: /did not prove/ });
});

test("a target that says nothing costs the client its time limit, and both connections are closed", async () => {
  const { world, client, sockets } = await behind((socket) => socket.resume(), { limits: { loginWaitMsMax: 200 } });
  await assert.rejects(client.connect(), { code: "08006", message: /too long/ });
  assert.equal((await world.heard("refused")).refusal.code, "login.timeout");
  while (sockets.size > 0) await once([...sockets][0]!, "close");
  assert.equal(world.entry.pending, 0);
});

test("notices of the target's login stay inside; its parameters and readiness are passed on, its key is not", async () => {
  const targetKey = Buffer.from("cafe", "hex");
  const { client, world } = await behind(
    answer(
      Buffer.concat([
        authenticationOk(),
        parameterStatus("server_version", "99.1"),
        backendKeyData(4711, Buffer.concat([targetKey, targetKey])),
        noticeResponse({ severity: "NOTICE", code: "00000", message: secret }),
        readyForQuery("I"),
      ]),
    ),
  );
  const notices: unknown[] = [];
  client.on("notice", (notice) => notices.push(notice));
  await client.connect();
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  assert.notEqual(processID, 4711);
  assert.notEqual(secretKey >>> 0, 0xcafecafe);
  assert.deepEqual(notices, []);
  await world.heard("opened");
  await client.end();
  await world.heard("closed");
});

test("the settings of the client reach the target one by one, under the account's own name", async () => {
  let startup = "";
  const { client } = await behind((socket) => {
    socket.once("data", (bytes: Buffer) => {
      startup = bytes.toString("utf8", 8);
      socket.destroy();
    });
  });
  await assert.rejects(client.connect());
  const settings = "client_encoding\0UTF8\0standard_conforming_strings\0on\0";
  assert.equal(startup.replaceAll("'", ""), `user\0loader\0database\0orders\0${settings}\0`);
});
