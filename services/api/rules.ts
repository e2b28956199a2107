/** Rules in force: what they look for, in words, and what they do. Their texts are the operator's files. */
import { basename } from "node:path";
import { explainRule } from "../../infra/rules/explain.ts";
import { actionOf, type ChainRule } from "../../infra/rules/rule-set.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { type RuleInfo, ruleDetailSchema, rulesInfoSchema } from "../../schemas/rule-info.ts";
import type { Desk } from "./desk.ts";
import { stateOf } from "./pipelines.ts";
import { type Route, route } from "./route.ts";

const listedMax = 2_000;

export function ruleRoutes(desk: Desk): Route[] {
  return [
    route("GET /api/rules", "Rules in force, in their order", { answer: rulesInfoSchema }, async ({ caller }) => {
      desk.permits.expect(caller, "investigate", "respond", "administer");
      const { rules } = desk.inForce().rules;
      await desk.reads.record(caller, "rules", {}, [desk.inForce().rules.version]);
      return { rules: rules.slice(0, listedMax).map((rule) => infoOf(desk, rule)) };
    }),
    route("GET /api/rules/:id", "A rule in words", { answer: ruleDetailSchema }, async ({ caller, id }) => {
      desk.permits.expect(caller, "investigate", "respond", "administer");
      const rule = desk.inForce().rules.rules.find(({ name }) => name === id);
      await desk.reads.record(caller, "rule", { rule: id }, [rule?.version ?? ""]);
      if (rule === undefined) throw new ThroughlineError("not.found", `No rule in force is called ${id}`);
      return { ...infoOf(desk, rule), words: explainRule(rule), check: rule.check };
    }),
  ];
}

function infoOf({ state }: Desk, rule: ChainRule): RuleInfo {
  const { name, title, level, type, file, mode, gate, unless } = rule;
  const accepted = state.proposals.all().filter((one) => one.said.rule === name && stateOf(one) === "accepted");
  return {
    ...{ name, title, level, type, file: `rules/${basename(file)}`, mode, action: actionOf(rule) },
    approvers: [...(gate?.approvers ?? [])],
    pipelines: [...unless, ...accepted.map(({ said }) => said.pipeline)],
  };
}
