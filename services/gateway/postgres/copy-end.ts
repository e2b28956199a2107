/**
 * The end of COPY FROM STDIN. CopyDone makes it last (outside a transaction): not before its record is durable. Where the
 * data holds values that others were shown (DETECTION §2.7), what was allowed at its beginning is judged once more, as a
 * command of its own at the place where all of it has come: it may be held or refused, and then nothing of it lasts.
 */
import type { Judgement } from "../gate.ts";
import type { Conversation } from "./conversation.ts";
import { clientTypes } from "./frames.ts";
import { answered } from "./hold.ts";
import { unrun } from "./judged.ts";
import { copyFail } from "./messages.ts";
import { heldHint, refusalHint, refusedError } from "./refusal.ts";
import { Run } from "./run.ts";

type Done = void | Promise<void>;

/** @param type CopyDone or CopyFail @param message as the client sent it */
export function copyEnd(talk: Conversation, type: number, message: Buffer): Done {
  const run = talk.replies.newest;
  if (run === undefined || type !== clientTypes.CopyDone) return end(talk, run, message);
  const wait = talk.durable(run.judgement.ticket);
  return wait === null ? done(talk, run, message) : wait.then(() => (talk.over ? undefined : done(talk, run, message)));
}

function done(talk: Conversation, run: Run, message: Buffer): Done {
  const { brought, judgement } = run;
  const { command } = judgement;
  run.brought = null;
  const data = brought?.digest() ?? null;
  if (brought === null || data === null) return end(talk, run, message);
  // The data stands in the binding: an approval covers these very values.
  const copy = { ...command, id: talk.parts.nextCommandId(), kind: "copy" as const, uses: `data ${data}` };
  return brought.say(copy) ? judged(talk, run, copy, message) : end(talk, run, message);
}

async function judged(talk: Conversation, run: Run, copy: Judgement["command"], message: Buffer): Promise<void> {
  talk.commands += 1;
  // Also outside BEGIN it holds locks while it waits.
  const judgement = await talk.gate.judge(talk.session, copy, [], true);
  talk.outbox.require(judgement.ticket);
  const { verdict, held } = judgement;
  if (verdict.ruling === "block") return refuse(talk, run, judgement);
  if (verdict.ruling === "hold") {
    if (held === null || held.mode === "retry") return refuse(talk, run, judgement);
    const answer = await answered(talk, judgement);
    // Also when nobody is there to hear it: what was sent behind it in its transaction must not last without it.
    return answer === "approved" ? judged(talk, run, copy, message) : refuse(talk, run, judgement);
  }
  await talk.durable(judgement.ticket);
  const copied = new Run(judgement, run.startedMs);
  const stopped = talk.gate.mayStart(talk.session, judgement);
  if (stopped !== null || talk.over || talk.replies.newest !== run) {
    unrun(talk, copied, "57014");
    return stopped === null ? undefined : refuse(talk, run, { ...judgement, verdict: stopped, held: null });
  }
  run.copies.push(copied);
  end(talk, run, message);
}

/** The target gives it up; its error leaves as ours. */
function refuse(talk: Conversation, run: Run, { command, verdict, held }: Judgement): void {
  const hint = held === null ? refusalHint(verdict) : heldHint(verdict, { ...held, mode: "retry" });
  run.refusal = refusedError(command.id, verdict, hint);
  end(talk, run, copyFail("refused by the gateway"));
}

function end({ replies, outlet }: Conversation, run: Run | undefined, message: Buffer): void {
  if (replies.skipping) return;
  if (run !== undefined) run.copying = false;
  if (!replies.empty) replies.push({ kind: "copy-end" });
  outlet.add(message);
}
