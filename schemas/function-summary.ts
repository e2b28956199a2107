/**
 * What a function of a target reads and writes, as a person states it under `functions:` of catalog.yaml, for exactly one
 * body of it. Without a summary a function whose body nobody has read makes a command opaque (DETECTION §2.8).
 *
 *     functions:
 *       - function: orders/public.refresh_report(integer)
 *         digest: sha256:9f86d081…                 # as `throughline catalog functions` prints it
 *         reads: [orders/public.customers#region]
 *         writes: [orders/public.report]
 *         returns: []                              # of what it reads, what its result is made of; absent = all of it
 *         destroys: false                          # absent = it removes or overwrites what stands in `writes`
 *
 * Arguments are known from the call: they are read, and go wherever the function writes.
 */
import { limits } from "./limits.ts";
import { closed, type Static, Type } from "./shape.ts";

/** A thing by its name: patterns say too little about what a function does. */
const resource = Type.String({ minLength: 1, maxLength: 1000, pattern: "^[^\\s*]+$" });
const resources = Type.Array(resource, { maxItems: limits.summaryResourcesMax });

export const functionSummarySchema = closed({
  /** URI of the function with the types of its arguments: overloads are different functions. */
  function: Type.String({ maxLength: 2000, pattern: "^[^/\\s]+/[^.()\\s]+\\.[^.()\\s]+\\(.*\\)$" }),
  /** Of all that decides what it does; another body is another function. */
  digest: Type.String({ pattern: "^sha256:[0-9a-f]{64}$" }),
  reads: resources,
  writes: resources,
  /** Of what it writes: what it empties (TRUNCATE). */
  ends: Type.Optional(resources),
  /** Of what it reads: what its result is made of. Absent = all of it. */
  returns: Type.Optional(resources),
  /** From what it reads into what it writes. Absent = all pairs. */
  flows: Type.Optional(Type.Array(Type.Tuple([resource, resource]), { maxItems: limits.summaryResourcesMax })),
  /** Removes or overwrites content. Absent = it does, where it writes at all. */
  destroys: Type.Optional(Type.Boolean()),
});

export type FunctionSummary = Static<typeof functionSummarySchema>;
