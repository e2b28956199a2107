/**
 * What a reader of the audit sees: one row per event, and one per session. Filled by infra/store, served by
 * services/api, shown by the console and the CLI. `text` and `parameters` are clear text: only who may investigate
 * gets them, and each such read is an event of its own.
 */
import { closed, type Static, Type } from "./shape.ts";

const words = Type.Array(Type.String());
const nullableText = Type.Union([Type.String(), Type.Null()]);
const nullableNumber = Type.Union([Type.Number(), Type.Null()]);
const filterText = (description: string) => Type.String({ minLength: 1, maxLength: 2_000, description });

/** The year 2286; the store's moments end not long after it. */
const momentMsMax = 9_999_999_999_999;

/** What can be asked for; everything that is named must hold. */
export const timelineFilterSchema = closed({
  identity: Type.Optional(filterText("Identity key, issuer|subject")),
  account: Type.Optional(filterText("Role on the target")),
  target: Type.Optional(filterText("Name of a target")),
  session: Type.Optional(filterText("Session id")),
  task: Type.Optional(filterText("Task id")),
  command: Type.Optional(filterText("Command id")),
  grant: Type.Optional(filterText("Grant id")),
  resource: Type.Optional(filterText("Resource URI; a table also finds what names its columns")),
  chain: Type.Optional(filterText("Chain id: every event of its commands, whoever ran them")),
  approval: Type.Optional(filterText("Approval id")),
  key: Type.Optional(filterText("Id of a session key")),
  type: Type.Optional(filterText("Event type")),
  ruling: Type.Optional(filterText("allow, mask, hold or block")),
  story: Type.Optional(
    Type.Boolean({ description: "True leaves out quietTypes of schemas/story.ts, unless `type` asks for one of them" }),
  ),
  text: Type.Optional(filterText("Words that must all occur in the clear text of the command or its parameters")),
  sinceMs: Type.Optional(Type.Integer({ minimum: 0, maximum: momentMsMax, description: "Log time, inclusive" })),
  untilMs: Type.Optional(Type.Integer({ minimum: 0, maximum: momentMsMax, description: "Log time, exclusive" })),
  before: Type.Optional(
    filterText("Position of the last row seen, exclusive: older rows, or newer ones when the order is oldest"),
  ),
  order: Type.Optional(Type.Union([Type.Literal("newest"), Type.Literal("oldest")])),
});
export type TimelineFilter = Readonly<Static<typeof timelineFilterSchema>>;

/** One event as a reader sees it. Empty strings stand for what does not apply. */
export const timelineRowSchema = closed({
  id: Type.String(),
  position: Type.String({ description: "Where it stands in the log; for paging" }),
  atMs: Type.Number({ description: "Log time" }),
  type: Type.String(),
  source: Type.String(),
  session: Type.String(),
  command: Type.String(),
  identity: Type.String(),
  identityName: Type.String(),
  account: Type.String(),
  task: Type.String(),
  target: Type.String(),
  grant: Type.String(),
  ruling: Type.String(),
  operations: words,
  resources: words,
  chains: words,
  text: Type.Union([Type.String(), Type.Null()], {
    description: "Clear text of the command; null when its key was erased or it has none",
  }),
  parameters: Type.Union([Type.Array(nullableText), Type.Null()], { description: "Bound values in order" }),
  data: Type.Unknown({ description: "The event's data as it was recorded; its shape follows from type" }),
});
export type TimelineRow = Readonly<Static<typeof timelineRowSchema>>;

export const sessionFilterSchema = closed({
  identity: Type.Optional(filterText("Identity key, issuer|subject")),
  account: Type.Optional(filterText("Role on the target")),
  target: Type.Optional(filterText("Name of a target")),
  task: Type.Optional(filterText("Task id")),
  grant: Type.Optional(filterText("Grant id")),
  session: Type.Optional(filterText("Session id")),
  sinceMs: Type.Optional(Type.Integer({ minimum: 0, maximum: momentMsMax })),
  untilMs: Type.Optional(Type.Integer({ minimum: 0, maximum: momentMsMax })),
  before: Type.Optional(filterText("Position of the last session seen")),
});
export type SessionFilter = Readonly<Static<typeof sessionFilterSchema>>;

export const sessionSummarySchema = closed({
  session: Type.String(),
  position: Type.String({ description: "Of session.opened; for paging" }),
  identity: Type.String(),
  identityName: Type.String(),
  account: Type.String(),
  target: Type.String(),
  task: Type.String(),
  justification: Type.String(),
  grant: Type.String(),
  clientAddress: Type.String(),
  application: Type.String({ description: "Claimed by the client, never trusted" }),
  certificate: Type.Union(
    [
      closed({
        key: Type.String({ description: "SHA-256 of its public key, hex: who showed the same one is one actor" }),
        subject: Type.String(),
        issuer: Type.String(),
        serial: Type.String(),
        notAfterMs: Type.Number(),
      }),
      Type.Null(),
    ],
    { description: "The client certificate that the gateway verified; null when none was shown" },
  ),
  openedAtMs: Type.Number(),
  closedAtMs: nullableNumber,
  closedBecause: Type.String(),
  commands: Type.Number(),
  held: Type.Number({ description: "Commands that were held" }),
  blocked: Type.Number({ description: "Commands that were refused" }),
  masked: Type.Number({ description: "Commands with masked columns" }),
});
export type SessionSummary = Readonly<Static<typeof sessionSummarySchema>>;
