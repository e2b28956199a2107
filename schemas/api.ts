/**
 * The shapes of the HTTP API: one schema gives the type, the validation and the OpenAPI text at /api/openapi.json.
 * Errors are RFC 9457 problem+json (`Problem`). Times are milliseconds since the epoch. A request refuses unknown keys.
 *
 * Two ways in: `Authorization: Bearer <access token of the identity provider>`, or the cookie that /login sets. A request
 * that changes something by cookie must come from the same origin (the browser's Origin header).
 */
import type { ChainEvidence } from "./chain.ts";
import { closed, type Static, Type } from "./shape.ts";
import { sessionSummarySchema, timelineFilterSchema, timelineRowSchema } from "./timeline.ts";

export type { SessionSummary, TimelineFilter, TimelineRow } from "./timeline.ts";

const text = (description: string) => Type.String({ description });
export const required = (description: string, maxLength = 1_000) =>
  Type.String({ minLength: 1, maxLength, description });
const words = Type.Array(Type.String());
export const nullable = <T extends Parameters<typeof Type.Array>[0]>(type: T) => Type.Union([type, Type.Null()]);
const chainEvidence = Type.Unsafe<ChainEvidence>({
  type: "object",
  additionalProperties: true,
  description: "Steps, links and their evidence: schemas/chain.ts",
});

export const problemSchema = closed({
  type: text("urn:throughline:error:<code>"),
  title: text("What happened, in general"),
  status: Type.Integer(),
  detail: text("What happened here"),
  code: text("Code of schemas/errors.ts"),
  hint: text("What to do"),
});
export type Problem = Static<typeof problemSchema>;

/** What an identity may do with the product itself, by policy. */
export const productRoles = ["investigate", "approve", "respond", "export", "administer"] as const;
export type ProductRole = (typeof productRoles)[number];

export const personSchema = closed({ identity: text("Identity key"), name: text("For people to read") });
export type Person = Static<typeof personSchema>;

/** GET /api/me */
export const meSchema = closed({
  identity: closed({
    key: Type.String(),
    kind: Type.Union([Type.Literal("person"), Type.Literal("workload"), Type.Literal("agent")]),
    name: Type.String(),
    groups: words,
    onBehalfOf: words,
  }),
  roles: Type.Array(Type.Enum([...productRoles])),
  session: nullable(closed({ expiresAtMs: Type.Number({ description: "End of the browser session" }) })),
});
export type Me = Static<typeof meSchema>;

/** GET /api/meta: what a client must know before it has a token. */
export const metaSchema = closed({
  name: text("Name of this installation"),
  tenant: Type.String(),
  version: Type.String(),
  issuer: text("OIDC issuer to log in at"),
  clientId: text("Public client for people: code + PKCE on loopback, device flow"),
  audience: text("Ask the issuer for this resource / audience"),
  url: text("Address of the console"),
  gateway: closed({ host: Type.String(), port: Type.Integer(), requireTls: Type.Boolean() }),
});
export type Meta = Static<typeof metaSchema>;

/** GET /api/targets */
export const targetInfoSchema = closed({
  name: text("Also the database name that clients ask the gateway for"),
  kind: Type.Literal("postgres"),
  database: Type.String(),
  mode: Type.Union([Type.Literal("observe"), Type.Literal("enforce")]),
  accounts: Type.Array(closed({ name: Type.String(), mayConnect: Type.Boolean() })),
});
export type TargetInfo = Static<typeof targetInfoSchema>;
export const targetsSchema = closed({ targets: Type.Array(targetInfoSchema) });
export type Targets = Static<typeof targetsSchema>;

/** POST /api/grants */
export const grantRequestSchema = closed({
  target: required("Name of a target", 100),
  account: required("Account of that target", 100),
  task: closed({
    justification: required("Why: kept with the session, the approval and every event"),
    id: Type.Optional(required("An id of your own, to tie several grants to one task", 200)),
    parent: Type.Optional(required("Id of the task this one belongs to", 200)),
  }),
  hours: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 12 })),
});
export type GrantRequest = Static<typeof grantRequestSchema>;

export const issuedGrantSchema = closed({
  grant: Type.String(),
  user: text("account~grant: the user name on the wire"),
  secret: text("The password; shown once, stored nowhere"),
  host: Type.String(),
  port: Type.Integer(),
  database: Type.String(),
  requireTls: Type.Boolean(),
  task: Type.String(),
  expiresAtMs: Type.Number(),
});
export type IssuedGrant = Static<typeof issuedGrantSchema>;

/** GET /api/grants: one's own; with `respond` or `investigate` everybody's. */
export const grantInfoSchema = closed({
  grant: Type.String(),
  identity: personSchema,
  account: Type.String(),
  target: Type.String(),
  task: closed({ id: Type.String(), justification: Type.String(), parent: nullable(Type.String()) }),
  issuedAtMs: Type.Number(),
  expiresAtMs: Type.Number(),
  state: Type.Union([Type.Literal("active"), Type.Literal("revoked"), Type.Literal("expired")]),
  revoked: nullable(closed({ by: personSchema, reason: Type.String(), atMs: Type.Number() })),
});
export type GrantInfo = Static<typeof grantInfoSchema>;
export const grantsSchema = closed({ grants: Type.Array(grantInfoSchema) });
export type Grants = Static<typeof grantsSchema>;

/** Body of DELETE /api/grants/:id and /api/blocks/:id */
export const reasonSchema = closed({ reason: required("Why; it is recorded") });
export type Reason = Static<typeof reasonSchema>;

/** GET /api/timeline */
export const timelineQuerySchema = closed({
  ...timelineFilterSchema.properties,
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, default: 100 })),
});
export const timelinePageSchema = closed({
  rows: Type.Array(timelineRowSchema),
  next: nullable(text("`before` of the next page; null at the end")),
});
export type TimelinePage = Static<typeof timelinePageSchema>;

/** GET /api/sessions */
export const sessionsPageSchema = closed({
  sessions: Type.Array(sessionSummarySchema),
  next: nullable(text("`before` of the next page; null at the end")),
});
export type SessionsPage = Static<typeof sessionsPageSchema>;

/** One command of a session, from asked to finished. */
export const statementSchema = closed({
  command: Type.String(),
  event: text("Id of its command.decided"),
  position: Type.String(),
  atMs: Type.Number(),
  text: nullable(text("Null when the key of the session was erased")),
  parameters: nullable(Type.Array(nullable(Type.String()))),
  statements: words,
  operations: words,
  resources: words,
  ruling: Type.String(),
  stage: Type.String(),
  because: words,
  sentence: Type.String(),
  masks: Type.Array(closed({ resource: Type.String(), tag: Type.String(), count: Type.Integer() })),
  chains: words,
  approval: nullable(Type.String()),
  answer: Type.Optional(text("Who answered while it was held, and why")),
  /** `unknown`: no finish was recorded. Refused and held commands have none: `not-run`. */
  outcome: Type.Union([
    Type.Literal("ok"),
    Type.Literal("error"),
    Type.Literal("unknown"),
    Type.Literal("not-run"),
    Type.Literal("running"),
  ]),
  rows: nullable(Type.Number()),
  bytes: nullable(Type.Number()),
  tag: Type.String(),
  code: nullable(Type.String()),
  durationUs: nullable(Type.Number()),
});
export type Statement = Static<typeof statementSchema>;

/** GET /api/sessions/:id (query: after, limit) */
export const replaySchema = closed({
  session: sessionSummarySchema,
  statements: Type.Array(statementSchema),
  next: nullable(text("`after` of the next page; null at the end")),
});
export type Replay = Static<typeof replaySchema>;

/** GET /api/chains */
export const chainInfoSchema = closed({
  chain: chainEvidence,
  event: text("Id of its chain.completed"),
  position: Type.String(),
  atMs: Type.Number(),
  ruling: text("What the correlator answered: hold, block, or allow when only observed"),
  command: text("The command that would complete it"),
  session: Type.String(),
  accounts: words,
  people: Type.Array(personSchema),
  approval: nullable(text("Id of the approval that was asked for it")),
  state: Type.Union(
    [
      Type.Literal("held"),
      Type.Literal("approved"),
      Type.Literal("refused"),
      Type.Literal("expired"),
      Type.Literal("blocked"),
      Type.Literal("observed"),
    ],
    { description: "What came of it: held = waits for a human" },
  ),
});
export type ChainInfo = Static<typeof chainInfoSchema>;
export const chainsPageSchema = closed({
  chains: Type.Array(chainInfoSchema),
  next: nullable(Type.String()),
});
export type ChainsPage = Static<typeof chainsPageSchema>;

/** GET /api/approvals */
export const approvalInfoSchema = closed({
  approval: Type.String(),
  state: Type.Union([
    Type.Literal("open"),
    Type.Literal("approved"),
    Type.Literal("refused"),
    Type.Literal("expired"),
    Type.Literal("used"),
    /** Approved, but what the command means had changed when it was to run: it was asked again. */
    Type.Literal("void"),
  ]),
  askedAtMs: Type.Number(),
  expiresAtMs: Type.Number(),
  by: personSchema,
  account: Type.String(),
  target: Type.String(),
  task: closed({ id: Type.String(), justification: Type.String() }),
  session: Type.String(),
  command: Type.String(),
  sentence: Type.String(),
  because: words,
  approvers: Type.Array(Type.String(), { description: "Groups whose members may answer" }),
  humans: Type.Integer({ description: "How many humans must approve" }),
  needs: Type.Optional(
    Type.Array(closed({ approvers: words, humans: Type.Integer() }), {
      description: "Who must approve, one entry per reason; all must be met, one human fills one place",
    }),
  ),
  escalate: words,
  excluded: Type.Array(
    closed({ identity: Type.String(), name: Type.String(), why: text("Requester, or which step of which chain") }),
  ),
  statements: words,
  resources: words,
  chains: Type.Array(chainEvidence),
  answers: Type.Array(
    closed({
      by: personSchema,
      answer: Type.Union([Type.Literal("approve"), Type.Literal("refuse")]),
      reason: Type.String(),
      atMs: Type.Number(),
    }),
  ),
  refusedAttempts: Type.Array(closed({ by: personSchema, reason: Type.String(), atMs: Type.Number() })),
  usedAtMs: nullable(Type.Number()),
  /** Whether the one who asks may answer now, and the sentence why not. */
  mayAnswer: Type.Boolean(),
  whyNot: nullable(Type.String()),
});
export type ApprovalInfo = Static<typeof approvalInfoSchema>;
export const approvalsSchema = closed({ approvals: Type.Array(approvalInfoSchema) });
export type Approvals = Static<typeof approvalsSchema>;

/** GET /api/approvals/:id */
export const approvalDetailSchema = closed({
  ...approvalInfoSchema.properties,
  text: nullable(text("The exact text that would run; null when its key was erased or you may not read it")),
  parameters: nullable(Type.Array(nullable(Type.String()))),
  /** The pipeline that was proposed after this approval and others like it. */
  proposal: Type.Optional(closed({ proposal: Type.String(), pipeline: Type.String(), state: Type.String() })),
});
export type ApprovalDetail = Static<typeof approvalDetailSchema>;

/** POST /api/approvals/:id/answer */
export const answerSchema = closed({
  answer: Type.Union([Type.Literal("approve"), Type.Literal("refuse")]),
  reason: required("Why; the requester and the auditors read it"),
});
export type Answer = Static<typeof answerSchema>;

/** GET /api/chains/:id */
export const chainDetailSchema = closed({
  ...chainInfoSchema.properties,
  approvalDetail: nullable(approvalInfoSchema),
  rows: Type.Array(timelineRowSchema, { description: "Every event of its commands, in order, across accounts" }),
});
export type ChainDetail = Static<typeof chainDetailSchema>;

/** What a block matches: every named key must match; `operations` any of them. */
export const blockScopeSchema = closed({
  identity: Type.Optional(required("Identity key", 2_000)),
  account: Type.Optional(required("Account")),
  session: Type.Optional(required("Session id")),
  task: Type.Optional(required("Task id")),
  grant: Type.Optional(required("Grant id")),
  resource: Type.Optional(required("Resource URI, with all that it contains", 2_000)),
  operations: Type.Optional(Type.Array(required("Operation", 20), { minItems: 1, maxItems: 9 })),
});
/** POST /api/blocks */
export const blockRequestSchema = closed({
  scope: blockScopeSchema,
  reason: required("Why; the blocked user reads it"),
  minutes: Type.Optional(Type.Integer({ minimum: 1, maximum: 525_600, description: "Absent: until lifted" })),
});
export type BlockRequest = Static<typeof blockRequestSchema>;
export const blockInfoSchema = closed({
  block: Type.String(),
  scope: blockScopeSchema,
  identityName: Type.Optional(text("Of the scope's identity")),
  by: personSchema,
  reason: Type.String(),
  placedAtMs: Type.Number(),
  expiresAtMs: nullable(Type.Number()),
  state: Type.Union([Type.Literal("active"), Type.Literal("lifted"), Type.Literal("expired")]),
  lifted: nullable(closed({ by: personSchema, reason: Type.String(), atMs: Type.Number() })),
  /** Commands or sessions that gateways refused because of it. */
  enforced: Type.Integer(),
});
export type BlockInfo = Static<typeof blockInfoSchema>;
export const blocksSchema = closed({ blocks: Type.Array(blockInfoSchema) });
export type Blocks = Static<typeof blocksSchema>;

const alertActSchema = closed({ by: personSchema, reason: Type.String(), atMs: Type.Number() });
/** GET /api/alerts */
export const alertInfoSchema = closed({
  alert: Type.String(),
  kind: Type.String(),
  level: Type.String(),
  title: Type.String(),
  sentence: Type.String(),
  about: text("Id of the chain or approval"),
  atMs: Type.Number(),
  state: Type.Union([Type.Literal("open"), Type.Literal("acknowledged"), Type.Literal("resolved")]),
  acknowledged: nullable(alertActSchema),
  resolved: nullable(alertActSchema),
});
export type AlertInfo = Static<typeof alertInfoSchema>;
/** A receiver of alerts, and how it fares. */
export const alertReceiverSchema = closed({
  name: text("As the configuration calls it"),
  waiting: Type.Integer({ description: "Messages that it has not taken yet" }),
  failing: nullable(closed({ since: text("RFC 3339"), reason: Type.String() })),
  next: nullable(text("Id of the alert that is being tried; the others wait behind it")),
});
export type AlertReceiver = Static<typeof alertReceiverSchema>;
export const alertsSchema = closed({
  alerts: Type.Array(alertInfoSchema),
  receivers: Type.Array(alertReceiverSchema),
});
export type Alerts = Static<typeof alertsSchema>;
/** Body of POST /api/alerts/:id/given-up */
export const giveUpSchema = closed({
  receiver: required("Name of the receiver"),
  reason: required("Why; it is recorded"),
});

/** GET /readyz */
export const readySchema = closed({
  ready: Type.Boolean(),
  caughtUp: text("`yes`, or what is still being read"),
});
export type Ready = Static<typeof readySchema>;
