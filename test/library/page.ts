/** The page that lists the shipped rules, made from the rules themselves: `node test/library/page.ts > schemas/LIBRARY.md`. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { readDocuments } from "../../infra/rules/source.ts";

const folder = join(import.meta.dirname, "../../schemas/rules");

export interface ShippedRule {
  readonly file: string;
  readonly name: string;
  readonly title: string;
  readonly id: string;
  readonly level: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly mode: "observe" | "enforce";
  readonly tests: readonly { readonly name?: string; readonly expect: string }[];
}

/** @returns the correlations of schemas/rules, in the order of files and documents */
export async function shippedRules(): Promise<ShippedRule[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".yml")).sort();
  const rules: ShippedRule[] = [];
  for (const name of names) {
    const text = await readFile(join(folder, name), "utf8");
    for (const { value } of readDocuments({ name, text })) {
      const rule = value as ShippedRule & { correlation?: unknown; "x-chain"?: { mode?: "observe" | "enforce" } };
      if (rule.correlation === undefined) continue;
      const { title, id, level, description, tags = [], tests = [] } = rule;
      rules.push({
        file: name,
        name: rule.name,
        title,
        id,
        level,
        description,
        tags,
        tests,
        mode: rule["x-chain"]?.mode ?? "enforce",
      });
    }
  }
  return rules;
}

export function page(rules: readonly ShippedRule[]): string {
  const row = ({ name, title, level, mode }: ShippedRule) =>
    `| [\`${name}\`](#${name}) | ${title} | ${level} | ${mode === "enforce" ? "holds the last step" : "tells"} |`;
  const part = ({ name, title, file, description, tags, tests }: ShippedRule) =>
    [
      `## ${name}`,
      "",
      `**${title}** (\`rules/${file}\`; ${tags
        .filter((tag) => /\.t[0-9]/.test(tag))
        .map((tag) => tag.slice("attack.".length).toUpperCase())
        .join(", ")})`,
      "",
      description.trim(),
      "",
      `Tried with it: ${tests.map((test) => test.name ?? "the chain itself").join("; ")}.`,
      "",
    ].join("\n");
  return [
    "# The rule library",
    "",
    "Made from `schemas/rules` by `node test/library/page.ts`. `throughline rules test` runs every test that stands in the files.",
    "",
    "| rule | chain | level | what it does |",
    "|---|---|---|---|",
    ...rules.map(row),
    "",
    ...rules.map(part),
  ].join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.stdout.write(page(await shippedRules()));
