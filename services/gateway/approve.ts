/**
 * Fourth stage: people. A hold becomes an allow only when an approval for exactly this command is there; it is used up
 * in the log before the decision is, so that it never runs a second one, not even after a crash. Otherwise people are
 * asked, and the command waits (mode wait) or is refused and may come again (mode retry).
 *
 * An approval is bound to a keyed hash of the exact text and parameters, what they resolve to, who runs it as which
 * account for which task on which target, the policy's version and, for a COMMIT, what it makes lasting. It covers the
 * reasons it was asked for: a new reason is a new approval.
 */
import { keyedHash } from "../../infra/keys/seal.ts";
import type { Appender } from "../../infra/log/log.ts";
import type { People } from "../../infra/policy/people.ts";
import { humansOf } from "../../infra/policy/quorum.ts";
import type { Effect, Reading } from "../../schemas/command.ts";
import type { HoldTerms, Need, Verdict } from "../../schemas/verdict.ts";
import type { Asked } from "./approvals.ts";
import type { After } from "./chain.ts";
import type { Feed } from "./feed.ts";
import { type Question, type SealedCommand, strictest } from "./question.ts";
import type { Waiting } from "./waiting.ts";

export interface ApproveParts {
  readonly appender: Appender;
  readonly feed: Feed;
  readonly waiting: Waiting;
  readonly tenantKey: Uint8Array;
  readonly policyVersion: () => string;
  readonly newId: () => string;
  readonly approvalMs: number;
  readonly holdsPerIdentityMax: number;
  /** How long the log may take to confirm a use. */
  readonly gateWaitMs: number;
  readonly after: After;
  /** Text and parameters under the session's key, as they will be recorded. */
  readonly sealed: (question: Question) => SealedCommand | Promise<SealedCommand>;
}

/** The text itself is whole; these are for a person's first look. */
const statementsShownMax = 50;
const resourcesShownMax = 100;

export function approve(parts: ApproveParts, question: Question, sofar: Verdict): Verdict | Promise<Verdict> {
  if (sofar.ruling !== "hold" || sofar.hold === undefined) return sofar;
  const binding = bindingOf(parts, question);
  const { hold } = sofar;
  const excluded = excludedOf(parts, question, hold);
  const asked = parts.feed.approvals.forBinding(binding);
  if (asked !== null && covers(asked, sofar) && question.nowMs <= asked.expiresAtMs) {
    if (parts.feed.approvals.isApproved(asked, excluded))
      return use(parts, question, sofar, asked, () => excludedOf(parts, question, hold));
    if (!recordVoided(parts, question, asked, excluded)) return parts.waiting.wait(question, sofar, asked);
  }
  if (asked !== null) expire(parts, question, asked.id);
  if (pressure(parts, question) >= parts.holdsPerIdentityMax)
    return strictest(sofar, tooMany(parts.holdsPerIdentityMax));
  const sealed = parts.sealed(question);
  const finish = (done: SealedCommand) =>
    parts.waiting.wait(question, ...ask(parts, question, sofar, binding, excluded, done));
  return sealed instanceof Promise ? sealed.then(finish) : finish(sealed);
}

/** Digest (hex) of everything that must not differ between what people saw and what runs. */
function bindingOf(parts: ApproveParts, { session, command, commits }: Question): string {
  const { identity, task, account, target } = session.grant;
  const lasting = commits.map((committed) => [committed.command, effectKey(committed.effect)]);
  const { text, parameters, parameterTypes = [], uses = null, reading } = command;
  const exact = [text, parameters, parameterTypes, uses, reading.resolution, lasting];
  const who = [identity.key, task.id, account, session.role, target, parts.policyVersion()];
  return keyedHash(parts.tenantKey, JSON.stringify(["approval", exact, who]));
}

function effectKey({ operation, reads, writes, ends, destroys }: Effect): readonly unknown[] {
  return [operation, reads, writes, ends, destroys];
}

function excludedOf(parts: ApproveParts, { session }: Question, hold: HoldTerms): readonly string[] {
  const { key, onBehalfOf } = session.grant.identity;
  return parts.feed.people.linkedTo([key, ...onBehalfOf, ...hold.excluded]);
}

/** An approval covers what people knew when they gave it: no reason, and no need, that came later. */
function covers(asked: Asked, verdict: Verdict): boolean {
  const needs = new Set(asked.needs.map(needKey));
  const escalate = verdict.hold?.escalate ?? [];
  return (
    verdict.because.every((reason) => asked.because.includes(reason)) &&
    (verdict.hold?.needs ?? []).every(
      (need) => needs.has(needKey(need)) || needs.has(needKey(escalated(need, escalate))),
    )
  );
}

function needKey({ approvers, humans }: Need): string {
  return JSON.stringify([[...approvers].sort(), humans]);
}

/**
 * Once over all gateways: the first use in the log counts. On one machine that is known at once; else the feed says it,
 * and what another gateway used in the same moment is refused here.
 */
function use(
  parts: ApproveParts,
  question: Question,
  sofar: Verdict,
  asked: Asked,
  excluded: () => readonly string[],
): Verdict | Promise<Verdict> {
  const { subject } = question;
  const { appender, feed } = parts;
  const use = appender.nextId("steps");
  appender.append({ type: "approval.used", subject, data: { approval: asked.id, binding: asked.binding } });
  const settled = () => {
    const by = feed.approvals.usedBy(asked.id);
    if (by === null) return null;
    if (by !== use) return by === "" ? usedLate : usedElsewhere;
    // Links between people may have come while the log had the word.
    return feed.approvals.isApproved(asked, excluded()) ? used(question, sofar, asked) : usedLate;
  };
  return settled() ?? confirmed(parts, asked.id, settled);
}

function confirmed(parts: ApproveParts, approval: string, settled: () => Verdict | null): Promise<Verdict> {
  return new Promise((resolve) => {
    const end = (verdict: Verdict) => {
      stop();
      cancel();
      resolve(verdict);
    };
    const cancel = parts.after(parts.gateWaitMs, () => end(unconfirmed));
    const stop = parts.feed.listen({
      used(which) {
        const verdict = which === approval ? settled() : null;
        if (verdict !== null) end(verdict);
      },
    });
  });
}

const notUsed: Verdict = { ruling: "block", stage: "approve", because: ["approval.used"], sentence: "", masks: [] };
const usedElsewhere: Verdict = {
  ...notUsed,
  sentence: "Another session used this approval at the same moment; it counts once.",
};
const usedLate: Verdict = {
  ...notUsed,
  sentence: "This approval was refused, had expired or no longer counted when it was to be used.",
};
const unconfirmed: Verdict = {
  ...notUsed,
  because: ["approval.unconfirmed"],
  sentence: "The shared log did not confirm in time that the approval is used here, so it counts as used.",
};

function used(question: Question, sofar: Verdict, asked: Asked): Verdict {
  question.approval = asked.id;
  question.approved = chainsOf(sofar, question.intent);
  return {
    ruling: sofar.masks.length > 0 ? "mask" : "allow",
    stage: "approve",
    because: sofar.because,
    sentence: "",
    masks: sofar.masks,
    ...(sofar.chains ? { chains: sofar.chains } : {}),
    ...(sofar.observed ? { observed: sofar.observed } : {}),
  };
}

/** So that COMMIT is not asked again about the chains that people knew. */
function chainsOf({ chains }: Verdict, intent: Question["intent"]): NonNullable<Question["approved"]> {
  const [first, ...also] = (chains ?? []).map(({ rule, steps }) => ({
    rule,
    // Where steps may come in any order, the one that completes the chain stands anywhere in it.
    before: steps.filter((step) => step.event !== intent).map((step) => step.event),
  }));
  if (first === undefined) return { rule: "", before: [] };
  return also.length > 0 ? { ...first, also } : first;
}

/** @returns whether somebody's answer stopped counting since; then people are asked again, others than those. */
function recordVoided(parts: ApproveParts, { subject }: Question, asked: Asked, excluded: readonly string[]): boolean {
  const voided = parts.feed.approvals.voided(asked, excluded);
  const reason = "took part in the chain, or is linked to somebody who did, as was found after the answer";
  for (const by of voided)
    parts.appender.append({ type: "approval.refused", subject, data: { approval: asked.id, by, reason } });
  return voided.length > 0;
}

function expire({ appender }: ApproveParts, { subject }: Question, approval: string): void {
  appender.append({ type: "approval.expired", subject, data: { approval } });
}

function pressure({ feed, approvalMs }: ApproveParts, { session, nowMs }: Question): number {
  return feed.approvals.pressureOf(session.grant.identity.key, nowMs, approvalMs);
}

function tooMany(max: number): Verdict {
  const sentence = `${max} commands of this identity wait for approval, or did a while ago for nothing; nothing more is asked for now.`;
  return { ruling: "block", stage: "approve", because: ["holds.too_many"], sentence, masks: [] };
}

function ask(
  parts: ApproveParts,
  question: Question,
  sofar: Verdict,
  binding: string,
  excluded: readonly string[],
  sealed: SealedCommand,
): [Verdict, Pick<Asked, "id" | "expiresAtMs">] {
  const { command, subject, nowMs } = question;
  const { needs, words } = withSomebodyLeft(parts.feed.people, sofar.hold, excluded);
  const sentence = `${sofar.sentence}${words}`;
  const id = parts.newId();
  const expiresAtMs = nowMs + Math.min(sofar.hold?.waitMs ?? parts.approvalMs, parts.approvalMs);
  const data = {
    approval: id,
    binding,
    approvers: [...new Set(needs.flatMap((need) => need.approvers))],
    humans: humansOf(needs),
    needs: [...needs],
    excluded: [...excluded],
    escalate: [...(sofar.hold?.escalate ?? [])],
    expiresAtMs,
    sentence,
    because: [...sofar.because],
    chains: [...(sofar.chains ?? [])],
    text: sealed.text,
    parameters: sealed.parameters,
    statements: command.reading.statements.slice(0, statementsShownMax),
    resources: resourcesOf(command.reading, question.session.grant.target),
  };
  parts.appender.append({ type: "approval.asked", subject, data });
  return [
    { ...sofar, sentence },
    { id, expiresAtMs },
  ];
}

/** For people; coarser when they are too many to read. */
function resourcesOf({ effects }: Reading, target: string): string[] {
  const all = [...new Set(effects.flatMap((effect) => [...effect.writes, ...effect.reads]))];
  if (all.length <= resourcesShownMax) return all;
  const tables = [...new Set(all.map((uri) => uri.split("#")[0] ?? uri))];
  return tables.length <= resourcesShownMax ? tables : [target];
}

/** Where everybody known who could answer is excluded, the rule's `escalate` may answer too, and the hold says so. */
function withSomebodyLeft(
  people: People,
  hold: HoldTerms | undefined,
  excluded: readonly string[],
): { needs: readonly Need[]; words: string } {
  const needs = hold?.needs ?? [];
  const escalate = hold?.escalate ?? [];
  const alone = needs.filter((need) => isAlone(people, need, excluded));
  if (alone.length === 0) return { needs, words: "" };
  const groups = alone.flatMap((need) => need.approvers).join(", ");
  if (escalate.length === 0) return { needs, words: ` Nobody known in ${groups} may answer this.` };
  const widened = needs.map((need) => (alone.includes(need) ? escalated(need, escalate) : need));
  return { needs: widened, words: ` Nobody known in ${groups} may answer this, so ${escalate.join(", ")} may.` };
}

/** Of people who never came here nothing is known: then somebody may still come and answer. */
function isAlone(people: People, need: Need, excluded: readonly string[]): boolean {
  const known = people.inGroups(need.approvers).filter((one) => one.kind === "person");
  const left = new Set(known.filter((one) => !excluded.includes(one.identity)).map((one) => one.human));
  return known.length > 0 && left.size < need.humans;
}

function escalated(need: Need, escalate: readonly string[]): Need {
  return { approvers: [...new Set([...need.approvers, ...escalate])].sort(), humans: need.humans };
}
