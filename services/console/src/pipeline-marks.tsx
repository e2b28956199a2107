/** Words and colours for a pipeline: its state, and what came of a window in which it may run. */
import type { PipelineInfo, PipelineWindow } from "../../../schemas/pipeline-info.ts";
import { Ruling } from "./marks.tsx";

const outcomes: Readonly<Record<PipelineWindow["outcome"], readonly [ruling: string, words: string]>> = {
  ran: ["allow", "ran"],
  deviated: ["hold", "deviated"],
  unfinished: ["hold", "stopped half-way"],
  missed: ["block", "did not run"],
  unknown: ["mask", "cannot be told"],
};

export function WindowMark({ outcome }: { readonly outcome: PipelineWindow["outcome"] }) {
  const [ruling, words] = outcomes[outcome];
  return <Ruling ruling={ruling} words={words} />;
}

const states: Readonly<Record<PipelineInfo["state"], string>> = {
  declared: "allow",
  proposed: "hold",
  accepted: "allow",
  declined: "block",
  withdrawn: "block",
};

export function PipelineState({ state }: { readonly state: PipelineInfo["state"] }) {
  return <Ruling ruling={states[state]} words={state} />;
}
