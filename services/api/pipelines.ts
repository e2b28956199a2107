/**
 * Pipelines that were proposed: read, accepted and withdrawn by people. What is accepted exempts chains from being held, so
 * nobody accepts what runs under an identity of his own, nor what he alone has approved until then. It counts from the next
 * window of the pipeline on; the correlator judges it again (services/correlator/pipelines.ts). What stands in pipelines.yaml
 * is changed there.
 */
import { loadAccepted, mayAccept, type Pipeline } from "../../infra/rules/pipeline.ts";
import { reasonSchema } from "../../schemas/api.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import {
  type PipelineInfo,
  pipelineAcceptSchema,
  pipelineInfoSchema,
  pipelinesInfoSchema,
} from "../../schemas/pipeline-info.ts";
import { closed } from "../../schemas/shape.ts";
import { type Desk, subjectOfCaller } from "./desk.ts";
import type { Proposed } from "./proposed.ts";
import { type Caller, type Route, route } from "./route.ts";

const listedMax = 1_000;

export function pipelineRoutes(desk: Desk): Route[] {
  return [
    route(
      "GET /api/pipelines",
      "Pipelines that were proposed or accepted, newest first",
      { query: closed({}), answer: pipelinesInfoSchema },
      async ({ caller }) => {
        desk.permits.expect(caller, "investigate", "respond", "administer");
        const pipelines = desk.state.proposals
          .all()
          .slice(0, listedMax)
          .map((one) => infoOf(desk, one));
        const given = pipelines.map(({ proposal, state }) => `${proposal} ${state}`);
        await desk.reads.record(caller, "pipelines", {}, given);
        return { pipelines };
      },
    ),
    route(
      "POST /api/pipelines/:id",
      "Accept a proposal: from its next window on, runs of it are not held",
      { body: pipelineAcceptSchema, answer: pipelineInfoSchema },
      async ({ caller, id, body }) => {
        desk.permits.expect(caller, "administer");
        const proposed = expectProposal(desk, id);
        if (stateOf(proposed) === "accepted")
          throw new ThroughlineError("request.conflict", "This pipeline is accepted already");
        const { pipeline, rule } = proposed.said;
        const text = body.text ?? proposed.said.text;
        expectOther(desk, caller, proposed, text);
        const by = { by: caller.identity.key, byName: caller.identity.name, reason: body.reason };
        const data = { pipeline, rule, text, proposal: id, ...by };
        await desk.state.said({ type: "pipeline.accepted", subject: subjectOfCaller(caller), data });
        return infoOf(desk, expectProposal(desk, id));
      },
    ),
    route(
      "DELETE /api/pipelines/:id",
      "Withdraw what was accepted: from here on it exempts nothing",
      { body: reasonSchema, answer: pipelineInfoSchema },
      async ({ caller, id, body }) => {
        desk.permits.expect(caller, "administer", "respond");
        const proposed = expectProposal(desk, id);
        if (stateOf(proposed) !== "accepted")
          throw new ThroughlineError("request.conflict", `This pipeline is not in force: it is ${stateOf(proposed)}`);
        const data = { pipeline: proposed.said.pipeline, by: caller.identity.key, reason: body.reason };
        await desk.state.said({ type: "pipeline.withdrawn", subject: subjectOfCaller(caller), data });
        return infoOf(desk, expectProposal(desk, id));
      },
    ),
  ];
}

/** Two people at least stand behind what is exempt. @throws ThroughlineError `access.denied`, `request.invalid` */
function expectOther(desk: Desk, { identity }: Caller, { said }: Proposed, text: string): void {
  if (identity.kind !== "person") throw new ThroughlineError("access.denied", "Only a person accepts a pipeline");
  const { people } = desk.state;
  const linked = (one: string) => people.linkedTo([one]);
  const own = [identity.key, ...identity.onBehalfOf];
  // An identity that was taken out of the text has run it all the same.
  for (const declared of new Set([said.text, text])) {
    const pipeline = read(said.pipeline, declared);
    if (own.some((one) => !mayAccept(pipeline, one, linked)))
      throw new ThroughlineError("access.denied", "This pipeline runs as you; somebody else must accept it");
  }
  const same = new Set(people.linkedTo(own));
  if (said.approvers.every((one) => same.has(one)))
    throw new ThroughlineError(
      "access.denied",
      "You alone approved these chains; somebody else must accept the pipeline",
    );
}

function read(name: string, text: string): Pipeline {
  try {
    return loadAccepted({ pipeline: name, text });
  } catch (error) {
    if (error instanceof ThroughlineError) throw new ThroughlineError("request.invalid", error.message, error);
    throw error;
  }
}

function expectProposal(desk: Desk, id: string): Proposed {
  const proposed = desk.state.proposals.get(id);
  if (proposed === null) throw new ThroughlineError("not.found", `No pipeline was proposed as ${id}`);
  return proposed;
}

function stateOf({ accepted, withdrawn }: Proposed): PipelineInfo["state"] {
  if (accepted === null) return "proposed";
  return withdrawn === null ? "accepted" : "withdrawn";
}

function infoOf(desk: Desk, proposed: Proposed): PipelineInfo {
  const { people } = desk.state;
  const { said, atMs, text, accepted, withdrawn } = proposed;
  return {
    ...{ proposal: said.proposal, pipeline: said.pipeline, rule: said.rule, text: text ?? said.text },
    ...{ sentence: said.sentence, times: said.times, proposedAtMs: atMs, state: stateOf(proposed) },
    approvers: said.approvers.map((one) => people.named(one)),
    accepted: accepted && { ...accepted, by: people.named(accepted.by) },
    withdrawn: withdrawn && { ...withdrawn, by: people.named(withdrawn.by) },
  };
}
