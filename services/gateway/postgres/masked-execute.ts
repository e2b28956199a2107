/**
 * An Execute whose result has columns to mask. The rows come without a description, so it must be known before: from the
 * client's own Describe of the statement or portal, or from one that the gateway sends now and whose answer stays here.
 * A masked column that would leave in binary format, or a table the catalog does not know, is refused before it runs.
 */

import { Asked } from "./asked.ts";
import type { Conversation } from "./conversation.ts";
import { clientTypes } from "./frames.ts";
import { refuse, unrun } from "./judged.ts";
import { describe } from "./messages.ts";
import type { Portal } from "./prepared.ts";
import { plainError } from "./refusal.ts";
import { type Column, withFormats } from "./rows.ts";
import type { Run } from "./run.ts";

type Done = void | Promise<void>;

/** @param name of the portal @param forward hands the Execute on */
export function maskedExecute(
  talk: Conversation,
  name: string,
  portal: Portal | null,
  run: Run,
  forward: (run: Run) => void,
): Done {
  if (run.judgement.verdict.masks.length === 0) return forward(run);
  const columns = known(portal);
  if (columns !== null && plan(talk, run, columns) === null) return forward(run);
  return described(talk, name, portal, run, forward);
}

/** Once what the client asked itself has been answered, its description may be known; else the target is asked. */
async function described(
  talk: Conversation,
  name: string,
  portal: Portal | null,
  run: Run,
  forward: (run: Run) => void,
): Promise<void> {
  await talk.drained();
  if (talk.replies.skipping) return; // an error before it was the answer
  const columns = known(portal) ?? (await ask(talk, name, portal, run));
  if (columns === null) return; // its error was the answer
  let answer = plan(talk, run, columns);
  if (answer === unknownTable && !talk.names.defining) {
    await talk.refresh();
    const anew = await ask(talk, name, portal, run);
    if (anew === null) return;
    answer = plan(talk, run, anew);
  }
  if (answer === null) {
    forward(run);
    return;
  }
  unrun(talk, run, "42501");
  refuse(talk, clientTypes.Execute, maskError(run, answer));
}

const unknownTable = "a column comes from a table that is not in the catalog";

async function ask(
  talk: Conversation,
  name: string,
  portal: Portal | null,
  run: Run,
): Promise<readonly Column[] | null> {
  const described: { columns: readonly Column[] | null } = portal ?? { columns: null };
  described.columns = null;
  const asked = new Asked();
  talk.replies.push({ kind: "describe", asked, described, command: run.judgement.command });
  talk.outlet.extended(describe("P", Buffer.from(name, "latin1").toString("utf8")));
  talk.outlet.urge();
  await asked.done;
  return described.columns;
}

/** @returns the columns of its result, where they were described */
export function known(portal: Portal | null): readonly Column[] | null {
  if (portal === null) return null;
  if (portal.columns !== null) return portal.columns;
  const told = portal.statement?.columns ?? null;
  return told === null ? null : withFormats(told, portal.resultFormats);
}

/** Sets what of the run's rows is masked. @returns why it must not run, or null */
function plan(talk: Conversation, run: Run, columns: readonly Column[]): string | null {
  const { verdict, command } = run.judgement;
  const answer = talk.masking.plan(columns, verdict.masks, command.reading.outputs[0]);
  if (answer.unknown) return unknownTable;
  if (answer.binary) return "a column that must be masked is asked for in binary format";
  run.mask(answer.plan);
  return null;
}

function maskError(run: Run, reason: string): Buffer {
  const { command, verdict } = run.judgement;
  return plainError(
    "42501",
    `This result cannot be masked: ${reason}.`,
    `Decided by ${verdict.because.join(", ")}. Command ${command.id}.`,
    "Ask for the result in text format, or leave the protected columns out.",
  );
}
