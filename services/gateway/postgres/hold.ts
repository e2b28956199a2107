/**
 * A held command, seen from the wire: the client is told at once, then nothing more is read from it until people have
 * answered, it cancels, it goes away or the session ends. The target hears nothing of it meanwhile.
 */
import type { Judgement } from "../gate.ts";
import type { Conversation } from "./conversation.ts";
import { heldNotice } from "./refusal.ts";

export type Answer = "approved" | "refused" | "expired" | "cancelled" | "gone";

/** Waits for the answer. `cancelled`: by CancelRequest. `gone`: nobody is there to be answered. */
export async function answered(talk: Conversation, judgement: Judgement): Promise<Answer> {
  const { command, verdict, held } = judgement;
  if (held === null) return "refused";
  if (talk.gone) {
    // It left while this was judged, or was sent behind a held one: people would be asked for nobody, and it would run.
    held.giveUp();
    return "gone";
  }
  talk.outbox.add(heldNotice(command.id, verdict, held));
  talk.outlet.urge(); // what ran before in this pipeline is shown while it waits
  talk.outbox.release();
  const { wire } = talk;
  const given = new Promise<Answer>((resolve) => {
    const giveUp = (why: Answer): void => {
      held.giveUp();
      resolve(why);
    };
    wire.onCancel = () => {
      giveUp("cancelled");
      return true;
    };
    talk.interrupt = () => giveUp("gone");
  });
  try {
    return await Promise.race([held.settled, given]);
  } finally {
    wire.onCancel = null;
    talk.interrupt = null;
  }
}
