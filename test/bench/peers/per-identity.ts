/**
 * Rules that group by identity, as a gateway or a SIEM's sequence rule per user: for each rule and identity the latest
 * time at which each step could have begun. Exact for one identity, O(1) an event; blind to everybody else.
 */
import { type Line, type Notice, type Peer, Reader } from "./events.ts";

export function perIdentity(rulesText: string, catalogText: string): Peer {
  return {
    name: "per_identity",
    async run(lines) {
      const reader = new Reader(rulesText, catalogText);
      const starts = new Map<string, number[]>();
      return lines.flatMap((line) => take(reader, starts, line));
    },
  };
}

function take(reader: Reader, starts: Map<string, number[]>, line: Line): Notice[] {
  const { step, atMs, hits } = reader.read(line);
  const noticed: Notice[] = [];
  if (hits.length === 0) return noticed;
  for (const { name, steps, timespanMs } of reader.sequences) {
    if (!steps.some(({ index }) => hits.includes(index))) continue;
    const key = `${name} ${step.subject.identity}`;
    const start = starts.get(key) ?? steps.map(() => Number.NEGATIVE_INFINITY);
    starts.set(key, start);
    for (let place = steps.length - 1; place >= 0; place -= 1) {
      if (!hits.includes(steps[place]?.index ?? -1)) continue;
      const begun = place === 0 ? atMs : (start[place - 1] ?? Number.NEGATIVE_INFINITY);
      if (atMs - begun > timespanMs) continue;
      start[place] = Math.max(start[place] ?? Number.NEGATIVE_INFINITY, begun);
      if (place === steps.length - 1) noticed.push({ rule: name, event: step.id, atMs });
    }
  }
  return noticed;
}
