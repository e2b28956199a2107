/**
 * `throughline rules test`: the inline tests of rule files, played through the same correlator as the log's records. Their
 * notation is in schemas/RULES.md. A test that cannot be played has failed, with its place and what to write.
 */
import type { Catalog } from "../../infra/catalog.ts";
import { loadRules } from "../../infra/rules/load.ts";
import { actionOf, type ChainRule, formsOf, type RuleSet } from "../../infra/rules/rule-set.ts";
import { type RuleFile, readDocuments, type Source } from "../../infra/rules/source.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import type { CorrelationFile, InlineTest } from "../../schemas/rule.ts";
import { createCorrelator } from "./correlator.ts";
import type { Output } from "./outputs.ts";
import { checkAsked, checkOrder, readScene, type SceneLine, SceneMistake } from "./scene.ts";
import { Stage } from "./stage.ts";
import { numbered, stepsOf, triesOf, whyNot } from "./why.ts";

type Expect = InlineTest["expect"];

export interface TestResult {
  readonly rule: string;
  readonly file: string;
  /** Its name, or its number from 1. */
  readonly test: string;
  readonly ok: boolean;
  readonly expected: Expect;
  /** Null where the test could not be played. */
  readonly found: Expect | null;
  /** The sentence of the chain found, or what was wrong with the test. */
  readonly detail: string;
}

/** A test as it stands in its document. */
interface Written {
  readonly document: Source;
  readonly rule: string;
  readonly test: InlineTest;
  /** From 0. */
  readonly at: number;
}

/** Where neither the test nor the caller says what is tagged. */
const exampleCatalog: Catalog["entries"] = [{ resource: "*/public.customers", tags: ["pii"] }];

/**
 * @param files all rules, in order; every one that has `tests` is tried, alone
 * @param catalog entries for tests that bring none
 * @throws ThroughlineError `rule.invalid`, `rule.unsupported`
 */
export function testRules(files: readonly RuleFile[], catalog: Catalog["entries"] = exampleCatalog): TestResult[] {
  const all = loadRules(files);
  return files
    .flatMap(readDocuments)
    .flatMap(testsIn)
    .map((written) => rehearse(all, written, catalog));
}

/** Loading has checked the shape. */
function testsIn(document: Source): Written[] {
  const { name, id, title = "", tests = [] } = document.value as Partial<CorrelationFile>;
  return tests.map((test, at) => ({ document, rule: name ?? id ?? title, test, at }));
}

function rehearse(all: RuleSet, written: Written, catalog: Catalog["entries"]): TestResult {
  const { document, rule: name, test, at } = written;
  const result = { rule: name, file: document.file, test: test.name ?? String(at + 1), expected: test.expect };
  const path = ["tests", at];
  try {
    const rule = all.rules.find((known) => known.name === name);
    if (rule === undefined) throw document.wrong(path, neverAlone(all, written));
    const never = neverSays(rule, test.expect);
    if (never !== null) throw document.wrong([...path, "expect"], never);
    const { given, when } = sceneOf(document, test, path);
    const scene = { given, when, catalog: test.catalog ?? catalog, pipelines: test.pipelines ?? [] };
    const { found, detail } = verdictOf(rule, play(all, scene));
    const ok = found === test.expect;
    return { ...result, found, ok, detail: ok || found !== "allow" ? detail : whyNothing(all, rule, scene) };
  } catch (error) {
    if (!(error instanceof ThroughlineError)) throw error;
    return { ...result, found: null, ok: false, detail: error.message };
  }
}

function neverAlone({ rules }: RuleSet, { rule: name, document }: Written): string {
  const uses = ({ steps, absences }: ChainRule): boolean =>
    [...steps, ...absences.map(({ detection }) => detection)].some(
      (step) => step.name === name || (step.firing !== null && uses(step.firing)),
    );
  const outer = rules.filter((rule) => formsOf(rule).some(uses)).map((rule) => rule.name);
  const isCorrelation = (document.value as Partial<CorrelationFile>).correlation !== undefined;
  const home = isCorrelation ? "the rule that names it" : name;
  return `cannot run: ${name} never fires by itself, it is a step of ${outer.join(", ")}. Write the test there, or \`generate: true\` into ${home}`;
}

/** A block may come out as a hold (weak), and either as an alert (another last step); never the other way round. */
function neverSays(rule: ChainRule, expected: Expect): string | null {
  const action = actionOf(rule);
  const weight = { allow: 0, alert: 1, hold: 2, block: 3 };
  if (weight[expected] <= weight[action]) return null;
  const why =
    rule.gate === null ? "has no gate" : rule.mode === "observe" ? "has mode: observe" : `says action: ${action}`;
  return `never comes to ${expected}: ${rule.name} ${why}; write ${action}, or allow`;
}

interface Scene {
  readonly given: readonly SceneLine[];
  readonly when: SceneLine;
}

/** @throws ThroughlineError with the place of the line that is wrong */
function sceneOf(document: Source, test: InlineTest, path: readonly (string | number)[]): Scene {
  const given = placed(document, [...path, "given"], () => {
    const lines = readScene(test.given ?? "");
    checkOrder(lines);
    return lines;
  });
  return placed(document, [...path, "when"], () => {
    const lines = readScene(test.when);
    const [when, second] = lines;
    if (when === undefined) throw document.wrong([...path, "when"], "is empty: write the one command that is asked");
    if (second !== undefined)
      throw new SceneMistake(second, "when is one command: what happens before it stands under given");
    checkAsked(when);
    checkOrder([when], given);
    return { given, when };
  });
}

function placed<T>(document: Source, path: readonly (string | number)[], read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof SceneMistake ? document.wrong(path, error.message, error.code, error.line) : error;
  }
}

interface Play extends Scene {
  readonly catalog: Catalog["entries"];
  readonly pipelines: NonNullable<InlineTest["pipelines"]>;
}

/** @param each hears what the correlator says of each line. @returns what it says of what is asked */
function play(
  all: RuleSet,
  { given, when, catalog, pipelines }: Play,
  each: (line: SceneLine, drafts: readonly Output[]) => void = () => {},
): readonly Output[] {
  const drafts: Output[] = [];
  const correlator = createCorrelator({ emit: (draft) => drafts.push(draft), limits, load: () => all });
  correlator.goLive();
  const stage = new Stage((entry) => correlator.fold(entry));
  stage.load({ "catalog.yaml": JSON.stringify(catalog), "pipelines.yaml": JSON.stringify(pipelines) });
  if (correlator.problem !== null) throw new ThroughlineError("rule.invalid", correlator.problem);
  for (const line of given) {
    stage.run(line);
    each(line, drafts);
    drafts.length = 0;
  }
  stage.ask(when);
  each(when, drafts);
  return drafts;
}

/** The same played with one demand less at a time, and step by step: what then fires was missing that one. */
function whyNothing(all: RuleSet, rule: ChainRule, scene: Play): string {
  const tries = triesOf(rule);
  const steps = stepsOf(rule);
  const seen = new Map([...steps.values()].map(({ name }) => [name, [] as string[]]));
  const played = numbered(all, [rule, ...tries.map((one) => one.rule), ...steps.values()]);
  const drafts = play(played, scene, (line, said) => {
    for (const name of firedIn(said))
      seen.get(name)?.push(line === scene.when ? "when" : `line ${line.at + 1} of given`);
  });
  const matches = [...steps].map(([step, { name }]) => `${step} matches ${seen.get(name)?.join(", ") || "nothing"}`);
  const why = whyNot(rule, tries, firedIn(drafts)).map((line) => line.trim());
  return `${why.join(" ")} (${matches.join("; ")})`;
}

function firedIn(drafts: readonly Output[]): ReadonlySet<string> {
  return new Set(drafts.flatMap((draft) => (draft.type === "chain.completed" ? [draft.data.rule] : [])));
}

function verdictOf(rule: ChainRule, drafts: readonly Output[]): { found: Expect; detail: string } {
  for (const draft of drafts) {
    if (draft.type !== "chain.completed" || draft.data.rule !== rule.name) continue;
    return { found: draft.data.chain.action, detail: draft.data.chain.sentence };
  }
  return { found: "allow", detail: "no chain" };
}
