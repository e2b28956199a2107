/**
 * Pipelines: those of pipelines.yaml, and those that were proposed; what came of them, and what people say about them. What is
 * accepted exempts chains from being held, so nobody accepts what runs under an identity of his own, nor what he alone has
 * approved until then. It counts from the next window of the pipeline on; the correlator judges it again
 * (services/correlator/pipelines.ts). What stands in pipelines.yaml is changed there.
 */
import { loadAccepted, mayAccept, type Pipeline } from "../../infra/rules/pipeline.ts";
import { startAfter } from "../../infra/rules/schedule.ts";
import { writeYaml } from "../../infra/yaml.ts";
import { reasonSchema } from "../../schemas/api.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import {
  type PipelineDetail,
  type PipelineInfo,
  pipelineAcceptSchema,
  pipelineDetailSchema,
  pipelineInfoSchema,
  pipelinesInfoSchema,
} from "../../schemas/pipeline-info.ts";
import { closed } from "../../schemas/shape.ts";
import { type Desk, subjectOfCaller } from "./desk.ts";
import type { Proposed } from "./proposed.ts";
import { type Caller, type Route, route } from "./route.ts";

const listedMax = 1_000;
const declaredPrefix = "declared:";

export function pipelineRoutes(desk: Desk): Route[] {
  return [...readingRoutes(desk), ...answeringRoutes(desk)];
}

function readingRoutes(desk: Desk): Route[] {
  return [
    route(
      "GET /api/pipelines",
      "Pipelines that are declared, then those that were proposed or accepted, newest first",
      { query: closed({}), answer: pipelinesInfoSchema },
      async ({ caller }) => {
        desk.permits.expect(caller, "investigate", "respond", "administer");
        const proposed = desk.state.proposals.all().map((one) => infoOf(desk, one));
        const pipelines = [...desk.inForce().pipelines.map((one) => declaredInfo(desk, one)), ...proposed].slice(
          0,
          listedMax,
        );
        const given = pipelines.map(({ proposal, state, last }) => `${proposal} ${state} ${last?.endedMs}`);
        await desk.reads.record(caller, "pipelines", {}, given);
        return { pipelines };
      },
    ),
    route(
      "GET /api/pipelines/:id",
      "A pipeline: what it may do, what came of its windows, which holds name a deviation from it",
      { answer: pipelineDetailSchema },
      async ({ caller, id }) => {
        desk.permits.expect(caller, "investigate", "respond", "administer");
        const info = detailOf(desk, caller, id);
        const given = [info.state, String(info.last?.endedMs), ...info.holds.map(({ chain }) => chain)];
        await desk.reads.record(caller, "pipeline", { pipeline: id }, given);
        return info;
      },
    ),
  ];
}

function answeringRoutes(desk: Desk): Route[] {
  return [
    route(
      "POST /api/pipelines/:id",
      "Accept a proposal: from its next window on, runs of it are not held",
      { body: pipelineAcceptSchema, answer: pipelineInfoSchema },
      async ({ caller, id, body }) => {
        desk.permits.expect(caller, "administer");
        const proposed = expectProposal(desk, id);
        const state = stateOf(proposed);
        if (state === "accepted" || state === "declined")
          throw new ThroughlineError("request.conflict", `This pipeline is ${state} already`);
        const { pipeline, rule } = proposed.said;
        const text = body.text ?? proposed.said.text;
        expectOther(desk, caller, proposed, text);
        const data = { pipeline, rule, text, proposal: id, ...by(caller), reason: body.reason };
        await desk.state.said({ type: "pipeline.accepted", subject: subjectOfCaller(caller), data });
        return infoOf(desk, expectProposal(desk, id));
      },
    ),
    route(
      "POST /api/pipelines/:id/decline",
      "Decline a proposal: it stays as it is, and nobody accepts it any more",
      { body: reasonSchema, answer: pipelineInfoSchema },
      async ({ caller, id, body }) => {
        desk.permits.expect(caller, "administer", "respond");
        const proposed = expectProposal(desk, id);
        if (stateOf(proposed) !== "proposed")
          throw new ThroughlineError("request.conflict", `This is no open proposal: it is ${stateOf(proposed)}`);
        const data = { proposal: id, pipeline: proposed.said.pipeline, ...by(caller), reason: body.reason };
        await desk.state.said({ type: "pipeline.declined", subject: subjectOfCaller(caller), data });
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

const by = ({ identity: { key, name } }: Caller) => ({ by: key, byName: name });

/** Two people at least stand behind what is exempt. @throws ThroughlineError `access.denied`, `request.invalid` */
function expectOther(desk: Desk, { identity }: Caller, { said }: Proposed, text: string): void {
  if (identity.kind !== "person") throw new ThroughlineError("access.denied", "Only a person accepts a pipeline");
  const { people } = desk.state;
  const linked = (one: string) => people.linkedTo([one]);
  const own = [identity.key, ...identity.onBehalfOf];
  // An identity that was taken out of the text has run it all the same.
  for (const one of new Set([said.text, text])) {
    const pipeline = read(said.pipeline, one);
    if (own.some((name) => !mayAccept(pipeline, name, linked)))
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

export function stateOf({ accepted, declined, withdrawn }: Proposed): PipelineInfo["state"] {
  if (accepted === null) return declined === null ? "proposed" : "declined";
  return withdrawn === null ? "accepted" : "withdrawn";
}

/** @param id of a proposal, or the name of a pipeline: what a file declares before what was proposed last */
function detailOf(desk: Desk, caller: Caller, id: string): PipelineDetail {
  const { proposals } = desk.state;
  const name = id.startsWith(declaredPrefix) ? id.slice(declaredPrefix.length) : id;
  const declared = desk.inForce().pipelines.find((one) => one.name === name);
  if (declared !== undefined && proposals.get(id) === null) {
    const whyNot = "It stands in pipelines.yaml and is changed there.";
    const about = { ...writtenIn(desk, declared), mayAccept: false, whyNot };
    return { ...declaredInfo(desk, declared), ...storyOf(desk, name), ...about };
  }
  const named = proposals.all().find(({ said }) => said.pipeline === name);
  const chosen = proposals.get(id) ?? named ?? expectProposal(desk, id);
  const info = infoOf(desk, chosen);
  const written = writtenIn(desk, readable(info.pipeline, info.text));
  const whyNot = objection(desk, caller, chosen);
  return { ...info, ...storyOf(desk, info.pipeline), ...written, mayAccept: whyNot === null, whyNot };
}

function writtenIn({ state }: Desk, pipeline: Pipeline | null): Pick<PipelineDetail, "declaration" | "people"> {
  if (pipeline === null) return { declaration: null, people: [] };
  return { declaration: pipeline.text, people: [...pipeline.identities].map((one) => state.people.named(one)) };
}

function storyOf({ state }: Desk, name: string): Pick<PipelineDetail, "windows" | "holds"> {
  const { windows, holds } = state.proposals.followed(name);
  return { windows: [...windows], holds: [...holds] };
}

/** Why this person may not accept it as it stands; null when he may. */
function objection(desk: Desk, caller: Caller, proposed: Proposed): string | null {
  const state = stateOf(proposed);
  if (state === "accepted" || state === "declined") return `It is ${state}.`;
  try {
    desk.permits.expect(caller, "administer");
    expectOther(desk, caller, proposed, proposed.said.text);
    return null;
  } catch (error) {
    if (error instanceof ThroughlineError) return `${error.message}.`.replace(/\.\.$/, ".");
    throw error;
  }
}

function readable(name: string, text: string): Pipeline | null {
  try {
    return loadAccepted({ pipeline: name, text });
  } catch (error) {
    if (error instanceof ThroughlineError) return null;
    throw error;
  }
}

function declaredInfo(desk: Desk, pipeline: Pipeline): PipelineInfo {
  const { name, text } = pipeline;
  const rules = desk.inForce().rules.rules.filter(({ unless }) => unless.includes(name));
  return {
    ...{ proposal: `${declaredPrefix}${name}`, pipeline: name, rule: rules.map((rule) => rule.name).join(", ") },
    ...{ text: writeYaml([text]), sentence: `Declared in pipelines.yaml; ${text.owner} answers for it.`, times: 0 },
    ...{ approvers: [], approvals: [], proposedAtMs: null, state: "declared" as const },
    ...{ accepted: null, declined: null, withdrawn: null, ...followedOf(desk, name, pipeline) },
  };
}

function infoOf(desk: Desk, proposed: Proposed): PipelineInfo {
  const { people } = desk.state;
  const { said, atMs, text, accepted, declined, withdrawn } = proposed;
  const [state, current] = [stateOf(proposed), text ?? said.text];
  const named = (act: Proposed["accepted"]) => act && { ...act, by: people.named(act.by) };
  return {
    ...{ proposal: said.proposal, pipeline: said.pipeline, rule: said.rule, text: current },
    ...{ sentence: said.sentence, times: said.times, proposedAtMs: atMs, state },
    approvers: said.approvers.map((one) => people.named(one)),
    approvals: [...said.approvals],
    ...{ accepted: named(accepted), declined: named(declined), withdrawn: named(withdrawn) },
    ...followedOf(desk, said.pipeline, state === "accepted" ? readable(said.pipeline, current) : null),
  };
}

/** @param running null where nothing is in force */
function followedOf(
  { state, now }: Desk,
  name: string,
  running: Pipeline | null,
): Pick<PipelineInfo, "nextMs" | "last" | "deviations"> {
  const { windows, holds } = state.proposals.followed(name);
  const nextMs = running === null ? null : startAfter(running.schedule, now());
  return { nextMs, last: windows[0] ?? null, deviations: holds.length };
}
