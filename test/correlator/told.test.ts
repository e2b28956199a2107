/** What gateways know of tags is what correlators have told: at least what the log says of every place and column. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createCatalog } from "../../infra/catalog.ts";
import type { Entry } from "../../infra/log/entry.ts";
import type { Effect } from "../../schemas/command.ts";
import { Tags } from "../../services/gateway/tags.ts";
import { chainRule, type Played, play, usual } from "./play.ts";

const [a, b] = ["orders/public.a", "orders/public.b"];
const columns = [a, b].flatMap((table) => [`${table}#x`, `${table}#y`]);
const places = [a, b, ...columns];
const entries = [
  { resource: `${a}#x`, tags: ["pii.email"] },
  { resource: `${b}#y`, tags: ["card"] },
];

/** A gateway that follows. */
function gateway({ entries: said }: Played, catalog: Parameters<typeof createCatalog>[0]): Tags {
  const tags = new Tags(createCatalog(catalog));
  for (const entry of said) tags.fold(entry as Entry);
  return tags;
}

function move(played: Played, id: string, from: string, to: string): void {
  const subject = { session: id, command: id, identity: "i", account: "a", target: "orders" };
  const effects = [
    { operation: "transform", reads: [from], writes: [to], ends: [], destroys: false },
  ] as unknown as Effect[];
  const facts = { kind: "query", effects, opaque: null, undoable: true, transaction: { kind: "none" as const } };
  played.fold({
    ...{ atMs: 0, source: "gateway/g", role: "gateway", subject, type: "command.decided", id: `${id}-d` },
    data: { ...facts, ruling: "allow", approval: null, intent: null },
  } as unknown as Entry);
}

test("what comes to a table as a whole is told, though the catalog gives one of its columns the same tag", () => {
  const played = play(chainRule(usual), { catalog: JSON.stringify(entries) });
  move(played, "c1", `${a}#x`, a);
  assert.deepEqual(played.correlator.tagsOf(`${a}#y`), ["pii", "pii.email"]);
  assert.deepEqual(gateway(played, entries).of(`${a}#y`), ["pii", "pii.email"]);
});

test("a gateway that heard everything knows at least the tags that the log says of every place", () => {
  const moves = fc.array(fc.tuple(fc.constantFrom(...places), fc.constantFrom(...places)), { maxLength: 8 });
  const catalogs = fc.subarray(entries, { minLength: 1 });
  fc.assert(
    fc.property(catalogs, moves, (catalog, all) => {
      const played = play(chainRule(usual), { catalog: JSON.stringify(catalog) });
      for (const [index, [from, to]] of all.entries()) move(played, `c${index}`, from, to);
      const known = gateway(played, catalog);
      for (const place of [...places, `${a}#z`, `${b}#z`])
        for (const tag of played.correlator.tagsOf(place))
          assert.ok(known.of(place).includes(tag), `${place} has ${tag}, and no gateway knows it`);
    }),
    { numRuns: 300 },
  );
});
