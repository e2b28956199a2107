/** What somebody says who holds a source's key and keeps to no rule, and the same topics as he may write them. */

import { foldedData } from "../../infra/log/fold.ts";
import { Lane } from "../../infra/log/lane.ts";
import type { Draft } from "../../infra/log/log.ts";
import { makePack } from "../../infra/log/pack.ts";
import { restOf } from "../../infra/log/source-appender.ts";
import { StepEncoder } from "../../infra/log/step.ts";
import type { Stream } from "../../schemas/event.ts";
import type { SharedWorld } from "../log/shared-world.ts";

export interface Forged {
  readonly source: string;
  readonly stream: Stream;
  /** Of the first record. */
  readonly first: number;
  readonly drafts: readonly Draft[];
  /** Changes the bytes of each record before they are signed. */
  readonly spoil?: (part: Buffer) => Buffer;
}

/** One pack, one batch per draft, signed with the source's own key. */
export function forged({ sources }: SharedWorld, { source, stream, first, drafts, spoil }: Forged): Buffer {
  const { tenant } = sources;
  const state = { source, stream, sequence: first - 1, head: Buffer.alloc(32) };
  const lane = new Lane(tenant, source, stream, state);
  const encoder = new StepEncoder();
  const batches = drafts.map(({ type, subject, data, id }) => {
    const said = { type, subject, folded: foldedData(type, data), id, rest: restOf(type, subject, data) };
    const start = lane.say(said, encoder, Date.now());
    const part = Buffer.from(lane.pending.taken().subarray(start));
    return [spoil ? spoil(part) : part];
  });
  return makePack(sources.privateKey(source), { tenant, source, stream, first }, batches);
}
