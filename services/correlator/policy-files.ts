/** The rules and the catalog among the files of a policy. */
import { type Catalog, parseCatalog } from "../../infra/catalog.ts";
import { loadPipelines, type Pipeline } from "../../infra/rules/pipeline.ts";
import type { RuleFile } from "../../infra/rules/source.ts";

const pipelinesFile = "pipelines.yaml";

export function ruleFilesOf(files: Readonly<Record<string, string>>): readonly RuleFile[] {
  const names = Object.keys(files).filter((name) => /(^|\/)rules\/[^/]+\.ya?ml$/.test(name));
  return names.sort().map((name) => ({ name, text: files[name] ?? "" }));
}

/** @returns the one in force where there is none. @throws ThroughlineError `catalog.invalid` */
export function catalogOf(files: Readonly<Record<string, string>>, inForce: Catalog): Catalog {
  const name = Object.keys(files)
    .sort()
    .find((one) => /(^|\/)catalog\.ya?ml$/.test(one));
  return name === undefined ? inForce : parseCatalog(files[name] ?? "", name);
}

/** @returns none where there is no such file. @throws ThroughlineError `pipeline.invalid` */
export function pipelinesOf(files: Readonly<Record<string, string>>): readonly Pipeline[] {
  return loadPipelines(files[pipelinesFile] ?? "", pipelinesFile);
}
