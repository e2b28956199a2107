/** Records of one night, for tests: three accounts, one chain, the last step held. */
import type { ChainEvidence } from "../../schemas/chain.ts";
import type { Effect, Operation, ResourceUri } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import type { ClientCertificate, EventData } from "../../schemas/event-data.ts";
import type { Identity, IdentityKey, SessionId, TaskId } from "../../schemas/identity.ts";
import type { MemoryLog } from "./memory-log.ts";

export const gateway = "gateway/test";
export const correlator = "correlator/test";

export function identityOf(name: string, kind: Identity["kind"] = "workload", groups: string[] = []): Identity {
  return { key: `http://issuer|${name}` as IdentityKey, kind, name, groups, onBehalfOf: [] };
}

export function subjectOf(name: string, session: string, command?: string): Subject {
  return {
    identity: identityOf(name).key,
    account: name,
    target: "orders",
    task: `task-${name}`,
    session,
    grantid: `grant-${name}`,
    clientaddress: "127.0.0.1:5000",
    ...(command ? { command } : {}),
  };
}

export function openSession(
  log: MemoryLog,
  name: string,
  session: string,
  keyId = `key-${session}`,
  certificate?: ClientCertificate,
): string {
  return log.say(gateway, {
    type: "session.opened",
    subject: subjectOf(name, session),
    data: {
      wire: "postgres",
      identity: identityOf(name),
      task: { id: `task-${name}` as TaskId, justification: `${name} at night` },
      keyId,
      application: "psql",
      tls: false,
      expiresAtMs: 9_000_000_000_000,
      ...(certificate === undefined ? {} : { certificate }),
    },
  });
}

export function effect(operation: Operation, reads: string[], writes: string[], destroys = false): Effect {
  return { operation, reads: reads as ResourceUri[], writes: writes as ResourceUri[], ends: [], destroys };
}

type Decided = EventData["command.decided"];
export function decided(effects: Effect[], changes: Partial<Decided> = {}): Decided {
  return {
    kind: "query",
    effects,
    opaque: null,
    transaction: { kind: "none" },
    undoable: true,
    ruling: "allow",
    stage: "gate",
    because: [],
    sentence: "",
    masks: [],
    text: { sealed: "", bytes: 0, hash: "00" },
    parameters: null,
    parameterCount: 0,
    fingerprint: "f",
    statements: ["SELECT"],
    resolution: "r",
    policy: "p",
    approval: null,
    intent: null,
    ...changes,
  };
}

export function decide(
  log: MemoryLog,
  name: string,
  session: string,
  command: string,
  effects: Effect[],
  changes: Partial<Decided> = {},
): string {
  return log.say(gateway, {
    type: "command.decided",
    subject: subjectOf(name, session, command),
    data: decided(effects, changes),
  });
}

export function finish(log: MemoryLog, name: string, session: string, command: string, rows: number): string {
  return log.say(gateway, {
    type: "command.finished",
    subject: subjectOf(name, session, command),
    data: {
      outcome: "ok",
      rows,
      bytes: 10,
      tag: `SELECT ${rows}`,
      code: null,
      durationUs: 1_500,
      shown: true,
      undone: [],
      lasted: [],
    },
  });
}

export function chainOf(id: string, steps: [name: string, session: string, command: string][]): ChainEvidence {
  return {
    id,
    rule: "read_transform_delete",
    title: "Read, moved and destroyed by different accounts",
    level: "critical",
    mode: "enforce",
    action: "hold",
    strength: "strong",
    steps: steps.map(([name, session, command], index) => ({
      rule: `step${index}`,
      event: `event-${command}`,
      command,
      atMs: index,
      identity: identityOf(name).key,
      account: name,
      session: session as SessionId,
      target: "orders",
      operations: ["read"],
      resources: ["orders/public.customers" as ResourceUri],
    })),
    links: [],
    sentence: "load would delete what extract read",
  };
}

export function ask(
  log: MemoryLog,
  approval: string,
  changes: Partial<EventData["approval.asked"]> = {},
  name = "load",
): string {
  return log.say(gateway, {
    type: "approval.asked",
    subject: subjectOf(name, `session-${name}`, `command-${approval}`),
    data: {
      approval,
      binding: `binding-${approval}`,
      approvers: ["data-owners"],
      humans: 1,
      excluded: [identityOf(name).key],
      escalate: [],
      expiresAtMs: 9_000_000_000_000,
      sentence: "load would delete what extract read",
      because: ["read_transform_delete"],
      chains: [],
      text: { sealed: "", bytes: 0, hash: "00" },
      statements: ["DELETE"],
      resources: ["orders/public.reporting_customers"],
      ...changes,
    },
  });
}
