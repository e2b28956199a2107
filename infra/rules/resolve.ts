/**
 * Which rules there are: references followed, correlations inside correlations built first, and who fires alone.
 * A rule that others refer to fires only inside them, unless one of these says `generate: true` or it has a gate of its
 * own: whoever writes a gate means it to be obeyed.
 */
import { createHash } from "node:crypto";
import { limits } from "../../schemas/limits.ts";
import type { CorrelationFile, DetectionFile } from "../../schemas/rule.ts";
import { buildRule, type Complain, referencesOf, single } from "./chain-rule.ts";
import { compileTree, type Logs } from "./detection.ts";
import { joined } from "./predicate.ts";
import { type ChainRule, type Detection, formsOf, type RuleSet } from "./rule-set.ts";
import type { Source } from "./source.ts";
import { nearest } from "./spelling.ts";

/** One document. */
export interface Named {
  readonly document: Source;
  readonly name: string;
  /** The key that says it. */
  readonly nameKey: "name" | "id" | "title";
  readonly id: string | null;
  readonly correlation: CorrelationFile | null;
  readonly detection: { readonly file: DetectionFile; readonly rule: Detection } | null;
}

/** @param detections those of the documents, by index. @throws ThroughlineError `rule.invalid` or `rule.unsupported` */
export function resolveRules(named: readonly Named[], detections: readonly Detection[], logs: Logs): RuleSet {
  const resolver = new Resolver(named, detections, logs);
  const rules: ChainRule[] = [];
  const built = new Map(named.map((entry) => [entry, entry.correlation ? resolver.ruleOf(entry, 0) : null]));
  for (const [entry, rule] of built) {
    if (!resolver.isAlone(entry)) continue;
    const { document, detection } = entry;
    if (rule !== null) rules.push({ ...rule, ...numbered(rule, rules.length) });
    else if (detection !== null)
      rules.push({
        ...single(document, detection.file, detection.rule, resolver.versionOf(entry)),
        index: rules.length,
      });
  }
  return {
    version: digest(rules.map((rule) => rule.version)),
    detections: resolver.detections,
    rules,
    forms: [...new Set(rules.flatMap(formsWithin))],
    timespanMsMax: Math.max(0, ...rules.map(reachMs)),
  };
}

function numbered(rule: ChainRule, index: number): Pick<ChainRule, "index" | "variants"> {
  return { index, variants: rule.variants.map((form) => ({ ...form, index })) };
}

function innerOf({ steps, absences }: ChainRule): readonly ChainRule[] {
  return [...steps, ...absences.map(({ detection }) => detection)].flatMap(({ firing }) => firing ?? []);
}

/** The rule's own forms and, through its steps, those of the correlations inside it. */
function formsWithin(rule: ChainRule): readonly ChainRule[] {
  return formsOf(rule).flatMap((form) => [form, ...innerOf(form).flatMap(formsWithin)]);
}

function reachMs(rule: ChainRule): number {
  return rule.timespanMs + Math.max(0, ...formsOf(rule).flatMap(innerOf).map(reachMs));
}

class Resolver {
  readonly #byName: ReadonlyMap<string, Named>;
  readonly #built = new Map<Named, ChainRule>();
  readonly #firings = new Map<Named, Detection>();
  readonly #versions = new Map<Named, string>();
  readonly #open = new Set<Named>();
  readonly #used = new Set<Named>();
  readonly #generated = new Set<Named>();
  readonly detections: Detection[];
  readonly #logs: Logs;

  constructor(named: readonly Named[], detections: readonly Detection[], logs: Logs) {
    this.#logs = logs;
    this.#byName = byName(named);
    this.detections = [...detections];
  }

  isAlone(entry: Named): boolean {
    const file = entry.correlation ?? entry.detection?.file;
    if (entry.detection?.file.generate === true || file?.["x-chain"]?.gate !== undefined) return true;
    return !this.#used.has(entry) || this.#generated.has(entry);
  }

  ruleOf(entry: Named, depth: number): ChainRule {
    const known = this.#built.get(entry);
    if (known !== undefined) return known;
    const { document, name, correlation } = entry;
    if (correlation === null) throw document.wrong([], "is no correlation");
    this.#open.add(entry);
    const resolve = (reference: string, complain: Complain) => this.#step(reference, complain, depth);
    const given = { document, name, file: correlation, resolve, version: this.versionOf(entry), logs: this.#logs };
    const rule: ChainRule = { ...buildRule(given), index: -1 };
    this.#open.delete(entry);
    this.#built.set(entry, rule);
    if (correlation.generate === true) this.#generate(document, correlation);
    return rule;
  }

  #generate(document: Source, { correlation }: CorrelationFile): void {
    for (const reference of referencesOf(document, correlation)) {
      const found = this.#byName.get(reference);
      if (found !== undefined) this.#generated.add(found);
    }
  }

  #step(reference: string, complain: Complain, depth: number): Detection {
    const found = this.#byName.get(reference);
    if (found === undefined) {
      const meant = nearest(reference, [...this.#byName.keys()]);
      const instead = meant === null ? "give the file that has it as well, or its folder" : `do you mean ${meant}?`;
      throw complain(`no rule has the name or id "${reference}" in the files given: ${instead}`);
    }
    if (this.#open.has(found)) {
      const way = [...this.#open].map(({ name }) => name);
      throw complain(`goes round in a circle: ${[...way.slice(way.indexOf(found.name)), found.name].join(" -> ")}`);
    }
    if (depth >= limits.ruleDepthMax)
      throw complain(`more than ${limits.ruleDepthMax} correlations inside one another`, true);
    this.#used.add(found);
    return found.detection?.rule ?? this.#firing(found, depth);
  }

  /** What a correlation's firings are as a step: events that could complete it; the search asks whether they do. */
  #firing(entry: Named, depth: number): Detection {
    const known = this.#firings.get(entry);
    if (known !== undefined) return known;
    const firing = whole(this.ruleOf(entry, depth + 1));
    const lasts = [...new Set([...firing.lasts].flatMap((at) => firing.steps[at] ?? []))];
    const { name, title, level } = firing;
    const category = lasts[0]?.category ?? "command";
    const said = `firing of ${firing.version}`;
    const detection = { ...anyOf(lasts), index: this.detections.length, name, title, level, category, said, firing };
    this.detections.push(detection);
    this.#firings.set(entry, detection);
    return detection;
  }

  /** Of the rule and of all that it is made from. A circle is found when the rule is built. */
  versionOf(entry: Named): string {
    const known = this.#versions.get(entry);
    if (known !== undefined) return known;
    this.#versions.set(entry, "");
    const correlation = entry.correlation?.correlation;
    const chain = entry.correlation?.["x-chain"];
    const absent = [chain?.absent ?? []].flat().map(({ rule }) => rule);
    const named = correlation === undefined ? [] : referencesOf(entry.document, correlation);
    const parts = [...named, ...absent, ...(chain?.until === undefined ? [] : [chain.until])].map((reference) => {
      const inner = this.#byName.get(reference);
      return inner === undefined ? null : this.versionOf(inner);
    });
    const version = digest([entry.correlation ?? entry.detection?.file ?? null, ...parts]);
    this.#versions.set(entry, version);
    return version;
  }
}

/** A firing is an event whatever a pipeline leaves out: what is exempt is said by the rule that is asked. */
function whole(rule: ChainRule): ChainRule {
  return rule.unless.length === 0
    ? rule
    : { ...rule, unless: [], variants: rule.variants.map((form) => ({ ...form, unless: [] })) };
}

function anyOf(
  parts: readonly Detection[],
): Omit<Detection, "index" | "name" | "title" | "level" | "category" | "said" | "firing"> {
  return compileTree(
    joined(
      "or",
      parts.map(({ tree }) => tree),
    ),
  );
}

function byName(named: readonly Named[]): ReadonlyMap<string, Named> {
  const found = new Map<string, Named>();
  for (const entry of named) {
    for (const key of new Set([entry.name, entry.id ?? entry.name])) {
      const other = found.get(key);
      if (other)
        throw entry.document.wrong(
          [key === entry.name ? entry.nameKey : "id"],
          `${other.document.file} has "${key}" too`,
        );
      found.set(key, entry);
    }
  }
  return found;
}

function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}
