/**
 * Rule files → RuleSet. Refuses, with file, line and key, whatever it cannot evaluate to the letter: an ignored key in a
 * rule is a hole that nobody sees. Order is the order of the files given, then of the documents in a file.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import {
  type CorrelationFile,
  correlationRuleSchema,
  type DetectionFile,
  detectionRuleSchema,
} from "../../schemas/rule.ts";
import { compileDetection, type Logs } from "./detection.ts";
import { refuseForeign } from "./head.ts";
import { categoryOf, readLogsource } from "./logsource.ts";
import { DetectionError } from "./predicate.ts";
import { type Named, resolveRules } from "./resolve.ts";
import type { Detection, RuleSet } from "./rule-set.ts";
import { checkShape, type RuleFile, readDocuments, type Source, shapeOf } from "./source.ts";

const detectionShape = shapeOf(detectionRuleSchema);
const correlationShape = shapeOf(correlationRuleSchema);

export interface LoadOptions {
  /** `any`: rules about other products' logs load too, and name the fields they like (`throughline rules run`). */
  readonly logs?: Logs;
  /** Tests may pass fewer. */
  readonly rulesMax?: number;
}

/** @throws ThroughlineError `rule.invalid` or `rule.unsupported`, with `file:line: key: what` */
export function loadRules(
  files: readonly RuleFile[],
  { logs = "commands", rulesMax = limits.rulesMax }: LoadOptions = {},
): RuleSet {
  const detections = new Map<string, Detection>();
  const named: Named[] = [];
  for (const file of files) {
    const documents = readDocuments(file);
    // Cut off by an editor, or commented out: it would take away what it held without a word.
    if (documents.length === 0)
      throw new ThroughlineError("rule.invalid", `${file.name}:1: holds no rule: delete the file if none is meant`);
    for (const document of documents) {
      if (named.length >= rulesMax)
        throw document.wrong([], `more than ${rulesMax} rules: combine those that differ in a value only`);
      named.push(read(document, detections, logs));
    }
  }
  return resolveRules(named, [...detections.values()], logs);
}

/** @param detections by what they say: equal ones of several rules have one index, so that they are asked and kept once */
function read(document: Source, detections: Map<string, Detection>, logs: Logs): Named {
  const value = document.value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw document.wrong([], "is not a rule");
  refuseForeign(document, value, logs);
  if ("correlation" in value) {
    if ("detection" in value) throw document.wrong(["detection"], "a correlation has no detection of its own");
    checkShape(document, correlationShape);
    const correlation = value as CorrelationFile;
    return { document, ...calledBy(correlation), correlation, detection: null };
  }
  checkShape(document, detectionShape);
  const file = value as DetectionFile;
  const called = calledBy(file);
  const said = JSON.stringify([file.logsource, file.detection]);
  const rule = {
    ...compile(document, file, logs),
    index: detections.get(said)?.index ?? detections.size,
    name: called.name,
    category: logs === "commands" ? categoryOf(file) : "command",
    said,
    firing: null,
  };
  if (!detections.has(said)) detections.set(said, rule);
  return { document, ...called, correlation: null, detection: { file, rule } };
}

function calledBy({ name, id, title }: DetectionFile | CorrelationFile): Pick<Named, "name" | "id" | "nameKey"> {
  const nameKey = name !== undefined ? "name" : id !== undefined ? "id" : "title";
  return { name: name ?? id ?? title, id: id ?? null, nameKey };
}

function compile(
  document: Source,
  file: DetectionFile,
  logs: Logs,
): Omit<Detection, "index" | "name" | "category" | "said" | "firing"> {
  const about = readLogsource(document, file, logs);
  try {
    return { ...compileDetection(file.detection, logs, about), title: file.title, level: file.level ?? "medium" };
  } catch (error) {
    if (!(error instanceof DetectionError)) throw error;
    throw document.wrong(
      ["detection", ...error.path],
      error.message,
      error.unsupported ? "rule.unsupported" : "rule.invalid",
    );
  }
}
