/** The naive designs of `make chaos ARGS=--naive` still break the product where they say: else they would prove nothing. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { naiveCopy, naives } from "./naive.ts";

test("each naive design is the product with one line changed, and every count of the judge has one that it must see", () => {
  for (const naive of naives) {
    const copy = naiveCopy(naive);
    try {
      const text = readFileSync(join(copy.main, "..", "..", naive.file), "utf8");
      assert.ok(text.includes(naive.to) && (naive.to.includes(naive.from) || !text.includes(naive.from)), naive.name);
    } finally {
      copy.remove();
    }
  }
  const seen = new Set(naives.flatMap((naive) => naive.seen));
  assert.deepEqual([...seen].toSorted(), ["besides", "duplicates", "gaps", "lost", "unapproved", "unrecorded"]);
});
