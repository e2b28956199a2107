/** A query string is all text; numbers and booleans become what their schema says. What cannot is left for the schema to refuse. */
import type { TSchema } from "../../schemas/shape.ts";

interface Shape {
  readonly properties?: Readonly<Record<string, { readonly type?: string }>>;
}

export function fromQuery(schema: TSchema, query: unknown): Record<string, unknown> {
  const shapes = (schema as Shape).properties ?? {};
  const entries = Object.entries(typeof query === "object" && query !== null ? query : {});
  return Object.fromEntries(entries.map(([key, value]) => [key, converted(shapes[key]?.type, value)]));
}

function converted(type: string | undefined, value: unknown): unknown {
  if (typeof value !== "string") return value;
  if ((type === "integer" || type === "number") && /^-?\d+(\.\d+)?$/.test(value)) return Number(value);
  if (type === "boolean" && (value === "true" || value === "false")) return value === "true";
  return value;
}
