/** Bugs that can be planted, to see that they are found. Each undoes one thing that a promise rests on. */
export const bugs = [
  "forwards-unrecorded",
  "shows-unrecorded",
  "answers-stale",
  "shipper-skips",
  "ships-before-sync",
  "reader-repeats",
  "uses-at-once",
  "ignores-staleness",
  "tags-unawaited",
  "old-rules",
] as const;

export type Bug = (typeof bugs)[number];
export type Bugs = ReadonlySet<Bug>;
