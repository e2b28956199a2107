/** What a process prints: one JSON line per note, sentences for people, and no secret in either. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type NoteFormat, openNotes } from "../../infra/observe/notes.ts";
import { scrubbed } from "../../infra/observe/scrub.ts";
import { ThroughlineError } from "../../schemas/errors.ts";

function printing(format: NoteFormat) {
  const lines: string[] = [];
  const out = { write: (text: string) => void lines.push(...text.trimEnd().split("\n")) };
  const err = (text: string) => void lines.push(...text.split("\n"));
  return { lines, notes: openNotes({ format, base: { service: "gateway", name: "one" }, out, err }) };
}

test("a note for machines is one JSON line with level, time, service and facts", () => {
  const { lines, notes } = printing("json");
  notes.info("ready", { port: 5433 });
  notes.fault(new ThroughlineError("target.unreachable", "orders does not answer", new Error("ECONNREFUSED")));
  const [ready, fault] = lines.map((line) => JSON.parse(line));
  assert.deepEqual([ready.level, ready.what, ready.service, ready.port], ["info", "ready", "gateway", 5433]);
  assert.match(ready.time, /^\d{4}-\d\d-\d\dT/);
  assert.deepEqual([fault.level, fault.code, fault.what], ["error", "target.unreachable", "orders does not answer"]);
  assert.deepEqual(fault.causes, ["Error: ECONNREFUSED"]);
  assert.match(fault.hint, /check its address/);
});

test("a note for people is the code, the sentence, what to do and the causes", () => {
  const { lines, notes } = printing("text");
  notes.info("throughline 1: ready");
  notes.fault(new ThroughlineError("log.full", "The disk is full"));
  assert.equal(lines[0], "throughline 1: ready");
  assert.equal(lines[1], "log.full: The disk is full");
  assert.match(lines[2] ?? "", /free space/);
});

test("a bug comes with its places in the code, anything else does not", () => {
  const { lines, notes } = printing("text");
  notes.fault(new TypeError("x is not a function"));
  assert.match(lines.join("\n"), /internal\.bug: TypeError: x is not a function[\s\S]*at .*notes\.test\.ts/);
  lines.length = 0;
  notes.fault(new ThroughlineError("target.refused", "no", new Error("why")));
  assert.doesNotMatch(lines.join("\n"), /notes\.test\.ts/);
});

const secrets = {
  whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw: "receiver secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw is wrong",
  hunter22: "could not open postgres://loader:hunter22@db:5432/orders",
  "s3cr3t-pass": 'options {"password":"s3cr3t-pass","user":"x"}',
  geheim: "ALTER ROLE x PASSWORD 'geheim'",
  abcdef0123456789: "authorization: Bearer abcdef0123456789",
  eyJhbGciOiJFZERTQSJ9: "token eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2ln was refused",
  MC4CAQAwBQYDK2VwBCIEIA: "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----",
};

test("what looks like a secret is taken out of sentences, facts and causes, in both formats", () => {
  for (const format of ["json", "text"] as const) {
    const { lines, notes } = printing(format);
    for (const text of Object.values(secrets)) {
      notes.info(text, { fact: text });
      notes.fault(new ThroughlineError("internal.bug", text, new Error(text, { cause: text })));
      notes.fatal(text);
    }
    for (const secret of Object.keys(secrets)) assert.ok(!lines.join("\n").includes(secret), `${format}: ${secret}`);
  }
});

test("a parser's and a database's own words, which quote what they read, are not printed", () => {
  const { lines, notes } = printing("json");
  const database = Object.assign(new Error('invalid input syntax for type integer: "4111111111111111"'), {
    severity: "ERROR",
    code: "22P02",
  });
  notes.fault(new ThroughlineError("target.refused", "the catalog cannot be read", database));
  notes.fault(
    new ThroughlineError("keys.unreadable", "the file is damaged", new SyntaxError("Unexpected 4111111111111111")),
  );
  const printed = lines.join("\n");
  assert.ok(!printed.includes("4111111111111111"));
  assert.match(printed, /Error 22P02/);
  assert.match(printed, /SyntaxError/);
});

test("ordinary sentences stay as they are", () => {
  for (const text of [
    "the target refused the account's credential",
    "no token for a session",
    "http://127.0.0.1:8080/x",
  ])
    assert.equal(scrubbed(text), text);
});
