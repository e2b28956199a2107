/**
 * The data of every event type: one closed union. Values of customers, passwords and tokens have no field here.
 * Times are milliseconds since the epoch unless the name says otherwise; digests are lower-case hex.
 */
import type { ChainEvidence } from "./chain.ts";
import type { Effect, TransactionControl } from "./command.ts";
import type { Identity, IdentityKind, Task } from "./identity.ts";
import type { Need, Ruling } from "./verdict.ts";

/** A text under the session's key (infra/keys); `hash` is keyed per tenant, so that equal texts can be found. */
export interface Sealed {
  /** AES-256-GCM: base64 of nonce(12) ‖ ciphertext ‖ tag(16). Absent when `reference` points into Blobs. */
  readonly sealed?: string;
  readonly reference?: string;
  readonly bytes: number;
  readonly hash: string;
}

/** What rules may ask of the text itself: the same whenever a text is read alike. */
export interface CommandDetails {
  /** SQL command tags in order, each once: `SELECT`, `REVOKE`. */
  readonly statements: readonly string[];
  /** Digest (hex) of the statement with literals removed. */
  readonly fingerprint: string;
  /** The role in force (SET ROLE). */
  readonly role?: string;
  /** Trace id that the client wrote into a comment (`traceparent`). */
  readonly trace?: string;
}

/** What the correlator reads of a command; the same in `command.intended` and `command.decided`. */
export interface CommandFacts {
  readonly kind: string;
  readonly effects: readonly Effect[];
  /** Reason, or null when every effect is known. */
  readonly opaque: string | null;
  readonly transaction: TransactionControl;
  /** Every effect is known and undone by ROLLBACK. */
  readonly undoable: boolean;
  /** Absent in records of versions before 0.3. */
  readonly details?: CommandDetails;
}

/** An effect that a COMMIT makes lasting, with the approval it ran under, if any. */
export interface CommittedEffect {
  readonly command: string;
  readonly effect: Effect;
  readonly approved?: ApprovedChain & { readonly also?: readonly ApprovedChain[] };
}

/** The chain an approval was given for: its rule and the events of its steps before the last. Rule "" = by policy alone. */
export interface ApprovedChain {
  readonly rule: string;
  readonly before: readonly string[];
}

export interface BlockScope {
  readonly identity?: string;
  readonly account?: string;
  readonly session?: string;
  readonly task?: string;
  readonly grant?: string;
  readonly resource?: string;
  readonly operations?: readonly string[];
}

/**
 * The certificate that a client proved to hold when the session opened, as the gateway verified it. `key`: SHA-256 of its
 * SubjectPublicKeyInfo, so that a certificate that was issued again for the same key is the same. Texts are cut and clean.
 */
export interface ClientCertificate {
  readonly key: string;
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  readonly notAfterMs: number;
}

interface Loss {
  readonly from: string;
  readonly until: string;
  readonly count: number;
  readonly reason: string;
}

export interface EventData {
  "identity.logged_in": { identity: Identity; method: "browser" | "device" | "token"; roles: string[] };
  "identity.login_failed": { reason: string; claimed: string };
  /** A person rejects a link: what these events said, or, when none is named, all that ties these identities so far. */
  "identity.unlinked": { identities: string[]; links: string[]; by: string; reason: string };
  "identity.linked": {
    identities: string[];
    strength: "strong" | "weak";
    evidence: string[];
    /** A person's word. */
    by?: string;
    reason?: string;
  };
  "grant.issued": {
    grant: string;
    identity: Identity;
    account: string;
    target: string;
    task: Task;
    issuedAtMs: number;
    expiresAtMs: number;
  };
  "grant.revoked": { grant: string; by: string; reason: string };
  "grant.expired": { grant: string };
  "session.opened": {
    wire: "postgres";
    identity: Identity;
    task: Task;
    keyId: string;
    application: string;
    tls: boolean;
    expiresAtMs: number;
    /** Absent when the client showed none. */
    certificate?: ClientCertificate;
  };
  "session.refused": { code: string; reason: string; claimedUser: string; claimedDatabase: string };
  "session.closed": { reason: string; commands: number; clientBytes: number; targetBytes: number };
  /** Asks the correlator. `commits` only for a COMMIT. */
  "command.intended": CommandFacts & { commits: CommittedEffect[] };
  /** `enforced` and `observed` chains that the intent would complete; empty `enforced` = allow. */
  "command.answered": {
    intent: string;
    ruling: Ruling;
    enforced: ChainEvidence[];
    observed: ChainEvidence[];
    excluded: string[];
    sentence: string;
  };
  "command.held": { approval: string; sentence: string; mode: "wait" | "retry"; until: number; chains: string[] };
  "command.decided": Omit<CommandFacts, "details"> & {
    ruling: Ruling;
    stage: string;
    because: string[];
    sentence: string;
    masks: string[];
    text: Sealed;
    parameters: Sealed | null;
    parameterCount: number;
    /** OIDs the client gave; absent when it gave none. */
    parameterTypes?: number[];
    fingerprint: string;
    statements: string[];
    role?: string;
    trace?: string;
    resolution: string;
    policy: string;
    approval: string | null;
    intent: string | null;
    /** What would have ruled if it were enforced: policies with `@mode("observe")`, chain rules in observe mode. */
    observed?: string[];
  };
  /**
   * What came of it. `undone` / `lasted`: commands whose undoable effects are now proven not to have lasted / to last
   * (the gateway follows the transaction, the correlator only folds). `shown`: a result byte may have reached the client.
   */
  "command.finished": {
    outcome: "ok" | "error" | "unknown";
    rows: number;
    bytes: number;
    tag: string;
    code: string | null;
    durationUs: number;
    shown: boolean;
    undone: string[];
    lasted: string[];
  };
  "output.masked": { columns: { resource: string; tag: string; count: number }[] };
  /**
   * Values of tagged columns that a command showed unmasked, as keyed hashes (infra/sketch) under the key of an epoch;
   * said while it runs, in as many events as it takes. `hashes`: eight letters each.
   */
  "content.shown": { epoch: number; tags: string[]; hashes: string };
  /**
   * A command brings values that were shown: said before it is asked about or decided. `from`: by `content.shown` event, how
   * many different values its identity has lately brought of that command; `values`: of all of them, each once.
   */
  "content.brought": { from: { event: string; command: string; shared: number }[]; values: number; tags: string[] };
  "approval.asked": {
    approval: string;
    binding: string;
    approvers: string[];
    humans: number;
    excluded: string[];
    escalate: string[];
    expiresAtMs: number;
    sentence: string;
    because: string[];
    chains: ChainEvidence[];
    text: Sealed;
    /** Bound values, as approvers must see them; absent or null when there are none. */
    parameters?: Sealed | null;
    statements: string[];
    resources: string[];
    /** Who must answer, one entry per reason; absent = `humans` of `approvers`. One human fills one place. */
    needs?: Need[];
  };
  "approval.answered": {
    approval: string;
    binding: string;
    answer: "approve" | "refuse";
    by: string;
    byName: string;
    /** By the token the api verified: the gateway judges the answer by them again before it uses it. */
    kind: IdentityKind;
    groups: string[];
    reason: string;
  };
  "approval.expired": { approval: string };
  "approval.used": { approval: string; binding: string };
  "approval.refused": { approval: string; by: string; reason: string };
  "chain.advanced": { rule: string; chain: ChainEvidence };
  "chain.completed": { rule: string; chain: ChainEvidence; ruling: Ruling };
  "chain.dismissed": { chain: string; by: string; reason: string };
  "block.placed": {
    block: string;
    scope: BlockScope;
    by: string;
    reason: string;
    expiresAtMs: number | null;
    approvers: string[];
  };
  "block.enforced": { block: string; gateway: string; placedAtMs: number };
  "block.lifted": { block: string; by: string; reason: string };
  "block.expired": { block: string };
  "resource.tagged": { resource: string; tags: string[]; from: string[]; event: string };
  "resource.untagged": { resource: string; tags: string[]; by: string; reason: string };
  "target.bypassed": { sessions: { account: string; address: string; startedAtMs: number; application: string }[] };
  /** `upTo`: the place in the shared log up to which the correlator that ticks has folded; absent on one machine. */
  "clock.ticked": { upTo?: string };
  /** A gateway's heartbeat: it has folded everything up to this place, and serves these targets. */
  "gateway.followed": { upTo: string; targets: string[] };
  "alert.raised": {
    alert: string;
    kind:
      | "chain.held"
      | "chain.completed"
      | "approval.asked"
      | "clock.jumped"
      | "correlator.differs"
      | "log.gap"
      | "function.undescribed"
      | "target.bypassed"
      | "chain.weak"
      | "pipeline.proposed"
      | "pipeline.missed";
    level: string;
    title: string;
    sentence: string;
    about: string;
  };
  "alert.acknowledged": { alert: string; by: string };
  "alert.resolved": { alert: string; by: string; reason?: string };
  /** A person says that this receiver shall not get its message any more: what waits behind it goes on. */
  "alert.given_up": { alert: string; receiver: string; by: string; reason: string };
  "file.transferred": { path: string; direction: "in" | "out"; bytes: number; sha256: string };
  "recording.started": { reference: string };
  "recording.gap": Loss;
  "recording.closed": { reference: string; bytes: number; sha256: string };
  "audit.read": { what: string; filter: Record<string, string>; rows: number };
  "audit.exported": { filter: Record<string, string>; records: number; withText: boolean; manifest: string };
  "audit.verified": { records: number; ok: boolean; finding: string };
  /**
   * The content itself: a replica without it does not answer. `files` maps name → text. Files that are larger than a record
   * stand packed in `parts` policy.part records of this source right before; `whole` is the digest of their JSON.
   */
  "policy.changed": { digest: string; engine: string; files: Record<string, string>; parts?: number; whole?: string };
  /** Base64 of brotli of the JSON of the files, piece by piece from 0. */
  "policy.part": { digest: string; part: number; letters: string };
  /**
   * People have approved the same chain `times` times: a declaration (YAML, as in pipelines.yaml) that would exempt it. It
   * exempts nothing until somebody accepts it.
   */
  "pipeline.proposed": {
    proposal: string;
    pipeline: string;
    rule: string;
    text: string;
    times: number;
    approvals: string[];
    approvers: string[];
    sentence: string;
  };
  /** From here on runs of this pipeline are no chain of this rule. */
  "pipeline.accepted": {
    pipeline: string;
    rule: string;
    text: string;
    proposal: string;
    by: string;
    byName: string;
    reason: string;
  };
  /** One that was accepted; what stands in pipelines.yaml goes with its file. */
  "pipeline.withdrawn": { pipeline: string; by: string; reason: string };
  /** A proposal that nobody shall accept any more; the same chain may be proposed anew after as many approvals again. */
  "pipeline.declined": { proposal: string; pipeline: string; by: string; byName: string; reason: string };
  /**
   * A window in which a pipeline may run is over. `runs` that were whole and without deviation, `commands` by its accounts on its
   * targets. `missed`: no run began; `unfinished`: none came to its last step; `unknown`: more commands than are followed. `why`
   * is a sentence without its end; empty for `ran`.
   */
  "pipeline.ran": {
    pipeline: string;
    startedMs: number;
    endedMs: number;
    outcome: "ran" | "deviated" | "unfinished" | "missed" | "unknown";
    runs: number;
    commands: number;
    why: string;
  };
  /** Files that were not taken over: what was in force stays. */
  "policy.refused": { reason: string };
  "key.erased": { keyId: string; by: string; reason: string };
  /** Steps of one identity that had to go for want of room: of its own, none older than `beforeMs` is kept. */
  "state.evicted": { identity: string; count: number; beforeMs: number };
  "correlator.digested": { folded: number; digest: string };
  /**
   * Correlators answer by this policy from here on. `policy` is the record that put it into the log. Where it asks for more
   * than was known, the log was folded again from the first step; until here the policy before it was in force.
   */
  "rules.switched": { policy: string; digest: string };
  /** `head` of the chain up to and including `upTo`, signed with the source's Ed25519 key. */
  "log.checkpoint": {
    chain: "source" | "writer";
    stream: string;
    upTo: string;
    head: string;
    key: string;
    signature: string;
  };
  "log.refused": { source: string; claimedType: string; reason: string };
  "log.gap": Loss & { source: string; stream: string };
  "sink.failed": { sink: string; reason: string };
  "sink.recovered": { sink: string; from: string; until: string; count: number };
  "service.started": { role: string; version: string; positions: Record<string, string> };
  "service.stopped": { role: string; reason: string };
}
