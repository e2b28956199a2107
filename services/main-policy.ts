/** Policy, catalog and rules as the operator wrote them: read once at start; any error names file and line. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Catalog, parseCatalog } from "../infra/catalog.ts";
import { loadPolicy } from "../infra/policy/cedar.ts";
import type { Policy } from "../infra/policy/policy.ts";
import { loadRules } from "../infra/rules/load.ts";
import type { RuleSet } from "../infra/rules/rule-set.ts";
import type { Config } from "../schemas/config.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import type { EventData } from "../schemas/event-data.ts";

export interface PolicyFiles {
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly rules: RuleSet;
  /** As `policy.changed` carries them: `policy.cedar`, `catalog.yaml`, `rules/<file>`. */
  readonly texts: Record<string, string>;
  readonly digest: string;
}

/** @throws ThroughlineError `config.unreadable`, `policy.invalid`, `catalog.invalid`, `rule.invalid`, `rule.unsupported` */
export async function readPolicyFiles(config: Pick<Config, "policy" | "catalog" | "rules">): Promise<PolicyFiles> {
  const texts: Record<string, string> = {
    "policy.cedar": await text(config.policy),
    "catalog.yaml": await text(config.catalog),
  };
  const names = (await readdir(config.rules).catch(unreadable(config.rules)))
    .filter((name) => /\.ya?ml$/.test(name))
    .sort();
  for (const name of names) texts[`rules/${basename(name)}`] = await text(join(config.rules, name));
  const catalog = parseCatalog(texts["catalog.yaml"] ?? "", config.catalog);
  const policy = loadPolicy({ text: texts["policy.cedar"] ?? "", file: config.policy, catalog: catalog.version });
  const rules = loadRules(
    names.map((name) => ({ name: join(config.rules, name), text: texts[`rules/${name}`] ?? "" })),
  );
  const digest = createHash("sha256").update(JSON.stringify(texts)).digest("hex");
  return { catalog, policy, rules, texts, digest };
}

/** @returns what to say when the files, or the engine that reads them, are not those the log has last; null when they are */
export function policyChange(
  last: { readonly digest: string; readonly engine: string } | null,
  { digest, texts }: Pick<PolicyFiles, "digest" | "texts">,
  engine: string,
): EventData["policy.changed"] | null {
  return last?.digest === digest && last.engine === engine ? null : { digest, engine, files: texts };
}

function text(file: string): Promise<string> {
  return readFile(file, "utf8").catch(unreadable(file));
}

function unreadable(path: string): (cause: unknown) => never {
  return (cause) => {
    throw new ThroughlineError("config.unreadable", `${path} cannot be read`, cause);
  };
}
