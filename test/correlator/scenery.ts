/** What random streams are played over: what is tagged, and limits under which short histories are put in short. */
import { limits } from "../../schemas/limits.ts";

export const catalogs = [
  [{ resource: "t/s.a#x", tags: ["pii"] }],
  [
    { resource: "t/s.a", tags: ["pii"] },
    { resource: "t/s.c", tags: ["card"] },
  ],
];

/** So tight that what is short in these streams is put in short all the time. */
export const tight = { ...limits, sweepRecordsEvery: 3, flowsSettledEvery: 1, stepsWarmMax: 1 };
