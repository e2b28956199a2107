/** What the API takes and gives about pipelines: declared in a file, or proposed by the correlator and accepted by a person. */
import { nullable, personSchema, required } from "./api.ts";
import { pipelineSchema } from "./pipeline.ts";
import { closed, type Static, Type } from "./shape.ts";

const actSchema = closed({ by: personSchema, reason: Type.String(), atMs: Type.Number() });

/** What came of a window in which it may run (`pipeline.ran`); times in milliseconds. */
const pipelineWindowSchema = closed({
  startedMs: Type.Number(),
  endedMs: Type.Number(),
  outcome: Type.Union([
    Type.Literal("ran"),
    Type.Literal("deviated"),
    Type.Literal("unfinished"),
    Type.Literal("missed"),
    Type.Literal("unknown"),
  ]),
  /** Whole and without deviation. */
  runs: Type.Number(),
  /** By its accounts on its targets. */
  commands: Type.Number(),
  /** A sentence without its end; empty where it ran. */
  why: Type.String(),
});
export type PipelineWindow = Static<typeof pipelineWindowSchema>;

export const pipelineInfoSchema = closed({
  /** Id of the proposal; `declared:<name>` for what stands in pipelines.yaml. */
  proposal: Type.String(),
  pipeline: Type.String(),
  /** Rules that it exempts from, joined by commas. */
  rule: Type.String(),
  /** YAML: as it is proposed or declared, or as it was accepted. */
  text: Type.String(),
  sentence: Type.String(),
  times: Type.Number(),
  approvers: Type.Array(personSchema),
  /** Approvals that led to the proposal. */
  approvals: Type.Array(Type.String()),
  /** Null for what stands in a file. */
  proposedAtMs: nullable(Type.Number()),
  state: Type.Union([
    Type.Literal("declared"),
    Type.Literal("proposed"),
    Type.Literal("accepted"),
    Type.Literal("declined"),
    Type.Literal("withdrawn"),
  ]),
  accepted: nullable(actSchema),
  declined: nullable(actSchema),
  withdrawn: nullable(actSchema),
  /** When its next window begins, where it is in force and that is soon enough to tell. */
  nextMs: nullable(Type.Number()),
  last: nullable(pipelineWindowSchema),
  /** Holds that name a deviation from it, as far as they are remembered. */
  deviations: Type.Number(),
});
export type PipelineInfo = Static<typeof pipelineInfoSchema>;
export const pipelinesInfoSchema = closed({ pipelines: Type.Array(pipelineInfoSchema) });
export type PipelinesInfo = Static<typeof pipelinesInfoSchema>;

export const pipelineDetailSchema = closed({
  ...pipelineInfoSchema.properties,
  /** Null where this release cannot read the text. */
  declaration: nullable(pipelineSchema),
  /** Names of the identities in it. */
  people: Type.Array(personSchema),
  /** Newest first. */
  windows: Type.Array(pipelineWindowSchema),
  /** Chains that were held or told although it may exempt them; newest first. */
  holds: Type.Array(
    closed({
      ...{ chain: Type.String(), rule: Type.String(), title: Type.String(), why: Type.String() },
      ...{ atMs: Type.Number(), ruling: Type.String() },
    }),
  ),
  /** Whether the one who asks may accept it now, and the sentence why not. */
  mayAccept: Type.Boolean(),
  whyNot: nullable(Type.String()),
});
export type PipelineDetail = Static<typeof pipelineDetailSchema>;

export const pipelineAcceptSchema = closed({
  reason: required("Why this is legitimate, and who answers for it"),
  /** In place of the proposed text, under the same name. */
  text: Type.Optional(Type.String({ minLength: 1, maxLength: 40_000 })),
});
export type PipelineAccept = Static<typeof pipelineAcceptSchema>;
