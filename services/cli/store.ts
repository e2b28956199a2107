/** `throughline store rebuild`: timelines made again from the log, with its progress. The work is given by main. */
import { type Context, done } from "./context.ts";
import type { RebuildProgress } from "./parts.ts";

const tellMsMin = 1_000;

export async function rebuildStore(context: Context, file: string): Promise<void> {
  const { terminal, offline, now } = context.parts;
  const from = now();
  let told = 0;
  const progress = ({ records, at, of }: RebuildProgress) => {
    if (now() - told < tellMsMin && at !== of) return;
    told = now();
    const share = Math.floor((Number(at) / Math.max(1, Number(of))) * 100);
    terminal.err(`${share} %  ${records} records, ${rateOf(records, now() - from)}`);
  };
  const records = await offline.rebuildStore({ file, progress, complain: terminal.err });
  const ms = now() - from;
  const sentence = `The store holds what the log does: ${records} records written, ${rateOf(records, ms)}.`;
  done(context, { file, records, ms }, sentence);
}

function rateOf(records: number, ms: number): string {
  return `${Math.round((records / Math.max(1, ms)) * 1_000)} a second`;
}
