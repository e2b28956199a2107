/**
 * The only file that knows TypeBox: one schema gives the type, the validation and the OpenAPI text.
 * Refuses unknown keys everywhere, because a mistyped key in a security product is a hole that nobody sees.
 */
import { type Static, type TObject, type TProperties, type TSchema, Type } from "typebox";
import { Compile } from "typebox/compile";
import { Errors } from "typebox/value";

export { type Static, type TSchema, Type };

/** An object that refuses keys it does not name. */
export function closed<P extends TProperties>(properties: P, description?: string): TObject<P> {
  return Type.Object(properties, { additionalProperties: false, ...(description ? { description } : {}) });
}

/** An object that may have more than it names. */
export function open<P extends TProperties>(properties: P): TObject<P> {
  return Type.Object(properties);
}

/** Made once, asked often: whether a value has the schema's shape; `findings` says why not. */
export function checker(schema: TSchema): (value: unknown) => boolean {
  const compiled = Compile(schema);
  return (value) => compiled.Check(value);
}

export interface Finding {
  /** Path as keys, outermost first; the last key is the wrong one. */
  readonly path: readonly string[];
  readonly message: string;
  /** For an unknown key: the keys that would be known here. */
  readonly known: readonly string[];
}

/** @returns what is wrong with `value`, empty when it has the schema's shape. */
export function findings(schema: TSchema, value: unknown): Finding[] {
  const found: Finding[] = [];
  const choices = new Map<string, Set<string>>();
  for (const error of Errors(schema, value)) {
    const path = error.instancePath.split("/").slice(1).map(unescapePointer);
    if (error.keyword === "boolean" || error.keyword === "anyOf") continue; // said better by the keyword beside it
    if (error.keyword === "additionalProperties") {
      const known = knownKeys(schema, path);
      for (const key of error.params.additionalProperties)
        found.push({ path: [...path, key], message: "unknown key", known });
    } else if (error.keyword === "const") {
      const pointer = error.instancePath;
      if (!choices.has(pointer)) choices.set(pointer, new Set());
      choices.get(pointer)?.add(String(error.params.allowedValue));
    } else found.push({ path, message: error.message, known: [] });
  }
  for (const [pointer, allowed] of choices) {
    const path = pointer.split("/").slice(1).map(unescapePointer);
    found.push({ path, message: `must be ${[...allowed].join(" or ")}`, known: [] });
  }
  return found;
}

function unescapePointer(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}

interface Node {
  readonly properties?: Record<string, Node>;
  readonly patternProperties?: Record<string, Node>;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
}

function knownKeys(schema: TSchema, path: readonly string[]): string[] {
  let node: Node | undefined = schema as Node;
  for (const key of path) {
    node = node?.properties?.[key] ?? node?.items ?? Object.values(node?.patternProperties ?? {})[0];
  }
  return Object.keys(node?.properties ?? {});
}
