/** The `condition` of a counting correlation → Count: what is worked out over the counted events, and what must hold of it. */
import type { CorrelationFile, CountCondition } from "../../schemas/rule.ts";
import type { Count, CountBounds } from "./rule-set.ts";

type Type = CorrelationFile["correlation"]["type"];
type Complain = (path: readonly string[], message: string) => Error;

const kinds: Readonly<Partial<Record<Type, Count["what"]>>> = {
  event_count: "events",
  value_count: "values",
  value_sum: "sum",
  value_avg: "avg",
  value_percentile: "percentile",
};

export function isCounting(type: Type): boolean {
  return type in kinds;
}

/** @param fieldsOf names of a field in the events of each rule. @throws what `complain` makes */
export function buildCount(
  type: Type,
  condition: CountCondition | string | undefined,
  fieldsOf: (name: string) => readonly string[],
  complain: Complain,
): Count {
  if (condition === undefined) throw complain([], `${type} needs a condition such as { gte: 10 }`);
  if (typeof condition === "string")
    throw complain(["condition"], `${type} takes a number such as { gte: 10 }; and, or, not belong to temporal`);
  const { field, percentile } = condition;
  const fields = field === undefined ? [] : [field].flat();
  if (type === "event_count" && fields.length > 0) throw complain(["condition", "field"], "event_count has no field");
  if (type !== "event_count" && fields.length === 0) throw complain(["condition"], `${type} needs a field`);
  if (type !== "value_count" && fields.length > 1) throw complain(["condition", "field"], `${type} takes one field`);
  if (type !== "value_percentile" && percentile !== undefined)
    throw complain(["condition", "percentile"], "belongs to value_percentile");
  const bounds = boundsOf(condition);
  if (Object.keys(bounds).length === 0) throw complain(["condition"], "needs a number: gt, gte, lt, lte, eq or neq");
  const what = type === "value_percentile" && percentile === undefined ? "share" : (kinds[type] ?? "events");
  refuseNever(what, bounds, (message) => complain(["condition"], message));
  return { what, fields: fields.map(fieldsOf), percentile: percentile ?? null, bounds, holds: within(bounds) };
}

export function boundsOf({ gt, gte, lt, lte, eq, neq }: CountCondition): CountBounds {
  return Object.fromEntries(Object.entries({ gt, gte, lt, lte, eq, neq }).filter(([, bound]) => bound !== undefined));
}

/** All that are given must hold. */
export function within({ gt, gte, lt, lte, eq, neq }: CountBounds): (number: number) => boolean {
  return (number) =>
    (gt === undefined || number > gt) &&
    (gte === undefined || number >= gte) &&
    (lt === undefined || number < lt) &&
    (lte === undefined || number <= lte) &&
    (eq === undefined || number === eq) &&
    (neq === undefined || number !== neq);
}

/** Least and most that can come out; the event that completes a count is one of those counted. */
const ranges: Readonly<Record<Count["what"], readonly [number, number]>> = {
  events: [1, Number.POSITIVE_INFINITY],
  values: [0, Number.POSITIVE_INFINITY],
  sum: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  avg: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  percentile: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  share: [0, 100],
};

/** A count that nothing fulfils would make a rule that never fires, and nobody would see it. */
function refuseNever(what: Count["what"], bounds: CountBounds, complain: (message: string) => Error): void {
  const [least, most] = ranges[what];
  const isWhole = what === "events" || what === "values";
  const holds = within(bounds);
  const fulfils = (number: number) =>
    number >= least && number <= most && (!isWhole || Number.isInteger(number)) && holds(number);
  if (candidates(bounds, least, most).some(fulfils)) return;
  const said = Object.entries(bounds).map(([key, bound]) => `${key}: ${bound}`);
  const own =
    "the event that completes it counts itself: 1 is the least; what must not happen is absent, until or `not`";
  throw complain(`no number fulfils { ${said.join(", ")} }${what === "events" && holds(0) ? ` (${own})` : ""}`);
}

/** Of every range that bounds leave open, one number that is not at its end; of whole numbers, the first two. */
function candidates({ gt, gte, lt, lte, eq }: CountBounds, least: number, most: number): number[] {
  if (eq !== undefined) return [eq];
  const from = Math.max(least, gt ?? least, gte ?? least);
  const to = Math.min(most, lt ?? most, lte ?? most);
  const low = Number.isFinite(from) ? from : Number.isFinite(to) ? to - 3 : 0;
  const high = Number.isFinite(to) ? to : low + 3;
  const first = Math.ceil(low);
  return [low, high, low + (high - low) / 2, low + (high - low) / 3, first, first + 1, first + 2];
}
