/** What the API takes and gives about pipelines: proposed by the correlator, accepted by a person. */
import { nullable, personSchema, required } from "./api.ts";
import { closed, type Static, Type } from "./shape.ts";

export const pipelineInfoSchema = closed({
  /** Id of the proposal. */
  proposal: Type.String(),
  pipeline: Type.String(),
  rule: Type.String(),
  /** YAML: as it is proposed, or as it was accepted. */
  text: Type.String(),
  sentence: Type.String(),
  times: Type.Number(),
  approvers: Type.Array(personSchema),
  proposedAtMs: Type.Number(),
  state: Type.Union([Type.Literal("proposed"), Type.Literal("accepted"), Type.Literal("withdrawn")]),
  accepted: nullable(closed({ by: personSchema, reason: Type.String(), atMs: Type.Number() })),
  withdrawn: nullable(closed({ by: personSchema, reason: Type.String(), atMs: Type.Number() })),
});
export type PipelineInfo = Static<typeof pipelineInfoSchema>;
export const pipelinesInfoSchema = closed({ pipelines: Type.Array(pipelineInfoSchema) });

export const pipelineAcceptSchema = closed({
  reason: required("Why this is legitimate, and who answers for it"),
  /** In place of the proposed text, under the same name. */
  text: Type.Optional(Type.String({ minLength: 1, maxLength: 40_000 })),
});
