/**
 * The shape of `pipelines.yaml`: legitimate pipelines, as somebody declares them (DETECTION §2.9).
 *
 *     - name: nightly-report
 *       owner: data-team
 *       steps:                                   # in this order
 *         - identity: https://idp|svc-report
 *           account: report
 *           operation: transform
 *           fingerprint: 5d0c…                   # of the statement, as the timeline shows it
 *           reads: [orders/public.customers]
 *           writes: [orders/public.report]
 *           rows: { max: 10000 }
 *       window: { cron: "0 2 * * 1-5", for: 2h } # UTC
 *       longest: 30m                             # from a run's first step to its last
 *       addresses: [10.2.0.0/16]
 *       runs: { max: 1 }                         # in one window
 */
import { operations } from "./command.ts";
import { limits } from "./limits.ts";
import { closed, type Static, Type } from "./shape.ts";

const text = Type.String({ minLength: 1, maxLength: 1000 });
const oneOrMore = <T extends typeof text>(item: T) => Type.Union([item, Type.Array(item, { minItems: 1 })]);
const operation = Type.Unsafe<(typeof operations)[number]>(Type.Union(operations.map((word) => Type.Literal(word))));
const duration = Type.String({ pattern: "^[1-9][0-9]{0,4}[smh]$" });
const atMost = (most: number) => closed({ max: Type.Integer({ minimum: 0, maximum: most }) });

const pipelineStepSchema = closed({
  identity: oneOrMore(text),
  account: text,
  /** In force by SET ROLE; the account's own unless said. */
  role: Type.Optional(text),
  operation: Type.Union([operation, Type.Array(operation, { minItems: 1 })]),
  fingerprint: oneOrMore(text),
  /** What it touches must be one of these, or inside one. */
  reads: Type.Optional(Type.Array(text)),
  writes: Type.Optional(Type.Array(text)),
  /** Absent: it destroys nothing, unless it deletes. */
  destroys: Type.Optional(Type.Boolean()),
  /** Of one command. */
  rows: atMost(Number.MAX_SAFE_INTEGER),
  /** How often in one run, one after another; once unless said. */
  times: Type.Optional(atMost(limits.pipelineCommandsMax)),
});
export type PipelineStepText = Static<typeof pipelineStepSchema>;

export const pipelineSchema = closed({
  name: Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$" }),
  owner: text,
  steps: Type.Array(pipelineStepSchema, { minItems: 1, maxItems: limits.pipelineStepsMax }),
  window: closed({ cron: text, for: duration }),
  longest: duration,
  addresses: Type.Array(text, { minItems: 1 }),
  runs: Type.Optional(atMost(1_000)),
});
export type PipelineText = Static<typeof pipelineSchema>;

export const pipelinesSchema = Type.Array(pipelineSchema, { maxItems: limits.pipelinesMax });
