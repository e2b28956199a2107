/**
 * What the data of an event must have, as far as a fold reads it: whoever holds one source's key may sign anything, and
 * what has not this form is refused before anybody folds it. Other members and other words are let through, so that a
 * newer release may say more.
 */
import type { EventType } from "./event.ts";
import type { EventData } from "./event-data.ts";
import { checker, open, type Static, type TSchema, Type } from "./shape.ts";

const text = Type.String();
const number = Type.Number();
const flag = Type.Boolean();
const texts = Type.Array(text);
const named = Type.Record(text, text);
const orNull = <T extends Parameters<typeof Type.Optional>[0]>(one: T) => Type.Union([one, Type.Null()]);
const pairs = Type.Array(Type.Tuple([text, text]));

const effect = open({
  operation: text,
  reads: texts,
  writes: texts,
  ends: texts,
  destroys: flag,
  flows: Type.Optional(pairs),
  renames: Type.Optional(pairs),
});
const approved = { rule: text, before: texts };
const committed = open({
  command: text,
  effect,
  approved: Type.Optional(open({ ...approved, also: Type.Optional(Type.Array(open(approved))) })),
});
const facts = {
  kind: text,
  effects: Type.Array(effect),
  opaque: orNull(text),
  transaction: open({ kind: text }),
  undoable: flag,
};
const details = open({
  ...{ statements: texts, fingerprint: text },
  ...{ role: Type.Optional(text), trace: Type.Optional(text) },
});
const identity = open({ key: text, kind: text, name: text, groups: texts, onBehalfOf: texts });
const task = open({ id: text, justification: text, parent: Type.Optional(text) });
const certificate = open({
  key: Type.String({ pattern: "^[0-9a-f]{64}$" }),
  ...{ subject: text, issuer: text, serial: text, notAfterMs: number },
});
const step = open({
  rule: text,
  event: text,
  command: text,
  atMs: number,
  identity: text,
  account: text,
  session: text,
  target: text,
  operations: texts,
  resources: texts,
});
const link = open({ from: number, to: number, by: text, strength: text, evidence: texts });
const chain = open({
  ...{ id: text, rule: text, title: text, level: text, mode: text, action: text, strength: text, sentence: text },
  steps: Type.Array(step),
  links: Type.Array(link),
  check: Type.Optional(text),
  deviations: Type.Optional(Type.Array(open({ pipeline: text, why: text }))),
});
const sealed = open({ sealed: Type.Optional(text), reference: Type.Optional(text), bytes: number, hash: text });
const need = open({ approvers: texts, humans: number });
const grantTimes = { issuedAtMs: number, expiresAtMs: number };
const scopeFields = ["identity", "account", "session", "task", "grant", "resource"] as const;
const scope = open({
  ...(Object.fromEntries(scopeFields.map((field) => [field, Type.Optional(text)])) as Record<
    (typeof scopeFields)[number],
    ReturnType<typeof Type.Optional<typeof text>>
  >),
  operations: Type.Optional(texts),
});
const loss = { from: text, until: text, count: number, reason: text };
const bySomebody = { by: text, reason: text };

const shapes = {
  "identity.logged_in": open({ identity, method: text, roles: texts }),
  "identity.login_failed": open({ reason: text, claimed: text }),
  "identity.unlinked": open({ identities: texts, links: texts, by: text, reason: text }),
  "identity.linked": open({
    ...{ identities: texts, strength: text, evidence: texts },
    ...{ by: Type.Optional(text), reason: Type.Optional(text) },
  }),
  "grant.issued": open({ grant: text, identity, account: text, target: text, task, ...grantTimes }),
  "grant.revoked": open({ grant: text, ...bySomebody }),
  "grant.expired": open({ grant: text }),
  "session.opened": open({
    ...{ identity, task, keyId: text, application: text, expiresAtMs: number },
    certificate: Type.Optional(certificate),
  }),
  "session.refused": open({ code: text, reason: text, claimedUser: text, claimedDatabase: text }),
  "session.closed": open({ reason: text, commands: number, clientBytes: number, targetBytes: number }),
  "command.intended": open({ ...facts, details: Type.Optional(details), commits: Type.Array(committed) }),
  "command.answered": open({
    ...{ intent: text, ruling: text, excluded: texts, sentence: text },
    enforced: Type.Array(chain),
    observed: Type.Array(chain),
  }),
  "command.held": open({ approval: text, sentence: text, mode: text, until: number, chains: texts }),
  "command.decided": open({
    ...facts,
    ...{
      ruling: text,
      stage: text,
      because: texts,
      sentence: text,
      masks: texts,
      fingerprint: text,
      statements: texts,
      role: Type.Optional(text),
      trace: Type.Optional(text),
    },
    ...{ text: sealed, parameters: orNull(sealed), parameterCount: number, resolution: text, policy: text },
    ...{ approval: orNull(text), intent: orNull(text) },
  }),
  "command.finished": open({
    ...{ outcome: text, rows: number, bytes: number, tag: text, code: orNull(text), durationUs: number, shown: flag },
    ...{ undone: texts, lasted: texts },
  }),
  "output.masked": open({ columns: Type.Array(open({ resource: text, tag: text, count: number })) }),
  "content.shown": open({ epoch: number, tags: texts, hashes: text }),
  "content.brought": open({
    from: Type.Array(open({ event: text, command: text, shared: number })),
    ...{ values: number, tags: texts },
  }),
  "approval.asked": open({
    ...{ approval: text, binding: text, approvers: texts, humans: number, excluded: texts, escalate: texts },
    ...{ expiresAtMs: number, sentence: text, because: texts, chains: Type.Array(chain), text: sealed },
    ...{ parameters: Type.Optional(orNull(sealed)), statements: texts, resources: texts },
    needs: Type.Optional(Type.Array(need)),
  }),
  "approval.answered": open({
    ...{ approval: text, binding: text, answer: text, by: text, byName: text, kind: text, groups: texts, reason: text },
  }),
  "approval.expired": open({ approval: text }),
  "approval.used": open({ approval: text, binding: text }),
  "approval.refused": open({ approval: text, ...bySomebody }),
  "chain.advanced": open({ rule: text, chain }),
  "chain.completed": open({ rule: text, chain, ruling: text }),
  "chain.dismissed": open({ chain: text, ...bySomebody }),
  "block.placed": open({ block: text, scope, ...bySomebody, expiresAtMs: orNull(number), approvers: texts }),
  "block.enforced": open({ block: text, gateway: text, placedAtMs: number }),
  "block.lifted": open({ block: text, ...bySomebody }),
  "block.expired": open({ block: text }),
  "resource.tagged": open({ resource: text, tags: texts, from: texts, event: text }),
  "resource.untagged": open({ resource: text, tags: texts, ...bySomebody }),
  "target.bypassed": open({
    sessions: Type.Array(open({ account: text, address: text, startedAtMs: number, application: text })),
  }),
  "clock.ticked": open({ upTo: Type.Optional(text) }),
  "gateway.followed": open({ upTo: text, targets: texts }),
  "alert.raised": open({ alert: text, kind: text, level: text, title: text, sentence: text, about: text }),
  "alert.acknowledged": open({ alert: text, by: text }),
  "alert.resolved": open({ alert: text, by: text, reason: Type.Optional(text) }),
  "alert.given_up": open({ alert: text, receiver: text, ...bySomebody }),
  "file.transferred": open({ path: text, direction: text, bytes: number, sha256: text }),
  "recording.started": open({ reference: text }),
  "recording.gap": open(loss),
  "recording.closed": open({ reference: text, bytes: number, sha256: text }),
  "audit.read": open({ what: text, filter: named, rows: number }),
  "audit.exported": open({ filter: named, records: number, withText: flag, manifest: text }),
  "audit.verified": open({ records: number, ok: flag, finding: text }),
  "policy.changed": open({
    ...{ digest: text, engine: text, files: named },
    ...{ parts: Type.Optional(number), whole: Type.Optional(text) },
  }),
  "policy.part": open({ digest: text, part: number, letters: text }),
  "policy.refused": open({ reason: text }),
  "pipeline.proposed": open({
    ...{ proposal: text, pipeline: text, rule: text, text, times: number, approvals: texts, approvers: texts },
    sentence: text,
  }),
  "pipeline.accepted": open({
    ...{ pipeline: text, rule: text, text, proposal: text, by: text, byName: text, reason: text },
  }),
  "pipeline.withdrawn": open({ pipeline: text, ...bySomebody }),
  "pipeline.declined": open({ proposal: text, pipeline: text, by: text, byName: text, reason: text }),
  "pipeline.ran": open({
    ...{ pipeline: text, startedMs: number, endedMs: number, outcome: text, runs: number, commands: number, why: text },
  }),
  "key.erased": open({ keyId: text, ...bySomebody }),
  "correlator.digested": open({ folded: number, digest: text }),
  "rules.switched": open({ policy: text, digest: text }),
  "state.evicted": open({ identity: text, count: number, beforeMs: number }),
  "log.checkpoint": open({ chain: text, stream: text, upTo: text, head: text, key: text, signature: text }),
  "log.refused": open({ source: text, claimedType: text, reason: text }),
  "log.gap": open({ ...loss, source: text, stream: text }),
  "sink.failed": open({ sink: text, reason: text }),
  "sink.recovered": open({ sink: text, from: text, until: text, count: number }),
  "service.started": open({ role: text, version: text, positions: named }),
  "service.stopped": open({ role: text, reason: text }),
};

type Plain = string | number | boolean | null | undefined;
type Writable<X> = X extends Plain ? X : { -readonly [K in keyof X]: Writable<X[K]> };
type Misfits = {
  [T in EventType]: Writable<EventData[T]> extends Static<(typeof shapes)[T]> ? never : T;
}[EventType];
/** Compiles only while nothing that this release says is refused. */
const known: [Misfits] extends [never] ? Record<EventType, TSchema> : Misfits = shapes;

const checks = new Map<EventType, (data: unknown) => boolean>();

/** @returns whether a fold can read it */
export function hasShape(type: EventType, data: unknown): boolean {
  let check = checks.get(type);
  if (check === undefined) {
    check = checker(known[type]);
    checks.set(type, check);
  }
  return check(data);
}
