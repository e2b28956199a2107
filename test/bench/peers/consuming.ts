/**
 * Sequences as EQL and most engines for complex events keep them: per key one pending match per step, which the next step
 * takes away (`sequence by KEY with maxspan`). Each rule runs once per key that makes sense: identity, task, table.
 */
import { type Line, type Notice, type Peer, Reader } from "./events.ts";

export function consuming(rulesText: string, catalogText: string): Peer {
  return {
    name: "consuming",
    async run(lines) {
      const reader = new Reader(rulesText, catalogText);
      const pending = new Map<string, (number | undefined)[]>();
      return lines.flatMap((line) => take(reader, pending, line));
    },
  };
}

function take(reader: Reader, pending: Map<string, (number | undefined)[]>, line: Line): Notice[] {
  const { step, atMs, hits, keys } = reader.read(line);
  const noticed: Notice[] = [];
  if (hits.length === 0) return noticed;
  for (const { name, steps, timespanMs } of reader.sequences) {
    if (!steps.some(({ index }) => hits.includes(index))) continue;
    const isComplete = keys
      .map((key) => {
        const waiting = pending.get(`${name} ${key}`) ?? [];
        pending.set(`${name} ${key}`, waiting);
        return advance(waiting, atMs, timespanMs, (place) => hits.includes(steps[place]?.index ?? -1), steps.length);
      })
      .some((done) => done);
    if (isComplete) noticed.push({ rule: name, event: step.id, atMs });
  }
  return noticed;
}

/** Later steps first, so that one event takes one place. @returns whether the last one was reached */
function advance(
  waiting: (number | undefined)[],
  atMs: number,
  timespanMs: number,
  matches: (place: number) => boolean,
  steps: number,
): boolean {
  let isDone = false;
  for (let place = steps - 1; place > 0; place -= 1) {
    const begun = waiting[place - 1];
    if (begun === undefined || !matches(place)) continue;
    waiting[place - 1] = undefined;
    if (atMs - begun > timespanMs) continue;
    if (place === steps - 1) isDone = true;
    else waiting[place] = begun;
  }
  if (matches(0)) waiting[0] = atMs;
  return isDone;
}
