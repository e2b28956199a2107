/** Given–when–then for the gate: a log in memory, real policy and catalog, a correlator that says what the test wants. */
import { createHash, randomBytes } from "node:crypto";
import { createCatalog } from "../../infra/catalog.ts";
import type { Appender } from "../../infra/log/log.ts";
import { loadPolicy } from "../../infra/policy/cedar.ts";
import type { Policy } from "../../infra/policy/policy.ts";
import type { ChainEvidence } from "../../schemas/chain.ts";
import type { Command, CommandId, Effect, Operation, Reading, ResourceUri } from "../../schemas/command.ts";
import type { CommandFacts, CommittedEffect, EventData } from "../../schemas/event-data.ts";
import { type GrantId, type Identity, identityKey, type TaskId, type Tenant } from "../../schemas/identity.ts";
import { limits } from "../../schemas/limits.ts";
import { Feed } from "../../services/gateway/feed.ts";
import { createGate, type GateParts, type Judgement, type RunningGate } from "../../services/gateway/gate.ts";
import type { Session } from "../../services/gateway/session.ts";
import { openSession } from "../../services/gateway/sessions.ts";
import { type Kept, MemoryLog } from "./memory-log.ts";

export const tenant = "acme" as Tenant;
export const tenantKey = Buffer.alloc(32, 7);
export const catalog = createCatalog([
  { resource: "orders/public.customers#email", tags: ["pii.email"] },
  { resource: "orders/public.customers#card", tags: ["card"] },
]);
export const customers = "orders/public.customers";
export const staging = "orders/public.staging";

export const defaultPolicy = `
  @id("work") permit (principal, action in [Action::"read", Action::"write", Action::"delete", Action::"define"], resource in Target::"orders");
  @id("clear") permit (principal in Group::"trusted", action == Action::"reveal", resource);`;

export interface WorldOptions {
  readonly policy?: string;
  readonly parts?: Partial<GateParts>;
  readonly opaque?: "allow" | "hold" | "block";
  readonly mode?: "observe" | "enforce";
  readonly holdMode?: "wait" | "retry";
  readonly log?: readonly Kept[];
  readonly nowMs?: number;
}

type Answer = Partial<EventData["command.answered"]>;

export interface World {
  readonly log: MemoryLog;
  readonly feed: Feed;
  readonly gate: RunningGate;
  readonly gateway: Appender;
  readonly api: Appender;
  readonly blobs: Map<string, Buffer>;
  policy: Policy;
  /** What the correlator answers to an intent; null = nothing. */
  answer: (facts: CommandFacts & { commits: CommittedEffect[] }, intent: string) => Answer | null;
  readonly now: () => number;
  pass(ms: number): void;
  session(identity: Identity, account?: string, task?: string): Promise<Session>;
  judge(session: Session, command: Command, commits?: CommittedEffect[], inTransaction?: boolean): Judgement;
}

export function person(name: string, ...groups: string[]): Identity {
  return { key: identityKey("https://id.example", name), kind: "person", name, groups, onBehalfOf: [] };
}

export function workload(name: string, ...groups: string[]): Identity {
  return { ...person(name, ...groups), kind: "workload" };
}

export function createWorld(options: WorldOptions = {}): World {
  const clock = { nowMs: options.nowMs ?? Date.UTC(2026, 0, 1, 12) };
  const now = () => clock.nowMs;
  const timers = new Set<{ readonly atMs: number; readonly call: () => void }>();
  const log = new MemoryLog(now, options.log);
  const feed = new Feed(tenant, catalog);
  for (const { entry } of log.kept) feed.fold(entry);
  log.fold(feed.fold);
  const gateway = log.appender("gateway", "m1");
  const correlator = log.appender("correlator", "m1");
  const api = log.appender("api", "m1");
  const blobs = new Map<string, Buffer>();
  let counter = log.kept.length;
  const newId = () => `id${++counter}`;
  const world: World = {
    log,
    feed,
    gateway,
    api,
    blobs,
    now,
    policy: policyOf(options.policy ?? defaultPolicy),
    answer: () => ({}),
    gate: createGate({
      shared: null,
      appender: gateway,
      feed,
      policy: () => world.policy,
      rules: () => rules,
      readerOf: () => ({ resources: () => [`${customers}#email` as ResourceUri], canRead: () => true }),
      blobs: {
        async put(bytes) {
          const reference = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
          blobs.set(reference, Buffer.from(bytes));
          return reference;
        },
        get: () => Promise.reject(new Error("unused")),
        has: () => Promise.resolve(false),
      },
      tenantKey,
      targetOf: () => ({ opaque: options.opaque ?? "hold", mode: options.mode ?? "enforce" }),
      holds: { mode: options.holdMode ?? "wait", waitMs: 60_000, approvers: ["owners"] },
      addressOf: (approval) => `http://127.0.0.1/approvals/${approval}`,
      newId,
      now,
      after(ms, call) {
        const timer = { atMs: clock.nowMs + ms, call };
        timers.add(timer);
        return () => timers.delete(timer);
      },
      limits,
      ...options.parts,
    }),
    pass(ms) {
      clock.nowMs += ms;
      for (const timer of [...timers]) {
        if (timer.atMs > clock.nowMs) continue;
        timers.delete(timer);
        timer.call();
      }
    },
    async session(identity, account = "loader", task = "nightly") {
      const grant = newId() as GrantId;
      const issued = { issuedAtMs: now(), expiresAtMs: now() + 3_600_000 };
      const about = { identity, account, target: "orders", task: { id: task as TaskId, justification: "j" } };
      api.append({ type: "grant.issued", subject: {}, data: { grant, ...about, ...issued } });
      const keys = {
        create: () => Promise.resolve(randomBytes(32)),
        get: () => Promise.resolve(null),
        erase: () => Promise.resolve(),
        tenantKey: () => Promise.resolve(tenantKey),
        close: () => Promise.resolve(),
      };
      const parts = { appender: gateway, keys, grants: feed.grants, newId, now, roleOf: () => account };
      const facts = { wire: "postgres" as const, clientAddress: "127.0.0.1:5", application: "psql", tls: false };
      const found = feed.grants.find(grant)?.grant;
      if (found === undefined) throw new Error("the grant did not arrive");
      return openSession({ ...parts, commandsOf: world.gate.commandsOf }, found, facts);
    },
    judge(session, command, commits = [], inTransaction = false) {
      const judgement = world.gate.judge(session, command, commits, inTransaction);
      if (judgement instanceof Promise) throw new Error("the hot path makes no promise");
      return judgement;
    },
  };
  log.fold((entry) => {
    if (entry.type !== "command.intended") return;
    const given = completedBy(entry.id, world.answer(entry.data, entry.id));
    if (given === null) return;
    const data = { intent: entry.id, ruling: "allow" as const, enforced: [], observed: [], excluded: [], sentence: "" };
    correlator.append({ type: "command.answered", subject: entry.subject, data: { ...data, ...given } });
  });
  return world;
}

const policies = new Map<string, Policy>();
function policyOf(text: string): Policy {
  const policy = policies.get(text) ?? loadPolicy({ text, file: "policy.cedar", catalog: catalog.version });
  policies.set(text, policy);
  return policy;
}

/** Every command that destroys must ask; the rule `chain` is answered by owners, or by security when none is left. */
const rules: ReturnType<GateParts["rules"]> = {
  version: "r1",
  mustAsk: ({ effects }, _subject, _tagsOf, commits = []) =>
    effects.some((effect) => effect.destroys) || commits.some(({ effect }) => effect.destroys),
  mayStep: () => true,
  gateOf: () => ({
    action: "hold",
    approvers: ["owners"],
    escalate: ["security"],
    waitMs: 600_000,
    unavailable: "hold",
    steps: null,
    mayApprove: new Set(),
    block: null,
  }),
  unavailable: "hold",
};

export function effect(
  operation: Operation,
  reads: readonly string[],
  writes: readonly string[] = [],
  destroys = false,
): Effect {
  return { operation, reads: reads as ResourceUri[], writes: writes as ResourceUri[], ends: [], destroys };
}

export function reading(effects: readonly Effect[], change: Partial<Reading> = {}): Reading {
  return {
    effects,
    opaque: null,
    transaction: { kind: "none" },
    undoable: true,
    shows: [],
    outputs: [],
    reveals: [],
    changes: [],
    resolution: "r0",
    fingerprint: "f0",
    statements: ["SELECT"],
    ...change,
  };
}

let commands = 0;
export function command(session: Session, text: string, what: Reading, change: Partial<Command> = {}): Command {
  commands += 1;
  const id = `c${commands}` as CommandId;
  return { id, session: session.id, kind: "query", text, parameters: [], reading: what, ...change };
}

export const deletes = (resolution = "r0"): Reading =>
  reading([effect("delete", [], [staging], true)], { resolution, statements: ["DELETE"] });

const completing = "completing";

/** A chain by the rule `chain`: these identities took the steps before the last, which is the intent that is answered. */
export function evidence(rule: string, ...events: string[]): ChainEvidence {
  const steps = [...events, completing].map((event) => ({
    rule: "step",
    event,
    command: event,
    atMs: 0,
    identity: identityKey("https://id.example", event),
    account: event,
    session: "s" as Session["id"],
    target: "orders",
    operations: [],
    resources: [],
  }));
  const about = { title: rule, level: "high", mode: "enforce", action: "hold", strength: "strong" } as const;
  return { id: `${rule}:${events.join()}`, rule, ...about, steps, links: [], sentence: `${rule} would be complete.` };
}

function completedBy(intent: string, answer: Answer | null): Answer | null {
  const enforced = answer?.enforced?.map((chain) => ({
    ...chain,
    steps: chain.steps.map((step) => (step.event === completing ? { ...step, event: intent } : step)),
  }));
  return enforced === undefined ? answer : { ...answer, enforced };
}

export function answers(
  world: World,
  judgement: Judgement,
  by: Identity,
  answer: "approve" | "refuse" = "approve",
): void {
  const approval = judgement.held?.approval ?? "none";
  const asked = world.log.of("approval.asked").find((one) => one.data.approval === approval);
  answerAs(world, approval, asked?.data.binding ?? "", by, answer);
}

export function answerAs(
  world: World,
  approval: string,
  binding: string,
  by: Identity,
  answer: "approve" | "refuse",
): void {
  const who = { by: by.key, byName: by.name, kind: by.kind, groups: [...by.groups] };
  const data = { approval, binding, answer, reason: "checked", ...who };
  world.api.append({ type: "approval.answered", subject: { identity: by.key }, data });
}
