/**
 * Every field that a Sigma rule can name, what it holds and when it is known. `infra/rules/field.ts` reads them, FIELDS.md
 * is made from this table, and a rule over live events that names another field is refused: it could never match.
 */
import { operations } from "./command.ts";

export type FieldType = "text" | "texts" | "number" | "boolean" | "time";
/**
 * `intent`: before the command runs. `late`: when it has finished; until then a condition on it counts as true.
 * `plain`: only plain events (`throughline rules run`) have it.
 */
export type Knowledge = "intent" | "late" | "plain";

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  /** Where it comes from: an event type, or the envelope that every event has. */
  readonly from: string;
  readonly known: Knowledge;
  readonly about: string;
  /** Closed: another plain value is a mistake in the rule. */
  readonly values?: readonly string[];
}

const text = "text";
const texts = "texts";
const command = "command.intended, command.decided";
const finished = "command.finished";
const line = "plain event";
const content = "content.shown, content.brought";
const truth = ["true", "false"] as const;

export const fields = [
  { name: "session", type: text, from: "envelope", known: "intent", about: "the connection" },
  { name: "command", type: text, from: "envelope", known: "intent", about: "the command's own id" },
  { name: "identity", type: text, from: "envelope", known: "intent", about: "who, as issuer|subject" },
  {
    name: "onbehalfof",
    type: texts,
    from: "envelope",
    known: "intent",
    about: "identities of the `act` chain; `onBehalfOf` is the same field",
  },
  { name: "account", type: text, from: "envelope", known: "intent", about: "the account at the target" },
  { name: "task", type: text, from: "envelope", known: "intent", about: "the task it was done for" },
  { name: "target", type: text, from: "envelope", known: "intent", about: "the name of the target" },
  { name: "clientaddress", type: text, from: "envelope", known: "intent", about: "address and port of the client" },
  { name: "address", type: text, from: "envelope", known: "intent", about: "the client's address without the port" },
  { name: "grantid", type: text, from: "envelope", known: "intent", about: "the Grant it logged in with" },
  {
    name: "time",
    type: "time",
    from: "log",
    known: "intent",
    about: "the log's time, UTC; of a plain event, its `time` as written",
  },
  { name: "kind", type: text, from: command, known: "intent", about: "which message asked: query, execute, copy, …" },
  {
    name: "opaque",
    type: "boolean",
    from: command,
    known: "intent",
    about: "it could not be read: then it may do whatever its account may",
    values: truth,
  },
  {
    name: "undoable",
    type: "boolean",
    from: command,
    known: "intent",
    about: "ROLLBACK would undo all of it",
    values: truth,
  },
  {
    name: "statement",
    type: texts,
    from: command,
    known: "intent",
    about: "SQL command tags of the text, such as GRANT, REVOKE, SET; of an approval ASK, APPROVE, REFUSE",
  },
  { name: "fingerprint", type: text, from: command, known: "intent", about: "digest of the text without its literals" },
  { name: "role", type: text, from: command, known: "intent", about: "the role in force at the target (SET ROLE)" },
  {
    name: "trace",
    type: text,
    from: command,
    known: "intent",
    about: "trace id that the client wrote into a comment (traceparent): a claim",
  },
  {
    name: "operation",
    type: text,
    from: command,
    known: "intent",
    about: "what an effect does",
    values: operations,
  },
  { name: "reads", type: texts, from: command, known: "intent", about: "URIs an effect reads" },
  { name: "writes", type: texts, from: command, known: "intent", about: "URIs an effect writes" },
  { name: "ends", type: texts, from: command, known: "intent", about: "URIs whose content it ends" },
  {
    name: "destroys",
    type: "boolean",
    from: command,
    known: "intent",
    about: "existing content is removed or overwritten",
    values: truth,
  },
  { name: "resource", type: texts, from: command, known: "intent", about: "what it touches: reads and writes" },
  {
    name: "tags",
    type: texts,
    from: "catalog.yaml, resource.tagged",
    known: "intent",
    about: "tags of what it touches, by catalog and by travel; `pii.email` is `pii` too",
  },
  { name: "rows", type: "number", from: finished, known: "late", about: "rows shown or changed" },
  { name: "outcome", type: text, from: finished, known: "late", about: "ok, error or unknown" },
  { name: "bytes", type: "number", from: finished, known: "late", about: "bytes of the result" },
  { name: "durationUs", type: "number", from: finished, known: "late", about: "microseconds it took" },
  {
    name: "shown",
    type: "boolean",
    from: finished,
    known: "late",
    about: "something of the result may have reached the client",
    values: truth,
  },
  { name: "tag", type: text, from: finished, known: "late", about: "the target's own word for what it did" },
  { name: "code", type: text, from: finished, known: "late", about: "the target's error code" },
  {
    name: "content",
    type: texts,
    from: content,
    known: "intent",
    about: "ids of the content.shown events whose values it brings, or that it made",
  },
  {
    name: "content.tags",
    type: texts,
    from: content,
    known: "intent",
    about: "tags of the columns whose shown values it brings",
  },
  {
    name: "content.values",
    type: "number",
    from: content,
    known: "intent",
    about: "how many different values it brings that others were shown",
  },
  { name: "parentTask", type: text, from: line, known: "plain", about: "the task that its task belongs to" },
  { name: "id", type: text, from: line, known: "plain", about: "the line's own id" },
] as const satisfies readonly Field[];

export type FieldName = (typeof fields)[number]["name"];

const byName: ReadonlyMap<string, Field> = new Map(fields.map((field) => [field.name, field]));
/** Written otherwise elsewhere. */
const otherNames: ReadonlyMap<string, FieldName> = new Map([["onBehalfOf", "onbehalfof"]]);

/** @returns the field that a rule means by this name; undefined when events have none. */
export function fieldNamed(name: string): Field | undefined {
  return byName.get(otherNames.get(name) ?? name);
}
