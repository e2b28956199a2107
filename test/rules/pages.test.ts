import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { accessor, isEffectField, isLate, unknown } from "../../infra/rules/field.ts";
import { readDocuments } from "../../infra/rules/source.ts";
import { type Field, fields } from "../../schemas/fields.ts";
import { checker } from "../../schemas/shape.ts";
import { runRules } from "../../services/correlator/offline.ts";
import { testRules } from "../../services/correlator/rehearse.ts";
import { readScene } from "../../services/correlator/scene.ts";
import { command } from "./ask.ts";
import { pages } from "./pages.ts";
import { catalogExample, eventsExample, example, firingExample } from "./rules-page.ts";

const folder = join(import.meta.dirname, "../../schemas");

test("the page of fields and the schema for editors are what the code says now (make pages)", () => {
  for (const [name, make] of Object.entries(pages))
    assert.equal(readFileSync(join(folder, name), "utf8"), make(), name);
});

test("what the table calls late is what the engine does not know of a command that has not finished", () => {
  for (const field of fields as readonly Field[]) {
    assert.equal(isLate(field.name), field.known === "late", field.name);
    const value = accessor(field.name)(command({ timeMs: 0 }));
    assert.equal(value === unknown, field.known === "late", field.name);
  }
});

test("what an effect says is not known of an opaque command", () => {
  for (const { name } of fields)
    assert.equal(
      accessor(name)(command({ opaque: true, timeMs: 0 })) === unknown,
      isEffectField(name) || isLate(name),
      name,
    );
});

test("the schema for editors accepts every shipped rule, and refuses what the loader refuses", () => {
  const accepts = checker(JSON.parse(pages["rule.schema.json"]?.() ?? "{}"));
  const names = readdirSync(join(folder, "rules")).filter((name) => name.endsWith(".yml"));
  for (const name of names)
    for (const { value } of readDocuments({ name, text: readFileSync(join(folder, "rules", name), "utf8") }))
      assert.equal(accepts(value), true, `${name} ${JSON.stringify(value).slice(0, 200)}`);
  const rule = { title: "t", logsource: {}, detection: { s: { operation: "read" }, condition: "s" } };
  assert.equal(accepts(rule), true);
  for (const wrong of [
    { ...rule, level: "severe" },
    { ...rule, detection: { s: { operation: "read" } } },
    { ...rule, detection: { s: { "account|exists": "yes" }, condition: "s" } },
    { ...rule, "x-chain": { gate: { action: "shout" } } },
    { ...rule, logsource: 5 },
  ])
    assert.equal(accepts(wrong), false, JSON.stringify(wrong));
});

test("the example of the page passes its tests, and its lines are read", () => {
  const page = pages["RULES.md"]?.() ?? "";
  assert.ok(page.includes(example));
  const results = testRules([{ name: "read-file-drop.yml", text: example }]);
  assert.deepEqual(
    results.map(({ expected, found }) => [expected, found]),
    [
      ["hold", "hold"],
      ["allow", "allow"],
      ["allow", "allow"],
    ],
  );
  const lines = /time {2}account {2}operation.*\n\n((?:[0-9].*\n)+)/.exec(page)?.[1] ?? "";
  assert.equal(readScene(lines).length, 3);
});

test("the events of the page fire as it says", async () => {
  const rules = [{ name: "read-file-drop.yml", text: example }];
  const catalog = { name: "catalog.yaml", text: catalogExample };
  const firings: string[] = [];
  const events = eventsExample.split("\n");
  const warn = (line: string) => assert.fail(line);
  for await (const firing of runRules({ rules, catalog, pipelines: null, events, warn }))
    firings.push(JSON.stringify(firing));
  assert.deepEqual(firings, [firingExample]);
});

test("every key of a chain and of an inline test is described, for the page and for editors", () => {
  const rows = (pages["RULES.md"]?.() ?? "").split("\n").filter((line) => line.startsWith("| `"));
  assert.ok(rows.length > 50);
  for (const row of rows) assert.doesNotMatch(row, /\| +\|$/, row);
});
