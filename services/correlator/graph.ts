/**
 * An object graph as lines of text, one per object, and back: what is shared or goes round in circles stays so. For snapshots,
 * which this very release reads again. Only plain objects, lists, maps, sets and steps; anything else is a bug and throws.
 *
 *     ["o","id","e7","at",14,"effects",[3],"finishedAt",["+"]]
 */
import { unknown } from "../../infra/rules/field.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { CompactStep } from "./compact.ts";
import type { StepParts } from "./step.ts";

type Cell = string | number | boolean | null | [number] | [string];

/** @param without members that are worked out again */
export function* toLines(root: object, without: ReadonlySet<string>): Generator<string> {
  const places = new Map<object, number>([[root, 0]]);
  const cell = (value: unknown): Cell => {
    if (value === null || typeof value === "string" || typeof value === "boolean") return value;
    if (typeof value === "number") return Number.isFinite(value) ? value : [String(value)];
    if (value === undefined) return ["undefined"];
    if (value === unknown) return ["unknown"];
    if (typeof value !== "object")
      throw new ThroughlineError("internal.bug", `${typeof value} has no place in a snapshot`);
    let place = places.get(value);
    if (place === undefined) {
      place = places.size;
      places.set(value, place);
    }
    return [place];
  };
  // A map's keys come in the order in which they were put: what is found on the way is written later.
  for (const object of places.keys()) yield JSON.stringify(lineOf(object, cell, without));
}

function lineOf(object: object, cell: (value: unknown) => Cell, without: ReadonlySet<string>): Cell[] {
  if (Array.isArray(object)) return ["a", ...object.map(cell)];
  if (object instanceof Map) return ["m", ...[...object].flat().map(cell)];
  if (object instanceof Set) return ["s", ...[...object].map(cell)];
  if (object instanceof CompactStep) return ["t", ...membersOf(object.parts(), cell, without)];
  const prototype = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null)
    throw new ThroughlineError("internal.bug", `${prototype?.constructor?.name} has no place in a snapshot`);
  return ["o", ...membersOf(object, cell, without)];
}

function membersOf(object: object, cell: (value: unknown) => Cell, without: ReadonlySet<string>): Cell[] {
  return Object.entries(object).flatMap(([key, value]) => [key, without.has(key) ? null : cell(value)]);
}

/** @throws ThroughlineError `log.damaged` for what `toLines` did not write */
export function fromLines(lines: Iterable<string>): unknown {
  const read = [...lines].map((line) => JSON.parse(line) as Cell[]);
  const objects = read.map(([kind]) => made(kind));
  const value = (cell: Cell | undefined): unknown => {
    if (!Array.isArray(cell)) return cell;
    const [of] = cell;
    if (typeof of === "string") return of === "undefined" ? undefined : of === "unknown" ? unknown : Number(of);
    if (objects[of] === undefined) throw new ThroughlineError("log.damaged", "a snapshot points nowhere");
    return objects[of];
  };
  for (const [index, object] of objects.entries()) {
    const cells = read[index] ?? [];
    if (!(object instanceof CompactStep)) fill(object, cells, value);
    else {
      const parts = {};
      fill(parts, cells, value);
      object.become(parts as StepParts);
    }
  }
  return objects[0];
}

function made(kind: Cell | undefined): object {
  if (kind === "a") return [];
  if (kind === "m") return new Map();
  if (kind === "s") return new Set();
  if (kind === "o") return {};
  if (kind === "t") return CompactStep.blank();
  throw new ThroughlineError("log.damaged", "a snapshot has a line of no known kind");
}

function fill(object: object, cells: readonly Cell[], value: (cell: Cell | undefined) => unknown): void {
  for (let index = 1; index < cells.length; index += 1) {
    if (Array.isArray(object)) object.push(value(cells[index]));
    else if (object instanceof Set) object.add(value(cells[index]));
    else {
      const [key, next] = [value(cells[index]), value(cells[index + 1])];
      index += 1;
      if (object instanceof Map) object.set(key, next);
      else
        Object.defineProperty(object, String(key), {
          value: next,
          writable: true,
          enumerable: true,
          configurable: true,
        });
    }
  }
}
