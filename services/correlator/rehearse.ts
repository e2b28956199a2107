/**
 * `throughline rules test`: the inline tests of rule files, played through the same correlator as the log's records.
 *
 *     0s   extract    read       orders/public.customers  rows=500
 *     60s  transform  transform  orders/public.customers -> orders/public.staging
 *
 * time account operation [resources] [-> resources] [key=value …]; resources are joined by commas. Besides the operations:
 * `begin`, `commit`, `rollback`, and of an approval `ask`, `approve`, `refuse`. Keys: identity, onbehalfof, task, parent, session, address, role, statement, fingerprint,
 * trace, content (names for values that are shown, or that come back), rows, outcome, ends, destroys, opaque. The identity
 * is the account's name unless said otherwise; a session is an account's.
 */
import type { Catalog } from "../../infra/catalog.ts";
import { loadRules } from "../../infra/rules/load.ts";
import type { ChainRule, RuleSet } from "../../infra/rules/rule-set.ts";
import type { RuleFile } from "../../infra/rules/source.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import type { InlineTest } from "../../schemas/rule.ts";
import { createCorrelator } from "./correlator.ts";
import type { Output } from "./outputs.ts";
import { readScene } from "./scene.ts";
import { Stage } from "./stage.ts";

export interface TestResult {
  readonly rule: string;
  readonly file: string;
  /** Its name, or its number from 1. */
  readonly test: string;
  readonly ok: boolean;
  readonly expected: InlineTest["expect"];
  readonly found: InlineTest["expect"];
  /** The sentence of the chain found, or what was wrong with the test. */
  readonly detail: string;
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
  return all.rules.flatMap((rule) =>
    rule.tests.map((test, index) => rehearse(all, rule, test, test.name ?? String(index + 1), catalog)),
  );
}

function rehearse(
  all: RuleSet,
  rule: ChainRule,
  test: InlineTest,
  name: string,
  catalog: Catalog["entries"],
): TestResult {
  const result = { rule: rule.name, file: rule.file, test: name, expected: test.expect };
  try {
    const { found, detail } = play(all, rule, test, test.catalog ?? catalog);
    return { ...result, found, ok: found === test.expect, detail };
  } catch (error) {
    if (!(error instanceof ThroughlineError)) throw error;
    return { ...result, found: "allow", ok: false, detail: error.message };
  }
}

function play(
  all: RuleSet,
  rule: ChainRule,
  test: InlineTest,
  catalog: Catalog["entries"],
): { found: InlineTest["expect"]; detail: string } {
  const drafts: Output[] = [];
  const correlator = createCorrelator({ emit: (draft) => drafts.push(draft), limits, load: () => all });
  correlator.goLive();
  const stage = new Stage((entry) => correlator.fold(entry));
  stage.load({ "catalog.yaml": JSON.stringify(catalog), "pipelines.yaml": JSON.stringify(test.pipelines ?? []) });
  if (correlator.problem !== null) throw new ThroughlineError("rule.invalid", correlator.problem);
  const given = readScene(test.given ?? "");
  const when = readScene(test.when)[0];
  if (when === undefined) throw new ThroughlineError("rule.invalid", "when: is empty");
  for (const line of given) stage.run(line);
  drafts.length = 0;
  stage.ask(when);
  return verdictOf(rule, drafts);
}

function verdictOf(rule: ChainRule, drafts: readonly Output[]): { found: InlineTest["expect"]; detail: string } {
  for (const draft of drafts) {
    if (draft.type !== "chain.completed" || draft.data.rule !== rule.name) continue;
    return { found: draft.data.chain.action, detail: draft.data.chain.sentence };
  }
  return { found: "allow", detail: "no chain" };
}
