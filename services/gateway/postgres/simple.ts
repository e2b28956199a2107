/** Query and FunctionCall: one message, one Command; the target answers everything up to ReadyForQuery. */

import { readFunctionCall, readQuery, type Text } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import { clientTypes } from "./frames.ts";
import { remembered, resolved, usedBy } from "./handles.ts";
import { judged, refuse } from "./judged.ts";
import { isReserved, plainError } from "./refusal.ts";
import type { Run } from "./run.ts";

type Done = void | Promise<void>;

export function simpleQuery(talk: Conversation, bytes: Buffer, start: number, end: number): Done {
  const text = readQuery(bytes, start, end);
  const wait = talk.readable();
  return wait === null ? ask(talk, text, bytes, start, end) : wait.then(() => ask(talk, text, bytes, start, end));
}

function ask(talk: Conversation, text: Text, bytes: Buffer, start: number, end: number): Done {
  if (talk.replies.skipping) return;
  const { names, prepared, replies, outlet } = talk;
  const reading = names.read(text);
  if (isReserved(reading.handle?.name ?? "")) return refuse(talk, clientTypes.Query, reservedError());
  return judged(talk, {
    type: clientTypes.Query,
    kind: "query",
    text: text.value,
    parameters: reading.handle?.parameters ?? [],
    uses: usedBy(reading, prepared),
    read: () => resolved(names.read(text), text.value, prepared, names),
    forward(run: Run) {
      prepared.dropUnnamed();
      const undo = remembered(run.judgement.command.reading, reading, text.value, prepared, names);
      replies.push(undo === undefined ? { kind: "query", run } : { kind: "query", run, undo });
      outlet.final(bytes, start, end);
      names.forwarded(run.judgement.command.reading);
    },
  });
}

export function reservedError(): Buffer {
  return plainError(
    "42939",
    "names that begin with throughline: are reserved",
    "It never reached the target.",
    "Use another name.",
  );
}

/** A function called by its number: no text tells what it does. */
export function functionCall(talk: Conversation, bytes: Buffer, start: number, end: number): Done {
  const { oid, parameters } = readFunctionCall(bytes, start, end);
  const text = `FunctionCall ${oid}`;
  const wait = talk.readable();
  const go = (): Done => {
    if (talk.replies.skipping) return;
    return judged(talk, {
      type: clientTypes.FunctionCall,
      kind: "function",
      text,
      parameters,
      read: () => talk.names.opaque("a function is called by its number", text),
      forward(run: Run) {
        talk.prepared.forgetNamed();
        talk.replies.push({ kind: "function", run });
        talk.outlet.final(bytes, start, end);
        talk.names.forwarded(run.judgement.command.reading);
      },
    });
  };
  return wait === null ? go() : wait.then(go);
}
