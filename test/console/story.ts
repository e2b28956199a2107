/**
 * Everything else that the API shows about the insider's night, in shapes that fit together.
 */
import type {
  AlertInfo,
  ApprovalDetail,
  BlockInfo,
  ChainInfo,
  Replay,
  SessionSummary,
  Statement,
  TimelineRow,
} from "../../schemas/api.ts";
import type { ChainEvidence } from "../../schemas/chain.ts";
import type { IdentityKey } from "../../schemas/identity.ts";
import type { LinkInfo } from "../../schemas/link-shapes.ts";
import {
  actorLink,
  acts,
  chainOf,
  finishedOf,
  heldApproval,
  heldChain,
  heldCommand,
  people,
  reporting,
  rowsOf,
  sentence,
  type Who,
} from "./night.ts";

export interface Story {
  readonly rows: readonly TimelineRow[];
  readonly chains: readonly ChainInfo[];
  readonly approvals: readonly ApprovalDetail[];
  readonly sessions: readonly SessionSummary[];
  readonly blocks: readonly BlockInfo[];
  readonly alerts: readonly AlertInfo[];
  readonly links: readonly LinkInfo[];
  replay(session: string): Replay | null;
}

/** @param t0 when the night began, milliseconds */
export function insidersNight(t0: number): Story {
  const chain = chainOf(t0);
  const sessions = sessionsOf(t0);
  return {
    rows: rowsOf(t0, chain),
    chains: [chainInfoOf(t0, chain), observedChain(t0, chain)],
    approvals: [approvalOf(t0, chain), usedApproval(t0)],
    sessions,
    blocks: blocksOf(t0),
    alerts: alertsOf(t0, chain),
    links: [linkOf(t0)],
    replay(id) {
      const session = sessions.find((candidate) => candidate.session === id);
      return session ? { session, statements: statementsOf(t0, id), next: null } : null;
    },
  };
}

const accountsOf = (chain: ChainEvidence): string[] => [...new Set(chain.steps.map((step) => step.account))];

function linkOf(t0: number): LinkInfo {
  return {
    link: actorLink,
    from: "said",
    identities: [people.transform, people.load],
    strength: "weak",
    by: people.ivan,
    reason: "both jobs run under one technician's key",
    atMs: t0 - 7_200_000,
    rejected: null,
  };
}

function chainInfoOf(t0: number, chain: ChainEvidence): ChainInfo {
  return {
    chain,
    event: "e-chain-1",
    position: "000700",
    atMs: t0 + 210_000,
    ruling: "hold",
    command: heldCommand,
    session: "s-load",
    accounts: accountsOf(chain),
    people: [people.extract, people.transform, people.load],
    approval: heldApproval,
    state: "held",
  };
}

/** The same shape an hour before, by one account: a companion rule that only observes. */
function observedChain(t0: number, held: ChainEvidence): ChainInfo {
  const steps = held.steps.map((step) => ({
    ...step,
    atMs: step.atMs - 3_600_000,
    account: "load",
    identity: people.load.identity as IdentityKey,
    command: `earlier-${step.command}`,
  }));
  const chain: ChainEvidence = {
    ...held,
    id: "ch_90aa17d3e4",
    rule: "read_transform_delete_same_account",
    title: "Read, copied, destroyed by one account",
    level: "medium",
    mode: "observe",
    action: "alert",
    strength: "weak",
    steps,
    links: held.links.slice(0, 2).map((link) => ({ ...link, strength: "weak" as const })),
    sentence: "load-job read, copied and destroyed customer rows within 4 min, all by itself.",
  };
  return {
    ...chainInfoOf(t0, chain),
    chain,
    event: "e-chain-0",
    position: "000120",
    atMs: t0 - 3_390_000,
    ruling: "allow",
    approval: null,
    state: "observed",
    accounts: ["load"],
    people: [people.load],
  };
}

function approvalOf(t0: number, chain: ChainEvidence): ApprovalDetail {
  return {
    approval: heldApproval,
    state: "open",
    askedAtMs: t0 + 210_000,
    expiresAtMs: t0 + 1_110_000,
    by: people.load,
    account: "load",
    target: "orders",
    task: { id: "nightly-2026-10-04", justification: "Nightly refresh of the reporting tables" },
    session: "s-load",
    command: heldCommand,
    sentence,
    because: [chain.rule],
    approvers: ["data-owners"],
    humans: 1,
    escalate: ["security-on-call"],
    excluded: [
      { identity: people.load.identity, name: people.load.name, why: "asked for it" },
      { identity: people.transform.identity, name: people.transform.name, why: "took step 2 of the chain" },
      { identity: people.extract.identity, name: people.extract.name, why: "took step 1 of the chain" },
    ],
    statements: ["DELETE"],
    resources: [reporting],
    chains: [chain],
    answers: [],
    refusedAttempts: [{ by: people.load, reason: "You asked for this command yourself.", atMs: t0 + 224_000 }],
    usedAtMs: null,
    mayAnswer: true,
    whyNot: null,
    text: "DELETE FROM reporting_customers",
    parameters: null,
  };
}

function usedApproval(t0: number): ApprovalDetail {
  const before = t0 - 86_400_000;
  return {
    ...approvalOf(before, { ...chainOf(before), id: "ch_1b77e0a5c1" }),
    approval: "ap_01k9cxq2",
    state: "used",
    answers: [
      { by: people.olga, answer: "approve", reason: "Planned reload, ticket DATA-1182", atMs: before + 260_000 },
    ],
    refusedAttempts: [],
    usedAtMs: before + 261_000,
    mayAnswer: false,
    whyNot: "This approval was used.",
  };
}

function sessionsOf(t0: number): SessionSummary[] {
  const session = (account: string, who: Who, at: number, justification: string, closed: boolean): SessionSummary => {
    const own = acts.filter((act) => act.who === who);
    const ruled = (ruling: string): number => own.filter((act) => act.ruling === ruling).length;
    return {
      session: `s-${account}`,
      position: `s-${at}`,
      identity: people[who].identity,
      identityName: people[who].name,
      account: account === "ana" ? "analyst" : account,
      target: "orders",
      task: "nightly-2026-10-04",
      justification,
      grant: `g-${account}`,
      clientAddress: "10.20.4.17:51544",
      application: "psql",
      certificate: null,
      openedAtMs: t0 + at * 1_000,
      closedAtMs: closed ? t0 + (at + 60) * 1_000 : null,
      closedBecause: closed ? "client closed" : "",
      commands: own.length,
      held: ruled("hold"),
      blocked: ruled("block"),
      masked: ruled("mask"),
    };
  };
  return [
    session("load", "load", 200, "Nightly refresh of the reporting tables", false),
    session("transform", "transform", 90, "Nightly staging", true),
    session("ana", "ana", 35, "Quarterly region report", false),
    session("extract", "extract", -5, "Nightly extract", false),
  ];
}

function statementsOf(t0: number, session: string): Statement[] {
  return acts
    .filter((act) => act.session === session)
    .map((act, i) => ({
      command: act.command,
      event: `e-${act.command}`,
      position: String(i),
      atMs: t0 + act.at * 1_000,
      text: act.text,
      parameters: null,
      statements: [...act.statements],
      operations: [...act.operations],
      resources: [...act.resources],
      ruling: act.ruling,
      stage: act.ruling === "hold" ? "chain" : "gate",
      because: [],
      sentence: act.sentence ?? "",
      masks: (act.masks ?? []).map((resource) => ({ resource, tag: "pii", count: act.rows })),
      chains: act.ruling === "hold" ? [heldChain] : [],
      approval: act.ruling === "hold" ? heldApproval : null,
      outcome: act.ruling === "hold" || act.ruling === "block" ? ("not-run" as const) : ("ok" as const),
      rows: act.ruling === "hold" || act.ruling === "block" ? null : act.rows,
      bytes: act.rows * 96,
      tag: act.ruling === "hold" || act.ruling === "block" ? "" : finishedOf(act).tag,
      code: null,
      durationUs: act.ruling === "hold" || act.ruling === "block" ? null : finishedOf(act).durationUs,
    }));
}

function blocksOf(t0: number): BlockInfo[] {
  return [
    {
      block: "b-1",
      scope: { identity: people.extract.identity },
      by: people.olga,
      reason: "Until we know what this was",
      placedAtMs: t0 + 236_000,
      expiresAtMs: null,
      state: "active",
      lifted: null,
      enforced: 1,
    },
    {
      block: "b-0",
      scope: { account: "load", resource: "orders/public.customers", operations: ["delete"] },
      by: people.ivan,
      reason: "Freeze during the audit",
      placedAtMs: t0 - 90_000_000,
      expiresAtMs: t0 - 4_000_000,
      state: "lifted",
      lifted: { by: people.olga, reason: "Audit is over", atMs: t0 - 5_000_000 },
      enforced: 12,
    },
  ];
}

function alertsOf(t0: number, chain: ChainEvidence): AlertInfo[] {
  return [
    {
      alert: "al-2",
      kind: "approval.asked",
      level: "high",
      title: "An answer is needed",
      sentence: "data-owners must answer within 15 min.",
      about: heldApproval,
      atMs: t0 + 210_000,
      state: "open",
      acknowledged: null,
      resolved: null,
    },
    {
      alert: "al-1",
      kind: "chain.held",
      level: "high",
      title: chain.title,
      sentence: chain.sentence,
      about: chain.id,
      atMs: t0 + 210_000,
      state: "acknowledged",
      acknowledged: { by: people.olga, reason: "", atMs: t0 + 240_000 },
      resolved: null,
    },
  ];
}
