/**
 * A reader's filter as a WHERE clause. Pure. Every value is a bound parameter; the only SQL text is what stands here,
 * so nothing a reader types can become SQL.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import { quietTypes } from "../../schemas/story.ts";
import type { SessionFilter, TimelineFilter } from "../../schemas/timeline.ts";

export interface Question {
  /** Conditions joined by AND; "1" when there are none. */
  readonly where: string;
  readonly parameters: Record<string, string | number | string[]>;
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

const oneAxis = (axis: string): string =>
  `position IN (SELECT position FROM axes WHERE axis = '${axis}' AND value = {${axis}:String})`;

/** Its own events, and every event of the commands that are its steps. */
const byChain = `(position IN (SELECT position FROM axes WHERE axis = 'chain' AND value = {chain:String})
  OR position IN (SELECT position FROM axes WHERE axis = 'command' AND value IN
    (SELECT command FROM chain_commands WHERE chain = {chain:String})))`;

const wordsMax = 20;

export function timelineQuestion(filter: TimelineFilter): Question {
  const conditions: string[] = [];
  const parameters: Question["parameters"] = {};
  for (const axis of axisNames) {
    const value = filter[axis];
    if (value === undefined) continue;
    conditions.push(oneAxis(axis));
    parameters[axis] = value;
  }
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
  return { where: conditions.join(" AND ") || "1", parameters };
}

export function sessionQuestion(filter: SessionFilter): Question {
  const conditions = ["type = 'session.opened'"];
  const parameters: Question["parameters"] = {};
  for (const axis of ["session", "grant", "task", "identity", "account", "target"] as const) {
    const value = filter[axis];
    if (value === undefined) continue;
    conditions.push(oneAxis(axis));
    parameters[axis] = value;
  }
  addTime(filter, conditions, parameters);
  addBefore(filter.before, "newest", conditions, parameters);
  return { where: conditions.join(" AND "), parameters };
}

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
  conditions.push(order === "oldest" ? "position > {before:String}" : "position < {before:String}");
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
