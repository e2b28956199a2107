/** SCRAM: the vectors of RFC 7677, and what must not pass. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  createStretch,
  ScramClient,
  ScramServer,
  type ServerTerms,
  verifierKeys,
} from "../../services/gateway/postgres/scram.ts";

const stretch = createStretch(2);
const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
const clientNonce = "rOprNGfwEbeRWgbNEkqO";
const serverNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const clientFirst = `n,,n=user,r=${clientNonce}`;
const serverFirst = `r=${clientNonce}${serverNonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`;
const clientFinal = `c=biws,r=${clientNonce}${serverNonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`;
const serverFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
const terms: ServerTerms = { mechanism: "SCRAM-SHA-256", binding: null, nonce: serverNonce, salt, iterations: 4096 };
const keys = async (password: string) => verifierKeys(await stretch(password, salt, 4096));

test("the side that checks says what RFC 7677 says", async () => {
  const server = new ScramServer(terms);
  assert.equal(server.first(clientFirst), serverFirst);
  server.final(clientFinal);
  assert.equal(server.verify(await keys("pencil")), serverFinal);
});

test("the side that proves says what RFC 7677 says", async () => {
  const client = new ScramClient({ user: "user", binding: null, couldBind: false, nonce: clientNonce });
  assert.equal(client.first(), clientFirst);
  assert.equal(await client.final(serverFirst, "pencil", stretch), clientFinal);
  client.confirm(serverFinal);
  assert.throws(() => client.confirm(serverFinal.replace("6rri", "6rrj")), { code: "target.refused" });
});

test("another password does not verify", async () => {
  const server = new ScramServer(terms);
  server.first(clientFirst);
  server.final(clientFinal);
  assert.equal(server.verify(await keys("pencils")), null);
});

const binding = Buffer.alloc(32, 7);

async function conversation(offered: Buffer | null, seen: Buffer | null, plus: boolean, couldBind: boolean) {
  const mechanism = plus ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256";
  const server = new ScramServer({ ...terms, mechanism, binding: offered });
  const client = new ScramClient({ binding: plus ? seen : null, couldBind, nonce: "abc" });
  const final = await client.final(server.first(client.first()), "pencil", stretch);
  server.final(final);
  const answer = server.verify(await keys("pencil"));
  assert.notEqual(answer, null);
  client.confirm(answer!);
}

test("bound to the certificate both sides see, it passes; bound to another one, it fails", async () => {
  await conversation(binding, binding, true, true);
  await assert.rejects(conversation(binding, Buffer.alloc(32, 8), true, true), { code: "login.failed" });
});

test("a client that could bind but was told there is no binding is refused when there was", async () => {
  await conversation(null, null, false, true);
  await assert.rejects(conversation(binding, null, false, true), { code: "login.failed" });
  await conversation(binding, null, false, false);
});

test("nonces, headers and proofs that do not belong here are refused", () => {
  const malformed = { code: "frame.malformed" };
  for (const first of [
    "",
    "n",
    "n,,",
    "n,a=root,n=,r=x",
    "x,,n=,r=x",
    "n,,n=,r=",
    "p=tls-unique,,n=,r=x",
    "n,,m=1,n=,r=x",
  ]) {
    assert.throws(() => new ScramServer(terms).first(first), malformed, first);
  }
  for (const final of [
    "",
    "c=biws",
    clientFinal.replace("r=r", "r=s"),
    clientFinal.replace("p=d", "p=!"),
    "c=biws,r=x,p=",
  ]) {
    const server = new ScramServer(terms);
    server.first(clientFirst);
    assert.throws(() => server.final(final), malformed, final);
  }
  const moved = new ScramServer(terms);
  moved.first(clientFirst);
  assert.throws(() => moved.final(clientFinal.replace("c=biws", "c=eSws")), { code: "login.failed" });
});

test("a target that asks for a nonce of its own, or for minutes of hashing, is refused", async () => {
  const client = new ScramClient({ binding: null, couldBind: false, nonce: clientNonce });
  const bad = ["", "r=other,s=AAAA,i=1", `r=${clientNonce},s=AAAA,i=1`, serverFirst.replace("4096", "99999999")];
  for (const first of bad) await assert.rejects(client.final(first, "x", stretch), { code: "frame.malformed" });
});

test("random text is an error with a code, never another", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (first, final) => {
      const server = new ScramServer(terms);
      assert.throws(
        () => {
          server.first(first);
          server.final(final);
        },
        { name: "ThroughlineError" },
      );
    }),
  );
});

test("no more hashes run at once than allowed, and each gets its turn", async () => {
  const two = createStretch(2);
  const all = await Promise.all(Array.from({ length: 9 }, (_, n) => two(`p${n}`, salt, 10)));
  assert.equal(new Set(all.map((key) => key.toString("hex"))).size, 9);
});
