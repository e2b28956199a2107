/** `throughline catalog functions` prints what the functions of a catalog begin with. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { parseCatalog } from "../../infra/catalog.ts";
import { openDesk } from "./terminal.ts";

const desk = await openDesk();
after(() => desk.close());

test("functions are printed with their digests, so that stating what they touch makes a catalog of it", async () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const odd = 'orders/public.odd("my \u001b type")';
  const functions = async () => [
    { function: "orders/public.refresh_report(integer, text[])", digest, why: null },
    { function: odd, digest, why: "its names mean what its caller says" },
  ];
  desk.parts = { ...desk.parts, offline: { ...desk.parts.offline, functions } };
  const { code, out } = await desk.run("catalog", "functions");
  assert.equal(code, 0);
  assert.ok(!out.includes("\u001b"));
  assert.match(out, /# cannot be described: its names mean/);
  const text = `functions:\n${out.replaceAll(/( +)(digest: .*)/g, "$1$2\n$1reads: []\n$1writes: []")}`;
  const { functions: read } = parseCatalog(text, "catalog.yaml");
  assert.deepEqual(
    read.map((one) => one.function),
    ["orders/public.refresh_report(integer, text[])", odd],
  );
  assert.throws(() => parseCatalog(`functions:\n${out}`, "catalog.yaml"), /reads/, "what it touches must be stated");
  const named = await desk.run("--json", "catalog", "functions", "refresh");
  assert.equal(JSON.parse(named.out).length, 1);
});
