/**
 * A reader's filter as a WHERE clause. Pure. Every value is a bound parameter; the only SQL text is what stands here,
 * so nothing a reader types can become SQL.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import { quietTypes } from "../../schemas/story.ts";
import type { SessionFilter, TimelineFilter } from "../../schemas/timeline.ts";
import type { Parameters } from "./engine.ts";

/** Rows of `axes` whose positions are the candidates of an answer. */
export interface Driver {
  readonly where: string;
}

export interface Question {
  /** The axis to walk along, most selective of those that are asked for; null when none is. */
  readonly driver: Driver | null;
  /** All other conditions on `events`, joined by AND; empty when there are none. */
  readonly where: string;
  readonly parameters: Parameters;
}

/** Filters that are looked up by axis, most selective first. */
const axisNames = [
  "command",
  "approval",
  "key",
  "session",
  "grant",
  "task",
  "resource",
  "identity",
  "account",
  "target",
] as const;

const oneAxis = (axis: string): string => `axis = '${axis}' AND value = {${axis}:String}`;
const alongAxis = (axis: string): string => `position IN (SELECT position FROM axes WHERE ${oneAxis(axis)})`;

/** Its own events, and every event of the commands that are its steps. */
const byChain = `(position IN (SELECT position FROM axes WHERE axis = 'chain' AND value = {chain:String})
  OR position IN (SELECT position FROM axes WHERE axis = 'command' AND value IN
    (SELECT command FROM chain_commands WHERE chain = {chain:String})))`;

const wordsMax = 20;

export function timelineQuestion(filter: TimelineFilter): Question {
  const conditions: string[] = [];
  const parameters: Question["parameters"] = {};
  const asked = axisNames.filter((axis) => filter[axis] !== undefined);
  const driver = driverOf(asked, filter.before, filter.order);
  addAxes(filter, asked, conditions, parameters);
  if (filter.chain !== undefined) {
    conditions.push(byChain);
    parameters.chain = filter.chain;
  }
  for (const key of ["type", "ruling"] as const) {
    const value = filter[key];
    if (value === undefined) continue;
    conditions.push(`${key} = {${key}:String}`);
    parameters[key] = value;
  }
  if (filter.story && filter.type === undefined) {
    conditions.push("type NOT IN {quiet:Array(String)}");
    parameters.quiet = [...quietTypes];
  }
  addTime(filter, conditions, parameters);
  addWords(filter.text, conditions, parameters);
  addBefore(filter.before, filter.order, conditions, parameters);
  return { driver, where: conditions.join(" AND "), parameters };
}

export function sessionQuestion(filter: SessionFilter): Question {
  const conditions = ["type = 'session.opened'"];
  const parameters: Question["parameters"] = {};
  const asked = sessionAxes.filter((axis) => filter[axis] !== undefined);
  const driver = driverOf(asked, filter.before, "newest");
  addAxes(filter, asked, conditions, parameters);
  addTime(filter, conditions, parameters);
  addBefore(filter.before, "newest", conditions, parameters);
  return { driver, where: conditions.join(" AND "), parameters };
}

type AxisName = (typeof axisNames)[number];
const sessionAxes = ["session", "grant", "task", "identity", "account", "target"] as const;

function driverOf(asked: readonly AxisName[], before: string | undefined, order: TimelineFilter["order"]) {
  const [axis] = asked;
  if (axis === undefined) return null;
  return { where: [oneAxis(axis), ...(before === undefined ? [] : [beyond(order)])].join(" AND ") };
}

/** The first one leads; the others must hold too. */
function addAxes(
  filter: Partial<Record<AxisName, string>>,
  asked: readonly AxisName[],
  conditions: string[],
  parameters: Question["parameters"],
): void {
  for (const [index, axis] of asked.entries()) {
    if (index > 0) conditions.push(alongAxis(axis));
    parameters[axis] = filter[axis] ?? "";
  }
}

const beyond = (order: TimelineFilter["order"]): string =>
  order === "oldest" ? "position > {before:String}" : "position < {before:String}";

function addTime(
  filter: { readonly sinceMs?: number; readonly untilMs?: number },
  conditions: string[],
  parameters: Question["parameters"],
): void {
  if (filter.sinceMs !== undefined) {
    conditions.push("at >= fromUnixTimestamp64Milli({sinceMs:Int64}, 'UTC')");
    parameters.sinceMs = filter.sinceMs;
  }
  if (filter.untilMs !== undefined) {
    conditions.push("at < fromUnixTimestamp64Milli({untilMs:Int64}, 'UTC')");
    parameters.untilMs = filter.untilMs;
  }
}

function addBefore(
  before: string | undefined,
  order: TimelineFilter["order"],
  conditions: string[],
  parameters: Question["parameters"],
): void {
  if (before === undefined) return;
  conditions.push(beyond(order));
  parameters.before = before;
}

/**
 * Every word must occur, in the text or in a bound value; one LIKE per word, because that is what the index serves.
 * @throws ThroughlineError `request.invalid` over the limit: a word that is silently left out would find too much
 */
function addWords(text: string | undefined, conditions: string[], parameters: Question["parameters"]): void {
  const list = (text ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  if (list.length > wordsMax)
    throw new ThroughlineError("request.invalid", `A search takes at most ${wordsMax} words; this has ${list.length}`);
  for (const [index, item] of list.entries()) {
    const name = `word${index}`;
    conditions.push(
      `position IN (SELECT position FROM texts WHERE lowerUTF8(text) LIKE {${name}:String}` +
        ` OR lowerUTF8(ifNull(parameters, '')) LIKE {${name}:String})`,
    );
    parameters[name] = `%${item.replace(/[\\%_]/g, "\\$&")}%`;
  }
}
