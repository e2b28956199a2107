/**
 * The fields of a plain event that conditions name: everything on the line that is not the command's own shape, by name.
 * Objects inside become dotted names (`dns.question.name`), lists of objects lists of their members' values.
 */
import type { FieldValue, Scalar } from "../../infra/rules/field.ts";
import { operations } from "../../schemas/command.ts";
import { limits } from "../../schemas/limits.ts";

export type Line = Readonly<Record<string, unknown>>;

/** Not known until a command has finished, but a plain event is over: what it does not say it does not have. */
const lateFields = ["rows", "outcome", "bytes", "durationUs", "shown", "tag", "code"] as const;

export function isScalar(value: unknown): value is Scalar {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/**
 * @returns whether the line is a command; an event of another product has no operation, or one of its own that names no
 * resources in our way, and all its fields are plain
 */
export function isCommand(line: Line): boolean {
  if (Array.isArray(line.effects)) return true;
  if (line.operation === undefined || line.operation === null) return false;
  return [line.operation].flat().some(isOurs) || ["reads", "writes", "ends"].some((name) => line[name] !== undefined);
}

function isOurs(operation: unknown): boolean {
  return operations.some((known) => known === operation);
}

interface Found {
  readonly values: Scalar[];
  isList: boolean;
}

/** @param isRead whether a name is read otherwise @throws Error when there are too many or they lie too deep */
export function furtherFields(line: Line, isRead: (name: string) => boolean): Record<string, FieldValue> {
  const found = new Map<string, Found>();
  for (const [name, value] of Object.entries(line)) if (!isRead(name)) collect(found, name, value, 0, false);
  const more: Record<string, FieldValue> = Object.create(null);
  for (const field of lateFields) more[field] = null;
  for (const [name, { values, isList }] of found) more[name] = isList ? values : (values[0] ?? null);
  return more;
}

function collect(found: Map<string, Found>, name: string, value: unknown, depth: number, isList: boolean): void {
  if (depth > limits.plainDepthMax) throw new Error(`fields lie deeper than ${limits.plainDepthMax} levels`);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value)) collect(found, `${name}.${key}`, inner, depth + 1, isList);
    return;
  }
  const field = found.get(name) ?? { values: [], isList };
  found.set(name, field);
  if (found.size > limits.plainFieldsMax) throw new Error(`more than ${limits.plainFieldsMax} fields`);
  if (isScalar(value)) field.values.push(value);
  if (!Array.isArray(value)) return;
  field.isList = true;
  for (const member of value) if (member !== null) collect(found, name, member, depth + 1, true);
}
