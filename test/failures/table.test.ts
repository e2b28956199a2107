/** The README's table of failures is the one that is tested, and each row names tests that exist. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { readmeTable, rows } from "./table.ts";

const root = join(import.meta.dirname, "..", "..");

test("the README has the same table: `node test/failures/table.ts` prints it", async () => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const section = /## When a part dies\n([\s\S]*?)\n## /.exec(readme)?.[1] ?? "";
  const table = section.split("\n").filter((line) => line.startsWith("|"));
  assert.deepEqual(table, readmeTable().trimEnd().split("\n"));
});

test("each row is shown by tests that are there", async () => {
  for (const { part, tests } of rows) {
    assert.ok(tests.length > 0, part);
    for (const { file, title } of tests) {
      const text = await readFile(join(root, file), "utf8");
      assert.ok(text.includes(`test("${title}`), `${part}: ${file} has no test "${title}…"`);
    }
  }
});
