/** Pipelines, rules and replays for the double: a nightly report that once went wrong, a proposal, a rule that holds. */
import type { PipelineText } from "../../schemas/pipeline.ts";
import {
  type PipelineDetail,
  type PipelineInfo,
  pipelineDetailSchema,
  pipelineInfoSchema,
  pipelinesInfoSchema,
} from "../../schemas/pipeline-info.ts";
import {
  type ReplayPage,
  type RuleDetail,
  replayInfoSchema,
  replayPageSchema,
  replaysSchema,
  ruleDetailSchema,
  rulesInfoSchema,
} from "../../schemas/rule-info.ts";
import type { TSchema } from "../../schemas/shape.ts";
import { heldApproval, heldChain, people } from "./night.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

export interface Jobs {
  pipelines: PipelineDetail[];
  readonly rules: readonly RuleDetail[];
  replays: ReplayPage[];
  /** While it is, replays run; then they are over when they are read again. */
  busy: boolean;
}

const step = (who: "extract" | "transform" | "load", rest: Partial<PipelineText["steps"][number]>) => ({
  ...{ identity: people[who].identity, account: who, operation: "read" as const, rows: { max: 20_000 } },
  ...{ fingerprint: `5d0c41${who}9b7f32e1a4c6d8` },
  ...rest,
});

const written: PipelineText = {
  name: "nightly-report",
  owner: "data-team",
  steps: [
    step("extract", { reads: ["orders/public.customers"] }),
    step("transform", {
      ...{ operation: "transform", reads: ["orders/public.customers"], times: { max: 3 } },
      writes: ["orders/public.staging_customers", "orders/public.reporting_customers"],
    }),
    step("load", { operation: "delete", writes: ["orders/public.staging_customers"] }),
  ],
  window: { cron: "0 2 * * 1-5", for: "2h" },
  longest: "30m",
  addresses: ["10.2.0.0/16", "10.9.4.17"],
};

const nothingSaid = { accepted: null, declined: null, withdrawn: null, last: null, nextMs: null, deviations: 0 };

/** @param t0 when the night began, milliseconds */
export function jobsOf(t0: number): Jobs {
  const at = (days: number) => t0 - days * dayMs;
  const window = (days: number, outcome: "ran" | "deviated" | "missed", why = "") => ({
    ...{ startedMs: at(days), endedMs: at(days) + 2 * hourMs, outcome, why },
    ...{ runs: outcome === "ran" ? 1 : 0, commands: outcome === "missed" ? 0 : 5 },
  });
  const windows = [
    window(1, "ran"),
    window(2, "deviated", "step 3 ran statement 77ab01, declared 5d0c41load9b7f32e1a4c6d8"),
    window(3, "missed", "no command of its accounts was seen"),
    window(4, "ran"),
  ];
  const hold = { chain: heldChain, rule: "read_transform_delete", title: "Customer data read, moved and destroyed" };
  const everybody = [people.extract, people.transform, people.load];
  const declared: PipelineDetail = {
    ...{ proposal: "declared:nightly-report", pipeline: "nightly-report", rule: "read_transform_delete" },
    ...{ text: "- name: nightly-report\n  owner: data-team\n", times: 0, approvers: [], approvals: [] },
    ...{ sentence: "Declared in pipelines.yaml; data-team answers for it.", proposedAtMs: null, state: "declared" },
    ...{ ...nothingSaid, nextMs: t0 + dayMs, last: windows[0] ?? null, deviations: 1, windows },
    holds: [
      { ...hold, why: "step 3 ran statement 77ab01, declared 5d0c41load9b7f32e1a4c6d8", atMs: at(2), ruling: "hold" },
    ],
    ...{ declaration: written, people: everybody, mayAccept: false },
    whyNot: "It stands in pipelines.yaml and is changed there.",
  };
  const name = "proposed-4f1a90c2b7d3";
  const proposed: PipelineDetail = {
    ...{ proposal: "pr1", pipeline: name, rule: "read_transform_delete", text: `- name: ${name}\n`, times: 3 },
    sentence:
      "People approved the same chain of read_transform_delete 3 times, by extract, transform, load: it may be a pipeline that nobody declared.",
    ...{ approvers: [people.olga], approvals: [heldApproval], proposedAtMs: at(1), state: "proposed", ...nothingSaid },
    ...{ declaration: { ...written, name }, people: everybody, windows: [], holds: [], mayAccept: true, whyNot: null },
  };
  const rule: RuleDetail = {
    ...{ name: "read_transform_delete", title: "Customer data read, moved and destroyed by different accounts" },
    ...{ level: "critical", type: "temporal_ordered", file: "rules/read-transform-delete.yml", mode: "enforce" },
    ...{ action: "hold", approvers: ["data-owners"], pipelines: ["nightly-report"] },
    words: [
      "read_transform_delete: Customer data read, moved and destroyed (level critical, temporal_ordered)",
      "  3 events in this order, within 24 h:",
      "  1. pii_read: Personal data is read",
      "  2. pii_transform: Personal data is copied",
      "  3. destructive: Existing content is removed",
      "  step 2 and step 3: the later touches what the earlier wrote (flow)",
      "  at least 2 different values of account",
      "  unless it is one run of the pipeline nightly-report",
    ],
    check: "Is there a ticket for the clean-up, and did its owner ask for it?",
  };
  return { pipelines: [declared, proposed], rules: [rule], replays: [], busy: false };
}

type Answer = { readonly schema: TSchema; readonly value: unknown } | null;

interface Asked {
  readonly method: string;
  readonly key: string;
  readonly verb: string;
  readonly body: string;
}

export function aboutPipelines(jobs: Jobs, { method, key, verb, body }: Asked): Answer {
  if (key === "") return { schema: pipelinesInfoSchema, value: { pipelines: jobs.pipelines.map(infoOf) } };
  const found = jobs.pipelines.find(({ proposal, pipeline }) => proposal === key || pipeline === key);
  if (found === undefined) return null;
  if (method === "GET") return { schema: pipelineDetailSchema, value: found };
  const act = { by: people.olga, reason: (JSON.parse(body) as { reason: string }).reason, atMs: Date.now() };
  const said =
    method === "DELETE"
      ? { state: "withdrawn" as const, withdrawn: act }
      : verb === "decline"
        ? { state: "declined" as const, declined: act }
        : { state: "accepted" as const, accepted: act, withdrawn: null };
  const next = { ...found, ...said };
  jobs.pipelines = jobs.pipelines.map((one) => (one === found ? next : one));
  return { schema: pipelineInfoSchema, value: infoOf(next) };
}

function infoOf(detail: PipelineDetail): PipelineInfo {
  const { declaration: _, people: __, windows: ___, holds: ____, mayAccept: _____, whyNot: ______, ...info } = detail;
  return info;
}

export function aboutRules({ rules }: Jobs, key: string): Answer {
  const brief = ({ words: _, check: __, ...info }: RuleDetail) => info;
  if (key === "") return { schema: rulesInfoSchema, value: { rules: rules.map(brief) } };
  const rule = rules.find(({ name }) => name === key);
  return rule === undefined ? null : { schema: ruleDetailSchema, value: rule };
}

export function aboutReplays(jobs: Jobs, { method, key, body }: Asked): Answer {
  const brief = ({ found: _, next: __, dropped: ___, ...info }: ReplayPage) => info;
  if (method === "POST") {
    const { rule, days } = JSON.parse(body) as { rule: string; days: number };
    const nowMs = Date.now();
    const begun: ReplayPage = {
      ...{
        replay: `rp${jobs.replays.length}`,
        rule,
        by: people.olga,
        startedAtMs: nowMs,
        sinceMs: nowMs - days * dayMs,
      },
      ...{ state: "running", records: 48_200, atMs: nowMs - dayMs, share: 0.4, hold: 0, block: 0, alert: 0, why: "" },
      ...{ found: [], next: null, dropped: 0 },
    };
    jobs.replays = [begun, ...jobs.replays];
    return { schema: replayInfoSchema, value: brief(begun) };
  }
  if (key === "") return { schema: replaysSchema, value: { replays: jobs.replays.map(brief) } };
  const known = jobs.replays.find(({ replay }) => replay === key);
  if (known === undefined) return null;
  const after = method === "DELETE" ? { ...known, state: "cancelled" as const } : jobs.busy ? known : finished(known);
  jobs.replays = jobs.replays.map((one) => (one === known ? after : one));
  if (method === "DELETE") return { schema: replayInfoSchema, value: brief(after) };
  return { schema: replayPageSchema, value: after };
}

function finished(replay: ReplayPage): ReplayPage {
  if (replay.state !== "running") return replay;
  const about = { event: "e1", command: "c-load-2", session: "s-load", account: "load", by: people.load };
  const found = {
    ...{
      ...about,
      atMs: replay.startedAtMs - dayMs,
      action: "hold" as const,
      accounts: ["extract", "transform", "load"],
    },
    sentence:
      "Customer data read, moved and destroyed: extract read public.customers 9 min before; transform copied public.customers into public.staging_customers 8 min before; load deletes from public.staging_customers now.",
  };
  return { ...replay, state: "done", records: 120_455, share: 1, hold: 1, found: [found] };
}
