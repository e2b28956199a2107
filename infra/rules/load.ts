/**
 * Rule files → RuleSet. Refuses, with file, line and key, whatever it cannot evaluate to the letter: an ignored key in a
 * rule is a hole that nobody sees. Order is the order of the files given, then of the documents in a file.
 */
import { createHash } from "node:crypto";
import { linkKinds } from "../../schemas/chain.ts";
import type { ThroughlineError } from "../../schemas/errors.ts";
import {
  type CorrelationFile,
  correlationRuleSchema,
  type DetectionFile,
  detectionRuleSchema,
} from "../../schemas/rule.ts";
import { buildRule, single } from "./chain-rule.ts";
import { compileDetection, DetectionError } from "./detection.ts";
import type { ChainRule, Detection, RuleSet } from "./rule-set.ts";
import { checkShape, type RuleFile, readDocuments, type Source } from "./source.ts";

interface Named {
  readonly document: Source;
  readonly name: string;
  readonly id: string | null;
  readonly correlation: CorrelationFile | null;
  readonly detection: { readonly file: DetectionFile; readonly rule: Detection } | null;
}

/** @throws ThroughlineError `rule.invalid` or `rule.unsupported`, with `file:line: key: what` */
export function loadRules(files: readonly RuleFile[]): RuleSet {
  const detections = new Map<string, Detection>();
  const named = files.flatMap(readDocuments).map((document) => read(document, detections));
  const byName = index(named);
  const rules: ChainRule[] = [];
  const used = new Set<Detection>();
  const resolve = (reference: string, complain: (message: string, unsupported?: boolean) => ThroughlineError) => {
    const found = byName.get(reference);
    if (found === undefined) throw complain(`no rule has the name or id "${reference}"`);
    if (found.detection === null)
      throw complain(`"${reference}" is a correlation: chained correlations are not evaluated by this version`, true);
    used.add(found.detection.rule);
    return found.detection.rule;
  };
  const built = new Map<Named, Omit<ChainRule, "index">>();
  for (const entry of named) {
    if (entry.correlation)
      built.set(entry, buildRule(entry.document, entry.name, entry.correlation, resolve, versionOf(entry, byName)));
  }
  for (const entry of named) {
    const chain = built.get(entry);
    if (chain) rules.push({ ...chain, index: rules.length });
    else if (entry.detection && (entry.detection.file.generate === true || !used.has(entry.detection.rule))) {
      const { file, rule } = entry.detection;
      rules.push({ ...single(entry.document, file, rule, versionOf(entry, byName)), index: rules.length });
    }
  }
  const version = digest(rules.map((rule) => rule.version));
  return { version, detections: [...detections.values()], rules, timespanMsMax: Math.max(0, ...rules.map(({ timespanMs }) => timespanMs)) };
}

/** @param detections by what they say: equal ones of several rules have one index, so that they are asked and kept once */
function read(document: Source, detections: Map<string, Detection>): Named {
  const value = document.value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw document.wrong([], "is not a rule");
  if ("action" in value) throw document.wrong(["action"], "rule collections are not evaluated", "rule.unsupported");
  if ("correlation" in value) {
    if ("detection" in value) throw document.wrong(["detection"], "a correlation has no detection of its own");
    refuseKinds(document);
    checkShape(document, correlationRuleSchema);
    const correlation = value as CorrelationFile;
    const name = correlation.name ?? correlation.id ?? correlation.title;
    return { document, name, id: correlation.id ?? null, correlation, detection: null };
  }
  checkShape(document, detectionRuleSchema);
  const file = value as DetectionFile;
  const name = file.name ?? file.id ?? file.title;
  const said = JSON.stringify([file.logsource, file.detection]);
  const rule = { ...compile(document, file), index: detections.get(said)?.index ?? detections.size, name };
  if (!detections.has(said)) detections.set(said, rule);
  return { document, name, id: file.id ?? null, correlation: null, detection: { file, rule } };
}

/** Correlation types and links of Sigma and of the plan that come with a later version: named, not "invalid". */
function refuseKinds(document: Source): void {
  const { correlation, "x-chain": chain } = document.value as { correlation?: unknown; "x-chain"?: unknown };
  const type = (correlation as { type?: unknown } | null)?.type;
  if (typeof type === "string" && /^(value_(sum|avg|percentile)|extended_.*)$/.test(type))
    throw document.wrong(["correlation", "type"], `${type} is not evaluated by this version`, "rule.unsupported");
  for (const key of ["unless", "runs"]) {
    if (typeof chain === "object" && chain !== null && key in chain)
      throw document.wrong(["x-chain", key], "is not evaluated by this version", "rule.unsupported");
  }
  const links = (chain as { links?: unknown } | null | undefined)?.links;
  if (!Array.isArray(links)) return;
  for (const [index, link] of links.entries()) {
    const by: unknown = (link as { by?: unknown } | null)?.by;
    if (Array.isArray(by) && by.includes("content"))
      throw document.wrong(
        ["x-chain", "links", index, "by"],
        `content is not evaluated by this version; use ${linkKinds.filter((kind) => kind !== "content").join(", ")}`,
        "rule.unsupported",
      );
  }
}

function compile(document: Source, file: DetectionFile): Omit<Detection, "index" | "name"> {
  const { product, category, service } = file.logsource;
  if ((product ?? "throughline") !== "throughline" || (category ?? "command") !== "command" || service !== undefined)
    throw document.wrong(["logsource"], "write { product: throughline, category: command }", "rule.unsupported");
  try {
    return { ...compileDetection(file.detection), title: file.title, level: file.level ?? "medium" };
  } catch (error) {
    if (!(error instanceof DetectionError)) throw error;
    throw document.wrong(
      ["detection", ...error.path],
      error.message,
      error.unsupported ? "rule.unsupported" : "rule.invalid",
    );
  }
}

function index(named: readonly Named[]): ReadonlyMap<string, Named> {
  const byName = new Map<string, Named>();
  for (const entry of named) {
    for (const key of new Set([entry.name, entry.id ?? entry.name])) {
      const other = byName.get(key);
      if (other)
        throw entry.document.wrong([key === entry.name ? "name" : "id"], `${other.document.file} has "${key}" too`);
      byName.set(key, entry);
    }
  }
  return byName;
}

function versionOf(entry: Named, byName: ReadonlyMap<string, Named>): string {
  const parts = (entry.correlation?.correlation.rules ?? []).map((name) => byName.get(name)?.detection?.file ?? null);
  return digest([entry.correlation ?? entry.detection?.file ?? null, ...parts]);
}

function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}
