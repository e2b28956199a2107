/**
 * Parse, Bind, Describe, Execute, Close. Parse, Bind and Describe are asked of policy and blocks (their errors carry
 * values); each Execute is a Command, also one that goes on with a portal. What a name stands for is in prepared.ts.
 */
import type { Command, Reading } from "../../../schemas/command.ts";
import { type BindMessage, type ParseMessage, readBind, readExecute, readNamed, readParse } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import { clientTypes as types } from "./frames.ts";
import { remembered, resolved, usedBy } from "./handles.ts";
import { judged, previewRefused, refuse } from "./judged.ts";
import { known, maskedExecute } from "./masked-execute.ts";
import type { Portal, Statement } from "./prepared.ts";
import { isReserved } from "./refusal.ts";
import type { Run } from "./run.ts";
import { reservedError } from "./simple.ts";

type Done = void | Promise<void>;

/** A message of the extended protocol, as it lies in its chunk. */
export interface Frame {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

export function extended(talk: Conversation, type: number, frame: Frame): Done {
  const wait = talk.readable();
  if (wait === null) return step(talk, type, frame);
  return wait.then(() => (talk.replies.skipping ? undefined : step(talk, type, frame)));
}

function step(talk: Conversation, type: number, frame: Frame): Done {
  switch (type) {
    case types.Parse:
      return parse(talk, frame);
    case types.Bind:
      return bind(talk, frame);
    case types.Describe:
      return describe(talk, frame);
    case types.Close:
      return close(talk, frame);
    default:
      return execute(talk, frame);
  }
}

function previewed(
  talk: Conversation,
  kind: Command["kind"],
  text: string,
  parameters: readonly (string | null)[],
  reading: Reading,
  parameterTypes: readonly number[] = [],
): Command {
  const command = { id: talk.parts.nextCommandId(), session: talk.session.id, kind, text, parameters, reading };
  return parameterTypes.length > 0 ? { ...command, parameterTypes } : command;
}

function parse(talk: Conversation, frame: Frame): Done {
  const message = readParse(frame.bytes, frame.start, frame.end);
  if (isReserved(message.statement)) return refuse(talk, types.Parse, reservedError());
  return talk.fresh(
    () => talk.names.read(message.text),
    (reading) => parseRead(talk, message, frame, reading),
  );
}

function parseRead(talk: Conversation, message: ParseMessage, { bytes, start, end }: Frame, reading: Reading): void {
  const { statement, text, parameterTypes } = message;
  const { prepared } = talk;
  const command = previewed(talk, "parse", text.value, [], reading, parameterTypes);
  // The target forgets the unnamed statement before it looks at the new one.
  if (statement === "") prepared.setStatement("", null);
  if (previewRefused(talk, types.Parse, command, statement === "")) return;
  const undo = prepared.setStatement(statement, { text, parameterTypes, columns: null });
  talk.replies.push({ kind: "parse", undo, command });
  talk.outlet.extended(bytes, start, end);
}

function bind(talk: Conversation, frame: Frame): Done {
  const message = readBind(frame.bytes, frame.start, frame.end);
  if (isReserved(message.portal) || isReserved(message.statement)) return refuse(talk, types.Bind, reservedError());
  const statement = talk.prepared.statement(message.statement);
  const text = statement?.text ?? null;
  return talk.fresh(
    () => (text === null ? talk.names.opaque("it binds a statement that was not seen", "") : talk.names.read(text)),
    (reading) => bindRead(talk, message, frame, statement, reading),
  );
}

function bindRead(
  talk: Conversation,
  message: BindMessage,
  { bytes, start, end }: Frame,
  statement: Statement | null,
  reading: Reading,
): void {
  const { prepared } = talk;
  const text = statement?.text ?? null;
  const command = previewed(talk, "bind", text?.value ?? "", message.parameters, reading, statement?.parameterTypes);
  if (message.portal === "") prepared.setPortal("", null);
  if (previewRefused(talk, types.Bind, command)) return;
  const { parameters, resultFormats } = message;
  const portal: Portal = { text, statement, parameters, resultFormats, reading, cursor: false, columns: null };
  const undo = prepared.setPortal(message.portal, portal);
  talk.replies.push({ kind: "bind", undo, command });
  talk.outlet.extended(bytes, start, end);
}

function describe(talk: Conversation, { bytes, start, end }: Frame): void {
  const { kind, name } = readNamed(bytes, start, end);
  const { prepared, names } = talk;
  if (isReserved(name)) {
    refuse(talk, types.Describe, reservedError());
    return;
  }
  const described = kind === "S" ? prepared.statement(name) : prepared.portal(name);
  const text = described?.text ?? null;
  const reading = text === null ? names.opaque("it describes what was not seen", "") : names.read(text);
  const command = previewed(talk, "describe", text?.value ?? "", [], reading);
  if (previewRefused(talk, types.Describe, command)) return;
  talk.replies.push(described === null ? { kind: "describe", command } : { kind: "describe", command, described });
  talk.outlet.extended(bytes, start, end);
}

function close(talk: Conversation, { bytes, start, end }: Frame): void {
  const { kind, name } = readNamed(bytes, start, end);
  if (isReserved(name)) {
    refuse(talk, types.Close, reservedError());
    return;
  }
  const { prepared } = talk;
  const undo = kind === "S" ? prepared.setStatement(name, null) : prepared.setPortal(name, null);
  talk.replies.push({ kind: "close", undo });
  talk.outlet.extended(bytes, start, end);
}

function execute(talk: Conversation, { bytes, start, end }: Frame): Done {
  const message = readExecute(bytes, start, end);
  if (isReserved(message.portal)) return refuse(talk, types.Execute, reservedError());
  const { prepared, names } = talk;
  const portal = prepared.portal(message.portal);
  const text = portal?.text?.value ?? "";
  const own = portal?.text == null ? null : names.read(portal.text);
  if (isReserved(own?.handle?.name ?? "")) return refuse(talk, types.Execute, reservedError());
  const forward = (run: Run): void => {
    if (run.shown !== null) Object.assign(run.shown, { formats: portal?.resultFormats ?? [], columns: known(portal) });
    const ran = run.judgement.command.reading;
    const undo = remembered(ran, portal?.cursor === true ? ran : (own ?? ran), text, prepared, names);
    talk.replies.push(undo === undefined ? { kind: "execute", run } : { kind: "execute", run, undo });
    talk.outlet.executed = true;
    talk.outlet.extended(bytes, start, end);
    talk.names.forwarded(run.judgement.command.reading);
  };
  return judged(talk, {
    type: types.Execute,
    kind: "execute",
    text,
    parameters: portal?.parameters ?? [],
    parameterTypes: portal?.statement?.parameterTypes,
    uses: own === null ? undefined : usedBy(own, prepared),
    read: () => portalReading(talk, portal),
    forward: (run) => maskedExecute(talk, message.portal, portal, run, forward),
  });
}

/** A portal's plan was made at Bind, but statements without a plan find their names when they run: both must agree. */
function portalReading(talk: Conversation, portal: Portal | null): Reading {
  const { names, prepared } = talk;
  if (portal === null || portal.text === null) return names.opaque("it runs a portal that was not seen", "");
  const text = portal.text.value;
  const now = names.read(portal.text);
  if (now === portal.reading) return resolved(now, text, prepared, names);
  if (now.resolution !== portal.reading.resolution) {
    return names.opaque("names mean something else than when it was bound", text);
  }
  return resolved(now, text, prepared, names);
}
