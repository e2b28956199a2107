/**
 * Approvals: what is held, and the answers of people. Who may answer is judged here, so that the person reads why not,
 * and again by the gateway before an answer is used.
 *
 * Refuses the requester, everybody in the chain and all linked to them, whatever they are called; whoever is no person;
 * a second answer of the same human; anything late. Each refusal is an event. No exemption for administrators.
 */
import { mayAnswer } from "../../infra/policy/quorum.ts";
import {
  type ApprovalDetail,
  type ApprovalInfo,
  answerSchema,
  approvalDetailSchema,
  approvalsSchema,
} from "../../schemas/api.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Sealed } from "../../schemas/event-data.ts";
import { closed, Type } from "../../schemas/shape.ts";
import type { Approval } from "./asked.ts";
import { type Desk, subjectOfCaller } from "./desk.ts";
import { stateOf } from "./pipelines.ts";
import { type Caller, type Route, route } from "./route.ts";

export interface ApprovalParts {
  /** Clear text under a session's key; null when the key was erased. */
  readonly openText: (keyId: string, sealed: Sealed) => Promise<string | null>;
}

const stateQuery = closed({ state: Type.Optional(Type.Union([Type.Literal("open"), Type.Literal("all")])) });
const listedMax = 500;

export function approvalRoutes(desk: Desk, parts: ApprovalParts): Route[] {
  /** Two answers of one human before the log has the first: the second waits for nothing, it is refused. */
  const answering = new Set<string>();
  return [
    route(
      "GET /api/approvals",
      "What is held, newest first; one's own requests for who may not approve",
      { query: stateQuery, answer: approvalsSchema },
      async ({ caller, query }) => {
        const { asked } = desk.state;
        const everybodys = seesAll(desk, caller);
        const found = asked
          .all()
          .filter((one) => everybodys || one.subject.identity === caller.identity.key)
          .filter((one) => query.state !== "open" || asked.stateOf(one, desk.now()) === "open");
        const wanted = found.slice(0, listedMax).map((one) => approvalInfo(desk, one, caller));
        await desk.reads.record(caller, "approvals", query, wanted.map(fingerprint));
        return { approvals: wanted };
      },
    ),
    route("GET /api/approvals/:id", "One approval, with the exact text", { answer: approvalDetailSchema }, (ask) =>
      detail(desk, parts, ask.caller, ask.id),
    ),
    route(
      "POST /api/approvals/:id/answer",
      "Approve or refuse",
      { body: answerSchema, answer: approvalDetailSchema },
      async ({ caller, id, body }) => {
        const approval = visible(desk, caller, id);
        const key = `${id} ${desk.state.people.humanOf(caller.identity.key)}`;
        const objection = objectionTo(desk, approval, caller);
        if (objection) await refuse(desk, approval, caller, objection.reason);
        if (objection) throw new ThroughlineError(objection.code, objection.reason);
        if (answering.has(key)) throw new ThroughlineError("request.conflict", "Your answer waits for the log already");
        answering.add(key);
        let isLate = false;
        try {
          const { asked, subject } = approval;
          const { key: by, name: byName, kind, groups } = caller.identity;
          const data = { approval: id, binding: asked.binding, ...body, by, byName, kind, groups: [...groups] };
          await desk.state.said({ type: "approval.answered", subject: about(caller, subject), data }, () => {
            isLate = true;
          });
        } finally {
          // It is on its way: another one would come behind it, and the first counts.
          if (!isLate) answering.delete(key);
        }
        return detail(desk, { openText: withoutStorage(parts.openText) }, caller, id);
      },
    ),
  ];
}

/** The answer counts: that the text cannot be had just now must not say that it failed. */
function withoutStorage(openText: ApprovalParts["openText"]): ApprovalParts["openText"] {
  return (keyId, sealed) =>
    openText(keyId, sealed).catch((error: unknown) => {
      if (error instanceof ThroughlineError && error.code.startsWith("blobs.")) return null;
      throw error;
    });
}

/** An answer belongs to the held command, and is said by who answers. */
function about(caller: Caller, { session, command, task, target }: Approval["subject"]) {
  const names = { session, command, task, target };
  const known = Object.entries(names).filter(([, value]) => value !== undefined);
  return subjectOfCaller(caller, Object.fromEntries(known));
}

function seesAll(desk: Desk, caller: Caller): boolean {
  return desk.permits.may(caller, "approve") || desk.permits.may(caller, "investigate");
}

function visible(desk: Desk, caller: Caller, id: string): Approval {
  const approval = desk.state.asked.get(id);
  if (!approval || !(seesAll(desk, caller) || approval.subject.identity === caller.identity.key))
    throw new ThroughlineError("not.found", `No approval that you may see has the id ${id}`);
  return approval;
}

async function refuse(desk: Desk, approval: Approval, caller: Caller, reason: string): Promise<void> {
  const data = { approval: approval.id, by: caller.identity.key, reason };
  await desk.state.said({ type: "approval.refused", subject: about(caller, approval.subject), data });
}

interface Objection {
  readonly code: "access.denied" | "request.conflict";
  readonly reason: string;
}

/** In this order: who took part first, because that is the answer that matters. */
function objectionTo(desk: Desk, approval: Approval, caller: Caller): Objection | null {
  const { identity } = caller;
  const denied = (reason: string): Objection => ({ code: "access.denied", reason });
  const late = (reason: string): Objection => ({ code: "request.conflict", reason });
  const part = partOf(desk, approval, [identity.key, ...identity.onBehalfOf]);
  if (part) return denied(`You may not answer this: ${part}.`);
  if (identity.kind !== "person") return denied(`Only a person may answer, and ${identity.name} is ${identity.kind}.`);
  if (!desk.permits.may(caller, "approve")) return denied("Your groups do not permit you to approve.");
  const approver = { human: desk.state.people.humanOf(identity.key), kind: identity.kind, groups: identity.groups };
  if (!mayAnswer(approval.needs, approver))
    return denied(`Only members of ${[...new Set(approval.needs.flatMap((need) => need.approvers))].join(", ")} may.`);
  if (approval.answers.some((one) => desk.state.people.humanOf(one.identity) === approver.human))
    return late("You have answered this already; one human counts once.");
  const state = desk.state.asked.stateOf(approval, desk.now());
  return state === "open" ? null : late(`This approval is no longer open: it is ${state}.`);
}

/** Why one of these identities is excluded, in words; null when none is. */
function partOf(desk: Desk, approval: Approval, identities: readonly string[]): string | null {
  const { people } = desk.state;
  const requester = approval.subject.identity ?? "";
  const own = people.linkedTo(identities);
  if (own.includes(requester))
    return identities.includes(requester) ? "you asked for it" : "you are linked to who asked";
  if (own.some((one) => people.linkedTo([...approval.asked.excluded, requester]).includes(one)))
    return "you, or somebody linked to you, took part in the chain that it would complete";
  return null;
}

function approvalInfo(desk: Desk, approval: Approval, caller: Caller): ApprovalInfo {
  const { asked, subject } = approval;
  const { people } = desk.state;
  const objection = objectionTo(desk, approval, caller);
  return {
    approval: approval.id,
    state: desk.state.asked.stateOf(approval, desk.now()),
    askedAtMs: approval.askedAtMs,
    expiresAtMs: asked.expiresAtMs,
    by: people.named(subject.identity ?? ""),
    account: subject.account ?? "",
    target: subject.target ?? "",
    task: { id: subject.task ?? "", justification: approval.justification },
    session: subject.session ?? "",
    command: subject.command ?? "",
    sentence: asked.sentence,
    because: asked.because,
    approvers: asked.approvers,
    humans: asked.humans,
    needs: approval.needs.map((need) => ({ approvers: [...need.approvers], humans: need.humans })),
    escalate: asked.escalate,
    excluded: excludedOf(desk, approval),
    statements: asked.statements,
    resources: asked.resources,
    chains: asked.chains,
    answers: approval.answers.map(({ identity, answer, reason, atMs }) => ({
      by: people.named(identity),
      answer,
      reason,
      atMs,
    })),
    refusedAttempts: approval.refused.map(({ by, reason, atMs }) => ({ by: people.named(by), reason, atMs })),
    usedAtMs: approval.usedAtMs,
    mayAnswer: objection === null,
    whyNot: objection?.reason ?? null,
  };
}

/** Who asked first, then the chain in its order, then the others. */
function excludedOf(desk: Desk, approval: Approval): ApprovalInfo["excluded"] {
  const { people } = desk.state;
  return approval.asked.excluded
    .map((identity) => ({ ...people.named(identity), ...whyExcluded(desk, approval, identity) }))
    .sort((a, b) => a.place - b.place)
    .map(({ identity, name, why }) => ({ identity, name, why }));
}

function whyExcluded(desk: Desk, approval: Approval, identity: string): { place: number; why: string } {
  const { people } = desk.state;
  const own = partIn(approval, identity);
  if (own) return own;
  for (const linked of people.linkedTo([identity])) {
    const part = partIn(approval, linked);
    if (part) return { place: part.place + 0.5, why: `linked to ${people.named(linked).name}, who ${part.why}` };
  }
  const why = "took part in another chain that it would complete, or was linked to somebody who did";
  return { place: Number.MAX_SAFE_INTEGER, why };
}

function partIn({ asked, subject }: Approval, identity: string): { place: number; why: string } | null {
  if (identity === subject.identity) return { place: 0, why: "asked for it" };
  for (const [i, chain] of asked.chains.entries()) {
    const at = chain.steps.findIndex((step) => step.identity === identity);
    const which = asked.chains.length === 1 ? "the chain" : `the chain: ${chain.title}`;
    if (at >= 0) return { place: i * 1_000 + at + 1, why: `took step ${at + 1} of ${which}` };
  }
  return null;
}

/** The text is shown to who may approve or investigate, and to who wrote it. */
async function detail(desk: Desk, parts: ApprovalParts, caller: Caller, id: string): Promise<ApprovalDetail> {
  const approval = visible(desk, caller, id);
  const info = approvalInfo(desk, approval, caller);
  await desk.reads.record(caller, "approval", { approval: id }, [fingerprint(info)]);
  const { text, parameters } = approval.asked;
  const clear = (sealed: Sealed | null | undefined) =>
    sealed && approval.keyId !== null ? parts.openText(approval.keyId, sealed) : null;
  const values = await clear(parameters);
  const proposed = desk.state.proposals.ofApproval(id);
  const { proposal = "", pipeline = "" } = proposed?.said ?? {};
  return {
    ...info,
    text: await clear(text),
    parameters: values ? (JSON.parse(values) as (string | null)[]) : null,
    ...(proposed === null ? {} : { proposal: { proposal, pipeline, state: stateOf(proposed) } }),
  };
}

function fingerprint(info: ApprovalInfo): string {
  return `${info.approval} ${info.state} ${info.answers.length} ${info.refusedAttempts.length}`;
}

/** For the page of a chain: asked because of it, or, when it was found again as the command ran, for the command. */
export function approvalOfChain(desk: Desk, chain: string, command: string, caller: Caller): ApprovalInfo | null {
  const approval = desk.state.asked.ofChain(chain) ?? desk.state.asked.ofCommand(command);
  return approval ? approvalInfo(desk, approval, caller) : null;
}
