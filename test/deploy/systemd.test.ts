/** The units: commands that main.ts takes, and the hardening that all of them share. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { rolesOfMany, rolesOfOne, root, textOf, wordsOf } from "./files.ts";

const folder = "infra/deploy/systemd";
const units = readdirSync(join(root, folder)).filter((name) => name.endsWith(".service"));

/** Section and key → values, in order. */
function parsed(path: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let section = "";
  for (const line of textOf(path).split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    if (/^\[\w+\]$/.test(line)) section = line.slice(1, -1);
    else {
      const [, key = "", value = ""] = /^(\w+)=(.*)$/.exec(line) ?? assert.fail(`${path}: ${line}`);
      found.set(`${section}.${key}`, [...(found.get(`${section}.${key}`) ?? []), value]);
    }
  }
  return found;
}

const shared = parsed(`${folder}/throughline-.service.d/hardening.conf`);

test("a unit for one machine and one for each process of many, by the names that the shared part is for", () => {
  const roles = units.map((unit) => {
    assert.match(unit, /^throughline-[a-z]+\.service$/);
    const [command = ""] = parsed(`${folder}/${unit}`).get("Service.ExecStart") ?? [];
    const [node, main, ...words] = command.split(" ");
    assert.equal(node, "/opt/throughline/node_modules/.bin/node");
    assert.equal(main, "/opt/throughline/services/main.ts");
    assert.equal(wordsOf(words).option("--config"), "/etc/throughline/throughline.yaml");
    return wordsOf(words).roles;
  });
  assert.deepEqual(roles.toSorted(), [...new Set([...rolesOfOne, ...rolesOfMany])].toSorted());
});

test("a unit changes nothing of what is shared", () => {
  for (const unit of units)
    for (const key of parsed(`${folder}/${unit}`).keys())
      if (key.startsWith("Service.")) assert.equal(key, "Service.ExecStart", unit);
});

test("they may write one folder, hold no capability, leave no core, and come back", () => {
  const expected: Record<string, string[]> = {
    User: ["throughline"],
    StateDirectory: ["throughline"],
    CapabilityBoundingSet: [""],
    NoNewPrivileges: ["yes"],
    ProtectSystem: ["strict"],
    ProtectHome: ["yes"],
    LimitCORE: ["0"],
    Restart: ["always"],
    SystemCallFilter: ["@system-service", "~@privileged @debug @mount"],
  };
  for (const [key, values] of Object.entries(expected)) assert.deepEqual(shared.get(`Service.${key}`), values, key);
  for (const key of shared.keys()) assert.doesNotMatch(key, /ReadWritePaths|MemoryDenyWriteExecute/);
  assert.ok(Number(shared.get("Service.TimeoutStopSec")?.[0]) >= 30);
  assert.match(textOf(`${folder}/sysusers.conf`), /^u throughline /m);
});
