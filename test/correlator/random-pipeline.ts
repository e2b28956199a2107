/** Random declared pipelines over the places and people of random streams, and commands such as they declare. */
import type { Effect, ResourceUri } from "../../schemas/command.ts";
import type { PipelineStepText, PipelineText } from "../../schemas/pipeline.ts";
import type { Dice } from "./dice.ts";

const places = ["t/s.a", "t/s.a#x", "t/s.b", "t/s.c", "t/s.d"] as const;
export const fingerprints = ["aa", "bb", "cc"] as const;
export const addresses = ["10.2.0.1", "10.2.9.9", "10.3.0.1"] as const;

function step(dice: Dice, number: number, operations: readonly Effect["operation"][]): PipelineStepText {
  const operation = operations[dice(4) === 0 ? dice(operations.length) : number % operations.length] ?? "read";
  const place = () => places[dice(3) > 0 ? 0 : dice(places.length)] ?? places[0];
  const isWriting = operation === "delete" || operation === "write";
  return {
    identity: dice(4) > 0 ? ["i0", "i1", "i2"] : `i${dice(3)}`,
    account: `acc${dice(6) === 0 ? 2 : dice(2)}`,
    operation: dice(4) === 0 ? [operation, "read"] : operation,
    // No two neighbours of one account may have the same.
    fingerprint: fingerprints[number % 3] ?? "aa",
    ...(isWriting ? {} : { reads: [place()] }),
    ...(operation === "read" ? {} : { writes: [place()] }),
    rows: { max: 10 },
    ...(dice(3) === 0 ? { times: { max: 2 } } : {}),
    ...(dice(8) === 0 ? { role: "acc0" } : {}),
    ...(dice(6) === 0 ? { destroys: true } : {}),
  };
}

/** @param operations of a rule's steps: what it leaves out should look like its chains */
export function randomPipeline(dice: Dice, name: string, operations: readonly Effect["operation"][]): PipelineText {
  return {
    name,
    owner: "olga",
    steps: Array.from({ length: 1 + dice(4) }, (_, number) => step(dice, number, operations)),
    window: { cron: dice(4) === 0 ? "*/2 * * * *" : "* * * * *", for: ["20s", "1m", "1m", "2m"][dice(4)] ?? "1m" },
    longest: ["4s", "20s", "1m"][dice(3)] ?? "1m",
    addresses: dice(4) === 0 ? ["10.2.0.1/32"] : ["10.2.0.0/16"],
    ...(dice(3) > 0 ? { runs: { max: 1 + dice(20) } } : {}),
  };
}

/** What a command does that is this step of a run, for the most part. */
export function effectOf(dice: Dice, { operation, reads = [], writes = [], destroys }: PipelineStepText): Effect[] {
  const word = [operation].flat()[0] ?? "read";
  const inside = (place: string) => (dice(3) === 0 && !place.includes("#") ? `${place}#y` : place) as ResourceUri;
  return [
    {
      operation: word,
      reads: reads.map(inside),
      writes: writes.map(inside),
      ends: [],
      destroys: destroys ?? word === "delete",
    },
  ];
}
