/**
 * An answer as it enters the log: small enough for one event, and for the approval that repeats it. The ruling counts
 * everything that was found; what is told of it is bounded. Who may not approve is never cut: where they are too many to
 * name, nobody can be trusted to be outside, and the command is blocked.
 */
import type { ChainEvidence } from "../../schemas/chain.ts";
import type { EventData } from "../../schemas/event-data.ts";
import type { Answer, Completion } from "./answer.ts";

const chainsToldMax = 8;
/** An event has 60 KiB, and the approval that repeats this carries the text besides. */
const chainsBytesMax = 18 * 1024;
const excludedBytesMax = 10 * 1024;

type Told = Omit<EventData["command.answered"], "intent">;

export function tellAnswer({ enforced, observed }: Answer, excluded: readonly string[]): Told {
  const crowded = JSON.stringify(excluded).length > excludedBytesMax;
  const blocked = crowded || enforced.some(({ chain }) => chain.action === "block");
  const told = fitting(enforced, chainsBytesMax);
  const sentences = told.map(({ sentence }) => sentence);
  return {
    ruling: enforced.length === 0 ? "allow" : blocked ? "block" : "hold",
    enforced: told,
    observed: fitting(observed, chainsBytesMax / 2),
    excluded: crowded ? [] : [...excluded],
    sentence: [...sentences, ...(crowded ? [nobodyLeft] : [])].join(" "),
  };
}

const nobodyLeft =
  "More people are part of such chains than an approval can name, so nobody may approve it. Narrow the rule, or list steps that do not exclude under gate.may-approve.";

/** At least one, and as many more as there is room for. */
function fitting(completions: readonly Completion[], bytesMax: number): ChainEvidence[] {
  const told: ChainEvidence[] = [];
  let bytes = 0;
  for (const { chain } of completions.slice(0, chainsToldMax)) {
    bytes += JSON.stringify(chain).length;
    if (told.length > 0 && bytes > bytesMax) break;
    told.push(chain);
  }
  return told;
}
