/** Promises 1, 5 and 7 at the gate: what is recorded, that nothing in it is clear text, and that what does not fit does not run. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { open } from "../../infra/keys/seal.ts";
import type { DecidedFacts } from "../../infra/log/entry.ts";
import { foldedData } from "../../infra/log/fold.ts";
import type { ResourceUri } from "../../schemas/command.ts";
import { limits } from "../../schemas/limits.ts";
import { withoutPasswords } from "../../services/gateway/password.ts";
import {
  answers,
  command,
  createWorld,
  customers,
  deletes,
  effect,
  evidence,
  person,
  reading,
  staging,
} from "./world.ts";

const ana = person("ana");
const plain = reading([effect("read", [staging])]);

describe("a decision's record", () => {
  it("says who, as what, for what, from where, what and why, and is the JSON of what is folded", async () => {
    const world = createWorld();
    const session = await world.session(ana);
    const one = command(
      session,
      "SELECT 1",
      reading([effect("read", [customers])], { shows: [`${customers}#email` as ResourceUri] }),
    );
    const judgement = world.judge(session, one);
    const kept = world.log.kept.at(-1);
    const envelope = JSON.parse(kept?.json ?? "");
    assert.equal(judgement.ticket, world.log.kept.length);
    assert.equal(envelope.type, "command.decided");
    assert.equal(envelope.command, one.id);
    assert.equal(envelope.session, session.id);
    assert.equal(envelope.identity, ana.key);
    assert.equal(envelope.account, "loader");
    assert.equal(envelope.task, "nightly");
    assert.equal(envelope.target, "orders");
    assert.equal(envelope.clientaddress, "127.0.0.1:5");
    assert.equal(envelope.grantid, session.grant.id);
    assert.deepEqual(kept?.entry.subject, { ...session.subject, command: one.id });
    const { data } = envelope;
    assert.equal(data.ruling, "mask");
    assert.deepEqual(data.masks, [`${customers}#email`]);
    assert.equal(open(session.key, data.text.sealed), "SELECT 1");
    assert.equal(data.policy, world.policy.version);
    const facts = kept?.entry.data;
    assert.deepEqual(facts, foldedData("command.decided", data));
    assert.deepEqual((facts as DecidedFacts).details?.statements, data.statements);
  });

  it("of a repeated text is made from the same parts, with the command's own id and parameters", async () => {
    const world = createWorld();
    const session = await world.session(ana);
    for (const parameters of [[], [], ["a", null]])
      world.judge(session, command(session, "SELECT $1", plain, { parameters }));
    const [first, second, third] = world.log.kept.slice(-3).map(({ json }) => JSON.parse(json));
    assert.equal(first.data.text.sealed, second.data.text.sealed, "a text is encrypted once per session");
    assert.notEqual(first.command, second.command);
    assert.equal(third.data.parameterCount, 2);
    assert.deepEqual(JSON.parse(open(session.key, third.data.parameters.sealed)), ["a", null]);
    const other = await world.session(ana);
    world.judge(other, command(other, "SELECT $1", plain));
    const elsewhere = JSON.parse(world.log.kept.at(-1)?.json ?? "");
    assert.notEqual(elsewhere.data.text.sealed, first.data.text.sealed);
    assert.equal(elsewhere.data.text.hash, first.data.text.hash, "equal texts can be found");
  });

  it("exists for every outcome, refusals and refused previews too; an allowed preview leaves none", async () => {
    const world = createWorld({ policy: `permit (principal, action == Action::"read", resource);` });
    const session = await world.session(ana);
    const refused = command(session, "DELETE", deletes());
    assert.equal(world.judge(session, refused).verdict.ruling, "block");
    const before = world.log.kept.length;
    assert.equal(
      world.gate.preview(session, command(session, "SELECT", plain, { kind: "parse" })).verdict.ruling,
      "allow",
    );
    assert.equal(world.log.kept.length, before);
    assert.equal(
      world.gate.preview(session, command(session, "DELETE", deletes(), { kind: "parse" })).verdict.ruling,
      "block",
    );
    assert.deepEqual(
      world.log.of("command.decided").map((entry) => entry.data.ruling),
      ["block", "block"],
    );
  });

  it("says which parameter types the client gave", async () => {
    const world = createWorld();
    const session = await world.session(ana);
    world.judge(session, command(session, "SELECT f($1)", plain, { parameters: ["1"] }));
    world.judge(session, command(session, "SELECT f($1)", plain, { parameters: ["1"], parameterTypes: [25] }));
    world.judge(session, command(session, "SELECT f($1)", plain, { parameterTypes: [23] }));
    const told = world.log.kept.slice(-3).map(({ json }) => JSON.parse(json).data.parameterTypes);
    assert.deepEqual(told, [undefined, [25], [23]]);
  });

  it("leaves for a refused preview with a ticket to wait for", async () => {
    const world = createWorld({ policy: `permit (principal, action == Action::"read", resource);` });
    const session = await world.session(ana);
    world.log.syncing = false;
    const { ticket } = world.gate.preview(session, command(session, "DELETE", deletes(), { kind: "parse" }));
    assert.ok(ticket > 0);
    assert.equal(world.gate.isDurable(session, ticket), false);
  });

  it("names a large text that could not be put away as missing; a log without room for that ends nothing", async () => {
    const puts: (() => void)[] = [];
    const put = () => new Promise<string>((_, failed) => puts.push(() => failed(new Error("no room"))));
    const none = { get: () => Promise.reject(new Error("unused")), has: () => Promise.resolve(false) };
    const world = createWorld({ parts: { blobs: { put, ...none } } });
    const session = await world.session(ana);
    for (const letter of ["a", "b"])
      world.gate.recordFailed(session, command(session, letter.repeat(20_000), plain, { kind: "parse" }));
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    world.log.full = true;
    puts[0]?.();
    await turn();
    assert.equal(world.log.of("recording.gap").length, 0);
    world.log.full = false;
    puts[1]?.();
    await turn();
    assert.deepEqual(
      world.log.of("recording.gap").map(({ data }) => data.reason),
      ["no room"],
    );
  });

  it("of a Parse that failed at the target claims no effect", async () => {
    const world = createWorld();
    const session = await world.session(ana);
    const ticket = world.gate.recordFailed(session, command(session, "DELETE", deletes(), { kind: "parse" }));
    assert.equal(world.gate.isDurable(session, ticket), true);
    assert.deepEqual(world.log.of("command.decided").at(-1)?.data.effects, []);
  });

  it("is what results wait for", async () => {
    const world = createWorld();
    const session = await world.session(ana);
    world.log.syncing = false;
    const { ticket } = world.judge(session, command(session, "SELECT", plain));
    let heard = 0;
    const stop = world.gate.onDurable(() => {
      heard += 1;
    });
    assert.equal(world.gate.isDurable(session, ticket), false);
    world.log.sync();
    assert.equal(world.gate.isDurable(session, ticket), true);
    stop();
    world.log.sync();
    assert.equal(heard, 1);
  });

  it("is followed by what came of it", async () => {
    const world = createWorld();
    const session = await world.session(ana);
    const judgement = world.judge(session, command(session, "SELECT", plain));
    const about = {
      rows: 3,
      bytes: 10,
      tag: "SELECT 3",
      code: null,
      durationUs: 5,
      shown: true,
      undone: [],
      lasted: [],
    };
    world.gate.finished(session, judgement, { outcome: "ok", ...about });
    world.gate.masked(session, judgement, [{ resource: `${customers}#email`, tag: "", count: 3 }]);
    const [finished, masked] = world.log.kept.slice(-2).map(({ json }) => JSON.parse(json));
    assert.equal(finished.command, judgement.command.id);
    assert.equal(finished.data.rows, 3);
    assert.deepEqual(masked.data.columns, [{ resource: `${customers}#email`, tag: "pii.email", count: 3 }]);
    assert.equal(world.gate.commandsOf(session), 1);
  });
});

describe("what does not fit", () => {
  it("by its text goes to Blobs, whole and encrypted, before the record names it", async () => {
    const world = createWorld();
    const session = await world.session(ana);
    const text = `SELECT '${"ä".repeat(20_000)}'`;
    const judgement = await world.gate.judge(session, command(session, text, plain), [], false);
    const { data } = JSON.parse(world.log.kept.at(-1)?.json ?? "");
    assert.equal(judgement.verdict.ruling, "allow");
    assert.equal(data.text.bytes, Buffer.byteLength(text));
    const stored = world.blobs.get(data.text.reference);
    assert.equal(open(session.key, stored?.toString("base64") ?? ""), text);
  });

  it("by its effects is refused, and says so", async () => {
    const world = createWorld();
    const session = await world.session(ana);
    const many = Array.from({ length: 3_000 }, (_, index) => `orders/public.a_table_with_a_long_name_${index}`);
    const judgement = world.judge(session, command(session, "SELECT", reading([effect("read", many)])));
    assert.equal(judgement.verdict.ruling, "block");
    assert.deepEqual(judgement.verdict.because, ["record.too_large"]);
    const kept = world.log.kept.at(-1);
    assert.ok((kept?.json.length ?? 0) < 10_000);
    assert.equal(kept?.entry.type === "command.decided" && kept.entry.data.ruling, "block");
  });

  it("of a COMMIT that must be asked about and makes more last than can be asked is refused too", async () => {
    const world = createWorld();
    const session = await world.session(ana);
    world.log.eventBytesMax = limits.eventBytesMax;
    const commits = Array.from({ length: 500 }, (_, i) => {
      const written = effect("delete", [], [`orders/public.table_${i}#column_of_some_length`, staging], true);
      return { command: `c${i}`, effect: written };
    });
    const lasting = reading([], { transaction: { kind: "commit" } });
    const judgement = world.judge(session, command(session, "COMMIT", lasting), commits);
    assert.equal(judgement.verdict.ruling, "block");
    assert.ok(judgement.verdict.because.includes("record.too_large"));
    assert.equal(world.log.of("command.intended").length, 0);
    assert.equal(world.log.of("command.decided").at(-1)?.data.ruling, "block");
  });

  it("because the log is full is refused, and nothing else of the session is lost", async () => {
    const world = createWorld();
    const session = await world.session(ana);
    world.log.full = true;
    const judgement = world.judge(session, command(session, "SELECT", plain));
    assert.deepEqual(judgement.verdict.because, ["log.full"]);
    assert.equal(world.gate.isDurable(session, judgement.ticket), true, "the refusal itself may leave");
    assert.equal(world.gate.preview(session, command(session, "DELETE", deletes())).verdict.ruling, "allow");
    world.log.full = false;
    assert.equal(world.judge(session, command(session, "SELECT", plain)).verdict.ruling, "allow");
  });
});

describe("no record", () => {
  const secret = "s3cret-Xq7";

  it("of any kind carries text, parameters or passwords in the clear", async () => {
    const world = createWorld();
    world.answer = () => ({ ruling: "hold", enforced: [evidence("chain", "e1")], sentence: "held" });
    const session = await world.session(ana);
    const held = world.judge(session, command(session, `DELETE ${secret}`, deletes(), { parameters: [secret] }));
    answers(world, held, person("olga", "owners"));
    world.judge(session, command(session, `DELETE ${secret}`, deletes(), { parameters: [secret] }));
    world.gate.preview(session, command(session, secret, reading([effect("grant", [], [staging])]), { kind: "parse" }));
    world.gate.recordFailed(session, command(session, secret, plain, { parameters: [secret] }));
    await world.gate.judge(session, command(session, secret + "x".repeat(20_000), plain), [], false);
    const everything = [world.log.bytes(), ...[...world.blobs.values()].map(String)].join("\n");
    assert.ok(world.log.kept.length > 10);
    assert.equal(everything.includes(secret), false);
    assert.equal(everything.includes(Buffer.from(secret).toString("base64").slice(0, 10)), false);
    assert.equal(everything.includes(Buffer.from(session.key).toString("base64")), false);
  });

  it("carries a password even for those who hold the key", async () => {
    const world = createWorld();
    const session = await world.session(ana);
    world.judge(
      session,
      command(session, `ALTER ROLE x PASSWORD '${secret}'`, reading([effect("grant", [], ["orders/x"])])),
    );
    const { data } = JSON.parse(world.log.kept.at(-1)?.json ?? "");
    assert.equal(open(session.key, data.text.sealed), "ALTER ROLE x PASSWORD '•••'");
  });
});

describe("password literals", () => {
  const secret = "s3cretXq7";
  const shapes = [
    `CREATE ROLE bob LOGIN PASSWORD '${secret}'`,
    `alter user x encrypted password\n/* hi ' */ '${secret}'\n'more' VALID UNTIL 'x'`,
    `ALTER ROLE x PASSWORD E'${secret}\\'more'`,
    `ALTER ROLE x PASSWORD U&'${secret}'`,
    `ALTER ROLE x PASSWORD $a$${secret}$a$; select 'ok'`,
    `ALTER ROLE x PASSWORD '${secret}`,
    `ALTER ROLE x PASSWORD 'a\\'${secret}'`,
    `DO $$ BEGIN EXECUTE 'ALTER ROLE x PASSWORD ''${secret}'''; END $$`,
    `SELECT dblink_connect('host=x password=${secret} user=y')`,
    `CREATE USER MAPPING FOR x SERVER s OPTIONS (user 'u', password '${secret}')`,
    `CREATE SUBSCRIPTION s CONNECTION 'host=a password=''${secret}''' PUBLICATION p`,
    `UPDATE users SET password = '${secret}'`,
  ];
  for (const shape of shapes)
    it(`are cut from ${shape.replace(secret, "…").replaceAll("\n", " ")}`, () => {
      assert.equal(withoutPasswords(shape).includes(secret), false);
    });

  it("are cut whatever whitespace and comments stand between", () => {
    const noise = fc.constantFrom(" ", "\n", "\t", "/* ' */", "/* /* x */ */", "-- '\n");
    fc.assert(
      fc.property(
        fc.array(noise, { minLength: 1, maxLength: 5 }),
        fc.array(noise, { maxLength: 5 }),
        (before, between) => {
          const text = `ALTER ROLE x${before.join("")} PassWord${between.join("")} '${secret}' VALID UNTIL 'soon'`;
          const cut = withoutPasswords(text);
          assert.equal(cut.includes(secret), false);
          assert.ok(cut.endsWith("VALID UNTIL 'soon'"), "and nothing else is");
        },
      ),
    );
  });

  it("leave every text without the word, and searches for it, as they are", () => {
    fc.assert(
      fc.property(
        fc.string(),
        (text) => withoutPasswords(text.replace(/password/gi, "")) === text.replace(/password/gi, ""),
      ),
    );
    const search = "SELECT * FROM notes WHERE body LIKE '%password%' AND x = 'y'";
    assert.equal(withoutPasswords(search), search);
  });
});
