import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { loadGrammar } from "../../infra/sql/grammar.ts";
import { noisy } from "./noise.ts";
import { statements } from "./statements.ts";
import { positions, summary } from "./summary.ts";
import { names, openWorld, type World } from "./world.ts";

let world: World;
before(async () => {
  world = await openWorld();
});
after(() => world.end());

const rows = statements();

test("each statement of the table has the effects that the table says", () => {
  assert.ok(rows.length >= 300);
  const wrong = rows.flatMap(({ sql, meaning }) => {
    const read = summary(world.reader.read(sql, names));
    return read === meaning ? [] : [{ sql, meaning, read }];
  });
  assert.deepEqual(wrong, []);
});

test("comments, white space and line breaks between words change no effect", async () => {
  const grammar = await loadGrammar();
  fc.assert(
    fc.property(fc.constantFrom(...rows), fc.array(fc.nat(), { minLength: 8, maxLength: 40 }), ({ sql }, dice) => {
      const changed = noisy(grammar.tokens(sql), dice);
      const [plain, read] = [world.reader.read(sql, names), world.reader.read(changed, names)];
      assert.equal(summary(read), summary(plain), changed);
      assert.equal(positions(read), positions(plain), changed);
      assert.equal(read.resolution, plain.resolution);
    }),
    { numRuns: 600 },
  );
});

test("an opaque reading is read and write of the whole target, destroys, reveals, and is not undoable", () => {
  const opaque = rows.filter(({ meaning }) => meaning.startsWith("opaque"));
  assert.ok(opaque.length > 30);
  for (const { sql } of opaque) {
    const reading = world.reader.read(sql, names);
    const whole = reading.effects.slice(-2);
    assert.deepEqual(
      whole.map(({ operation, reads, writes, destroys }) => [operation, reads, writes, destroys]),
      [
        ["read", ["orders"], [], false],
        ["write", [], ["orders"], true],
      ],
    );
    assert.ok(reading.reveals.includes("orders" as never), sql);
    assert.equal(reading.undoable, false);
  }
});

test("EFFECTS.md lists exactly the kinds of statement that are understood", async () => {
  const grammar = await loadGrammar();
  const understood = new Set<string>();
  for (const { sql, meaning } of rows) {
    if (/^opaque: (a statement of the kind|the grammar)/.test(meaning)) continue;
    for (const { node } of grammar.parse(sql)) understood.add(Object.keys(node)[0] ?? "");
  }
  const text = readFileSync(new URL("../../services/gateway/effects/EFFECTS.md", import.meta.url), "utf8");
  const listed = new Set([...text.matchAll(/^\| `(\w+Stmt)`/gm)].map((match) => match[1] ?? ""));
  assert.deepEqual([...listed].sort(), [...understood].sort());
});

test("what psql asks to describe tables is read, and reveals nothing", () => {
  const text = readFileSync(new URL("psql.sql", import.meta.url), "utf8");
  const queries = text.split(/\n;\n/);
  assert.ok(queries.length > 40);
  for (const query of queries) {
    const reading = world.reader.read(query, names);
    assert.equal(reading.opaque, null, query);
    assert.deepEqual(reading.reveals, [], query);
    assert.ok(
      reading.effects.every(({ operation }) => operation === "read"),
      query,
    );
  }
});
