/**
 * Policy, catalog and rules: as the operator wrote them in files, and as they are in force, which is what the log said last
 * (`policy.changed`). A file takes effect only by way of the log, so that every process, and a replay, judges alike.
 */
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type Catalog, parseCatalog } from "../infra/catalog.ts";
import type { Entry } from "../infra/log/entry.ts";
import { loadPolicy } from "../infra/policy/cedar.ts";
import { expectFits, type PolicyChange, PolicyParts, type WholePolicy } from "../infra/policy/packed.ts";
import type { Policy } from "../infra/policy/policy.ts";
import { loadRules } from "../infra/rules/load.ts";
import { expectDeclared, loadPipelines, type Pipeline } from "../infra/rules/pipeline.ts";
import type { RuleSet } from "../infra/rules/rule-set.ts";
import { readTextFile, readTextFileIfAny, unreadable } from "../infra/text-file.ts";
import type { Config } from "../schemas/config.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import { Answering } from "./main-policy-answering.ts";

export interface PolicyFiles {
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly rules: RuleSet;
  readonly pipelines: readonly Pipeline[];
  /** As `policy.changed` carries them: `policy.cedar`, `catalog.yaml`, `rules/<file>`, `pipelines.yaml` if there is one. */
  readonly texts: Record<string, string>;
  readonly digest: string;
}

const readingsMax = 10;

/**
 * Read until two readings agree: files that are being replaced (a mounted ConfigMap, a copy under way) would otherwise make
 * a set that nobody wrote, half of it old, and that would be in force.
 * @throws ThroughlineError `config.unreadable`, `policy.invalid`, `catalog.invalid`, `rule.invalid`, `rule.unsupported`, `pipeline.invalid`
 */
export async function readPolicyFiles(config: Pick<Config, "policy" | "catalog" | "rules">): Promise<PolicyFiles> {
  const read = () => readTexts(config).catch((error: unknown) => error as Error);
  let texts = await read();
  for (let readings = 2; ; readings += 1) {
    const again = await read();
    if (isDeepStrictEqual(again, texts)) break;
    texts = again;
    if (readings >= readingsMax)
      throw new ThroughlineError("config.unreadable", "policy, catalog or rules change while they are read");
  }
  if (texts instanceof Error) throw texts;
  expectFits(texts);
  return compiled(texts, config);
}

async function readTexts(config: Pick<Config, "policy" | "catalog" | "rules">): Promise<Record<string, string>> {
  const texts: Record<string, string> = {
    "policy.cedar": await readTextFile(config.policy, "policy.invalid"),
    "catalog.yaml": await readTextFile(config.catalog, "catalog.invalid"),
  };
  for (const name of await ruleNames(config.rules))
    texts[`rules/${name}`] = await readTextFile(join(config.rules, name), "rule.invalid");
  const pipelines = await readTextFileIfAny(join(dirname(config.catalog), "pipelines.yaml"), "pipeline.invalid");
  if (pipelines !== null) texts["pipelines.yaml"] = pipelines;
  return texts;
}

/** Folders inside are not read, so one that holds rules is refused; those of a mounted ConfigMap begin with a dot. */
async function ruleNames(folder: string): Promise<string[]> {
  const found = await readdir(folder, { withFileTypes: true }).catch(unreadable(folder));
  for (const { name } of found.filter((one) => one.isDirectory() && !one.name.startsWith("."))) {
    const inside = await readdir(join(folder, name), { recursive: true }).catch(unreadable(join(folder, name)));
    const lost = inside.find((one) => isRuleName(one));
    if (lost !== undefined)
      throw new ThroughlineError("rule.invalid", `${join(folder, name, lost)}: is not read; move it to ${folder}`);
  }
  return found.flatMap((one) => (!one.isDirectory() && isRuleName(one.name) ? [one.name] : [])).sort();
}

function isRuleName(name: string): boolean {
  return /\.ya?ml$/.test(name);
}

/** @param at where the texts stood, for complaints */
function compiled(texts: Record<string, string>, at: Pick<Config, "policy" | "catalog" | "rules">): PolicyFiles {
  const catalog = parseCatalog(texts["catalog.yaml"] ?? "", at.catalog);
  const policy = loadPolicy({ text: texts["policy.cedar"] ?? "", file: at.policy, catalog: catalog.version });
  const names = Object.keys(texts).filter((name) => name.startsWith("rules/"));
  const rules = loadRules(names.map((name) => ({ name: join(at.rules, basename(name)), text: texts[name] ?? "" })));
  const beside = join(dirname(at.catalog), "pipelines.yaml");
  const pipelines = loadPipelines(texts["pipelines.yaml"] ?? "", beside);
  expectDeclared(rules, pipelines);
  const digest = createHash("sha256").update(JSON.stringify(texts)).digest("hex");
  return { catalog, policy, rules, pipelines, texts, digest };
}

const inTheLog = { policy: "policy.cedar", catalog: "catalog.yaml", rules: "rules" };

/**
 * What is in force, by the log. `propose` says nothing to anybody: its caller appends what it gives, and it takes effect
 * when it comes back by `fold`. Content of the log that this version cannot read changes nothing here and is a problem:
 * the process is not ready any more, and goes on with what it understood last.
 */
export class PolicyInForce {
  #files: PolicyFiles;
  /** Read from files here, by digest: it need not be read again when the log has it. */
  readonly #read = new Map<string, PolicyFiles>();
  /** Said last, not looked at yet: a replay of years compiles only the last. */
  #said: WholePolicy | null = null;
  readonly parts = new PolicyParts();
  readonly answering = new Answering();
  #last: { readonly digest: string; readonly engine: string } | null = null;
  #problem: string | null = null;
  readonly #changed: (files: PolicyFiles) => void;

  #before: { readonly of: Answering["policies"]; readonly files: readonly PolicyFiles[] } = { of: [], files: [] };

  /** @param files until the log says something else @param changed called when something else is in force */
  constructor(files: PolicyFiles, changed: (files: PolicyFiles) => void) {
    this.#files = files;
    this.#read.set(files.digest, files);
    this.#changed = changed;
  }

  /** The same object until something else is in force. */
  get files(): PolicyFiles {
    if (this.#said !== null) this.#settle(this.#said);
    return this.#files;
  }

  /** Why what the log said last is not in force here; null when it is. */
  get problem(): string | null {
    return this.files && this.#problem;
  }

  /** By which correlators may still answer, besides `files`. The same list until it changes. */
  get before(): readonly PolicyFiles[] {
    const { policies } = this.answering;
    if (this.#before.of !== policies) {
      const files = policies.slice(0, -1).flatMap(({ whole }) => this.#compiled(whole) ?? []);
      this.#before = { of: policies, files };
    }
    return this.#before.files;
  }

  /** What cannot be read here is in force nowhere. */
  #compiled({ digest, files }: WholePolicy): PolicyFiles | null {
    try {
      return this.#read.get(digest) ?? { ...compiled(expectWhole(files), inTheLog), digest };
    } catch (error) {
      if (error instanceof ThroughlineError) return null;
      throw error;
    }
  }

  /** @returns what to append; null when that is in force already */
  propose(files: PolicyFiles, engine: string): PolicyChange | null {
    this.#read.set(files.digest, files);
    return policyChange(this.#last, files, engine);
  }

  /** For every record of the log, in order. */
  readonly fold = (entry: Entry): void => {
    const whole = this.parts.take(entry);
    this.answering.fold(entry, whole);
    if (whole !== null) this.take(whole);
  };

  take(said: WholePolicy): void {
    this.#last = said;
    this.#said = said;
  }

  #settle({ digest, files }: WholePolicy): void {
    this.#said = null;
    this.#problem = null;
    if (digest === this.#files.digest) return;
    try {
      this.#files = this.#read.get(digest) ?? { ...compiled(expectWhole(files), inTheLog), digest };
    } catch (error) {
      if (!(error instanceof ThroughlineError)) throw error;
      this.#problem = `the policy that the log has last cannot be read here: ${error.message}`;
      return;
    }
    const kept = new Set([digest, ...this.answering.policies.map(({ whole }) => whole.digest)]);
    for (const one of this.#read.keys()) if (!kept.has(one)) this.#read.delete(one);
    this.#read.set(digest, this.#files);
    this.#changed(this.#files);
  }
}

function expectWhole(files: WholePolicy["files"]): Record<string, string> {
  if (files !== null) return files;
  throw new ThroughlineError("policy.invalid", "parts of it are missing or damaged");
}

/** @returns what to say when the files, or the engine that reads them, are not those the log has last; null when they are */
export function policyChange(
  last: { readonly digest: string; readonly engine: string } | null,
  { digest, texts }: Pick<PolicyFiles, "digest" | "texts">,
  engine: string,
): PolicyChange | null {
  return last?.digest === digest && last.engine === engine ? null : { digest, engine, files: texts };
}
