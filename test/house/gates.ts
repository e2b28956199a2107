/**
 * The house's own gates: what neither the compiler nor a linter says. Run by `make check`.
 * Each gate is also shown to fail on a planted offence, because a gate that cannot fail guards nothing.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..", "..");
const fileLinesMax = 400;
const fileLinesMedianMax = 120;

/** A screen library is the language its pages are written in; everything else has one file. */
const pageLibraries = new Set(["react", "react-dom", "@mantine/core", "@mantine/hooks", "@tanstack/react-query"]);

interface Source {
  readonly path: string;
  readonly text: string;
}

function sources(): Source[] {
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "--", "*.ts", "*.tsx"], {
    cwd: root,
    encoding: "utf8",
  });
  return listed
    .split("\n")
    .filter((path) => path !== "")
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

function tooLong(files: readonly Source[]): string[] {
  return files.filter(({ text }) => text.split("\n").length - 1 > fileLinesMax).map(({ path }) => path);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

const importLine =
  /^(?:(?:import|export)\s[^"';=]*?\bfrom\s*|import\s*)["']([^"'.][^"']*)["']|\bimport\(["']([^"'.][^"']*)["']\)/gm;

function librariesInTwoFiles(files: readonly Source[]): string[] {
  const importers = new Map<string, Set<string>>();
  for (const { path, text } of files) {
    if (path.startsWith("test/")) continue;
    for (const match of text.matchAll(importLine)) {
      const name = match[1] ?? match[2] ?? "";
      if (name.startsWith("node:")) continue;
      const library = name
        .split("/")
        .slice(0, name.startsWith("@") ? 2 : 1)
        .join("/");
      if (!pageLibraries.has(library)) importers.set(library, (importers.get(library) ?? new Set()).add(path));
    }
  }
  return [...importers]
    .filter(([, paths]) => paths.size > 1)
    .map(([library, paths]) => `${library}: ${[...paths].join(", ")}`);
}

const bannedNames = /^(utils?|helpers?|common|lib|misc|shared|index)$/i;
function badNames(files: readonly Source[]): string[] {
  return files.flatMap(({ path }) => {
    const parts = path.split("/").map((part) => basename(part).replace(/\.(test|browser)?\.?tsx?$/, ""));
    return parts.some((part) => bannedNames.test(part)) ? [path] : [];
  });
}

const openEnds = /\b(TODO|FIXME|XXX)\b|\.(skip|only)\(|\b(test|it|describe)\.todo\(/;
function unfinished(files: readonly Source[]): string[] {
  return files
    .filter(({ path, text }) => path !== "test/house/gates.ts" && openEnds.test(text))
    .map(({ path }) => path);
}

const impure = /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bprocess\.env\b|\bconsole\.(log|error|warn|info)\(/;
function impureFiles(files: readonly Source[]): string[] {
  const pure = files.filter(
    ({ path }) => /^(schemas|services)\//.test(path) && !/^services\/(main\.ts|console\/|cli\/)/.test(path),
  );
  return pure.filter(({ text }) => impure.test(text.replace(/^\s*(\/\/|\*).*$/gm, ""))).map(({ path }) => path);
}

test("no file is over 400 lines, and the median file of the product is at most 120", () => {
  const all = sources();
  assert.deepEqual(tooLong(all), []);
  const product = all.filter(({ path }) => !path.startsWith("test/"));
  assert.ok(median(product.map(({ text }) => text.split("\n").length - 1)) <= fileLinesMedianMax);
});

test("a library is imported in one file", () => assert.deepEqual(librariesInTwoFiles(sources()), []));
test("no file or folder has a name that says nothing", () => assert.deepEqual(badNames(sources()), []));
test("no open ends and no skipped tests", () => assert.deepEqual(unfinished(sources()), []));
test("clock, dice, environment and console stay in main and infra", () => assert.deepEqual(impureFiles(sources()), []));

test("each of these gates fails on a planted offence", () => {
  const plant = (path: string, text: string): Source[] => [{ path, text }];
  assert.equal(tooLong(plant("a.ts", "\n".repeat(401))).length, 1);
  const twice = [
    ...plant("infra/a.ts", 'import { x } from "yaml";'),
    ...plant("infra/b.ts", 'import {\n  y,\n} from "yaml";'),
  ];
  assert.equal(librariesInTwoFiles(twice).length, 1);
  assert.equal(badNames(plant("services/utils/a.ts", "")).length, 1);
  assert.equal(unfinished(plant("a.ts", "// TODO: later")).length, 1);
  assert.equal(impureFiles(plant("services/gateway/a.ts", "const now = Date.now();")).length, 1);
});

test("the layer check reads .ts files and fails on a circle, an upward arrow and a service that imports a service", () => {
  const folder = mkdtempSync(join(tmpdir(), "throughline-gates-"));
  try {
    const files: Record<string, string> = {
      "schemas/a.ts": 'import "../infra/b.ts";\n',
      "infra/b.ts": 'import "./c.ts";\n',
      "infra/c.ts": 'import "./b.ts";\n',
      "services/gateway/d.ts": 'import "../api/e.ts";\n',
      "services/api/e.ts": "export const e = 1;\n",
      "services/main.ts": "export const main = 1;\n",
    };
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    for (const name of [".dependency-cruiser.cjs", "tsconfig.json", "package.json"])
      copyFileSync(join(root, name), join(folder, name));
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    const cruise = join(root, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
    const run = spawnSync(
      process.execPath,
      [cruise, "--config", ".dependency-cruiser.cjs", "schemas", "infra", "services"],
      { cwd: folder, encoding: "utf8" },
    );
    assert.notEqual(run.status, 0);
    for (const rule of ["no-circles", "schemas-see-nothing", "only-main-wires"])
      assert.match(run.stdout, new RegExp(rule));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
