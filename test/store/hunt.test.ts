/** Retro-hunting: SQL made from a rule over the store's own rows. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createCatalog } from "../../infra/catalog.ts";
import { huntStore } from "../../infra/hunt/retro.ts";
import { loadRules } from "../../infra/rules/load.ts";
import { openChdb } from "../../infra/store/chdb.ts";
import { openStore } from "../../infra/store/clickhouse.ts";
import { openEngine } from "../../infra/store/engine.ts";
import type { Effect } from "../../schemas/command.ts";
import { type MemoryLog, memoryLog } from "./memory-log.ts";
import { decide, effect, gateway, openSession, subjectOf } from "./night.ts";

const folder = await mkdtemp(join(tmpdir(), "throughline-hunt-store-"));
const engine = openEngine({ connection: await openChdb(folder) });
const store = await openStore(engine, { tenant: "test", encodePosition: (at) => String(at).padStart(16, "0") });
after(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const customers = "orders/public.customers";
const staging = "orders/public.staging";
const elsewhere = "orders/public.elsewhere";
const far = "orders/public.far";
const catalog = createCatalog([{ resource: customers, tags: ["pii"] }]);

const step = (name: string, selection: string) =>
  `title: ${name}\nname: ${name}\nlogsource: { product: throughline, category: command }\ndetection:\n  selection: ${selection}\n  condition: selection\n`;
const chain = (links: string) =>
  `title: Copied and destroyed\nname: chain\ncorrelation:\n  type: temporal_ordered\n  rules: [b, c]\n  timespan: 24h\nx-chain:\n  links: [{ from: b, to: c, by: [${links}] }]\n  gate: { action: hold, approvers: [owners] }\n`;
const rules = loadRules([
  {
    name: "r.yml",
    text: [step("b", "{ operation: transform, tags: pii }"), step("c", "{ destroys: true }"), chain("flow")].join(
      "---\n",
    ),
  },
]);

/** @param lasted whether what it did stayed */
function run(log: MemoryLog, name: string, command: string, effects: Effect[], lasted = true): void {
  decide(log, name, `s-${name}`, command, effects);
  log.say(gateway, {
    type: "command.finished",
    subject: subjectOf(name, `s-${name}`, command),
    data: {
      outcome: lasted ? "ok" : "error",
      rows: 3,
      bytes: 10,
      tag: "",
      code: null,
      durationUs: 1_500,
      shown: lasted,
      undone: [],
      lasted: lasted ? [command] : [],
    },
  });
}

test("a rule finds in the store whoever destroyed what had come to a table, by what lasted", async () => {
  const log = memoryLog(Date.now, "test");
  for (const name of ["transform", "load", "cleaner"]) openSession(log, name, `s-${name}`);
  run(log, "transform", "c1", [effect("transform", [customers], [staging])]);
  run(log, "transform", "c2", [effect("transform", [staging], [elsewhere])]);
  run(log, "transform", "c3", [effect("transform", [customers], ["orders/public.never"])], false);
  run(log, "cleaner", "c4", [effect("delete", [], ["orders/public.other"], true)]);
  run(log, "cleaner", "c5", [effect("delete", [], ["orders/public.never"], true)]);
  run(log, "transform", "c6", [effect("transform", [elsewhere], [far])]);
  run(log, "load", "c7", [effect("delete", [], [far], true)]);
  await store.write(log.records, new Map());
  const found = await huntStore(engine, { rules, catalog, sinceMs: 0, prefix: "hunt_a" });
  assert.deepEqual(
    found.map(({ rule, action, last, steps }) => [
      rule,
      action,
      last.command,
      last.account,
      steps.map(({ command }) => command),
    ]),
    [["chain", "hold", "c7", "load", ["c6", "c7"]]],
  );
  const later = { rules, catalog, sinceMs: Date.now() + 60_000, prefix: "hunt_a" };
  assert.deepEqual(await huntStore(engine, later), []);
  const left = await engine.ask("SELECT name FROM system.tables WHERE startsWith(name, 'hunt_')");
  assert.deepEqual(left, [], "a hunt leaves no table behind");
});

test("who showed one certificate is one actor for a hunt, unless too many did", async () => {
  const log = memoryLog(Date.now, "test");
  const certificate = (key: string) => ({ key: key.repeat(64), subject: "", issuer: "", serial: "", notAfterMs: 0 });
  const names = ["extract", "transform", "load", "cleaner", "a", "b", "c"];
  for (const name of names) openSession(log, name, `k-${name}`, undefined, certificate("c"));
  for (const name of names.slice(0, 2)) openSession(log, name, `l-${name}`, undefined, certificate("d"));
  run(log, "extract", "k1", [effect("transform", [customers], [staging])]);
  run(log, "load", "k2", [effect("delete", [], ["orders/public.k2"], true)]);
  run(log, "transform", "k3", [effect("delete", [], ["orders/public.k3"], true)]);
  await store.write(log.records, new Map());
  const byActor = loadRules([
    {
      name: "r.yml",
      text: [step("b", "{ operation: transform, tags: pii }"), step("c", "{ destroys: true }"), chain("actor")].join(
        "---\n",
      ),
    },
  ]);
  const found = await huntStore(engine, { rules: byActor, catalog, sinceMs: 0, prefix: "hunt_k" });
  assert.deepEqual(
    found.map(({ steps }) => steps.map(({ command }) => command)).filter((commands) => commands.includes("k1")),
    [["k1", "k3"]],
  );
});
