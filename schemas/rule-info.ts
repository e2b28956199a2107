/** What the API gives and takes about rules in force, and about replaying one over the log that there is. */
import { personSchema } from "./api.ts";
import { limits } from "./limits.ts";
import { closed, type Static, Type } from "./shape.ts";

export const ruleInfoSchema = closed({
  ...{ name: Type.String(), title: Type.String(), level: Type.String(), type: Type.String(), file: Type.String() },
  mode: Type.Union([Type.Literal("observe"), Type.Literal("enforce")]),
  /** What a chain of it does: an observed or ungated rule only tells. */
  action: Type.Union([Type.Literal("hold"), Type.Literal("block"), Type.Literal("alert")]),
  approvers: Type.Array(Type.String()),
  /** Declared and accepted pipelines whose runs are no chain of it. */
  pipelines: Type.Array(Type.String()),
});
export type RuleInfo = Static<typeof ruleInfoSchema>;
export const rulesInfoSchema = closed({ rules: Type.Array(ruleInfoSchema) });
export type RulesInfo = Static<typeof rulesInfoSchema>;

export const ruleDetailSchema = closed({
  ...ruleInfoSchema.properties,
  /** The rule in words, line by line. */
  words: Type.Array(Type.String()),
  check: Type.Union([Type.String(), Type.Null()]),
});
export type RuleDetail = Static<typeof ruleDetailSchema>;

/** POST /api/replays */
export const replayAskSchema = closed({
  rule: Type.String({ minLength: 1, maxLength: 200 }),
  days: Type.Integer({ minimum: 1, maximum: limits.replayDaysMax }),
});
export type ReplayAsk = Static<typeof replayAskSchema>;

export const replayInfoSchema = closed({
  replay: Type.String(),
  rule: Type.String(),
  by: personSchema,
  startedAtMs: Type.Number(),
  sinceMs: Type.Number(),
  state: Type.Union([Type.Literal("running"), Type.Literal("done"), Type.Literal("failed"), Type.Literal("cancelled")]),
  /** Records of the log folded so far, up to which time, and about how much of all, 0 to 1. */
  records: Type.Integer(),
  atMs: Type.Number(),
  share: Type.Number(),
  /** What the rule would have done; more than are kept count too. */
  ...{ hold: Type.Integer(), block: Type.Integer(), alert: Type.Integer() },
  /** Why it failed; empty otherwise. */
  why: Type.String(),
});
export type ReplayInfo = Static<typeof replayInfoSchema>;
export const replaysSchema = closed({ replays: Type.Array(replayInfoSchema) });
export type Replays = Static<typeof replaysSchema>;

const replayFoundSchema = closed({
  ...{ atMs: Type.Number(), event: Type.String(), command: Type.String(), session: Type.String() },
  by: personSchema,
  account: Type.String(),
  action: ruleInfoSchema.properties.action,
  accounts: Type.Array(Type.String()),
  sentence: Type.String(),
});
export const replayPageSchema = closed({
  ...replayInfoSchema.properties,
  found: Type.Array(replayFoundSchema),
  /** Where the next page begins; null = there is none yet. */
  next: Type.Union([Type.Integer(), Type.Null()]),
  /** Found and not kept: the latest are left out. */
  dropped: Type.Integer(),
});
export type ReplayPage = Static<typeof replayPageSchema>;
