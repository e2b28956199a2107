/**
 * The catalog: tags on resources and summaries of functions, from `catalog.yaml`. Gateway and correlator read it by the same code, so that both
 * mean the same by "tagged".
 *
 *     - { resource: "orders/public.customers#email", tags: [pii.email] }
 *     - { resource: "orders/public.payments*#number", tags: [card] }
 *
 * A catalog that also describes functions (schemas/function-summary.ts) is a map of two such lists, `resources:` and
 * `functions:`.
 *
 * `*` stands for any run of characters except `#`. A tag covers everything inside its resource, and a container has
 * the tags of what it holds: a table stands for its columns. What columns exist is not known here, so a pattern that
 * could name a column of a table tags that table: too much rather than too little.
 */
import { createHash } from "node:crypto";
import { ThroughlineError } from "../schemas/errors.ts";
import { type FunctionSummary, functionSummarySchema } from "../schemas/function-summary.ts";
import { limits } from "../schemas/limits.ts";
import { closed, type Finding, findings, type Static, Type } from "../schemas/shape.ts";
import { parseYaml } from "./yaml.ts";

const entriesSchema = Type.Array(
  closed({
    resource: Type.String({ minLength: 1, maxLength: 1000, pattern: "^[^\\s]+$" }),
    tags: Type.Array(Type.String({ pattern: "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$" }), { minItems: 1 }),
  }),
);
const wholeSchema = closed({
  resources: Type.Optional(entriesSchema),
  functions: Type.Optional(Type.Array(functionSummarySchema, { maxItems: limits.summariesMax })),
});
type Entries = Static<typeof entriesSchema>;

export interface Catalog {
  /** Digest (hex) of the entries, not of the file's spelling. What functions do is no part of it: it tags nothing. */
  readonly version: string;
  readonly entries: readonly { readonly resource: string; readonly tags: readonly string[] }[];
  /** What functions do, as people state it. */
  readonly functions: readonly FunctionSummary[];
  /** Tags of the resource by this catalog, with their ancestors (`pii` for `pii.email`), sorted. */
  tagsOf(resource: string): readonly string[];
}

/** @throws ThroughlineError `catalog.invalid`, one line per finding with `file:line` */
export function parseCatalog(text: string, file: string): Catalog {
  const parsed = parseYaml(text, file, "catalog.invalid");
  const value = parsed.value ?? [];
  const isList = Array.isArray(value);
  const wrong = (found: readonly Wrong[]): void => {
    if (found.length === 0) return;
    const lines = found.map(({ path, message }) => `${file}:${parsed.at(path).line}: ${path.join(".")}: ${message}`);
    throw new ThroughlineError("catalog.invalid", [...new Set(lines)].join("\n"));
  };
  wrong(findings(isList ? entriesSchema : wholeSchema, value).map(told));
  const { resources = [], functions = [] } = isList
    ? { resources: value as Entries }
    : (value as Static<typeof wholeSchema>);
  wrong(wrongSummaries(functions));
  return createCatalog(resources, functions);
}

interface Wrong {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

function told({ path, message, known }: Finding): Wrong {
  const [list, , key = ""] = path;
  const isDigest = list === "functions" && (key === "digest" || message.includes("digest"));
  const advice = isDigest ? "; write the digest that `throughline catalog functions` prints" : "";
  const keys = path.map((part) => (/^[0-9]+$/.test(part) ? Number(part) : part));
  return { path: keys, message: `${message}${known.length > 0 ? `; known here: ${known.join(", ")}` : ""}${advice}` };
}

/** A list that names what the list it belongs to does not have is a slip, and would say less than was meant. */
function wrongSummaries(functions: readonly FunctionSummary[]): Wrong[] {
  const seen = new Set<string>();
  return functions.flatMap((one, at) => {
    const found: Wrong[] = [];
    const expect = (key: string, named: readonly string[], list: "reads" | "writes"): void => {
      const lost = named.find((uri) => !one[list].includes(uri));
      if (lost !== undefined)
        found.push({ path: ["functions", at, key], message: `${lost} must stand in ${list} too` });
    };
    expect("returns", one.returns ?? [], "reads");
    expect("ends", one.ends ?? [], "writes");
    expect(
      "flows",
      (one.flows ?? []).map(([from]) => from),
      "reads",
    );
    expect(
      "flows",
      (one.flows ?? []).map(([, into]) => into),
      "writes",
    );
    if (one.destroys === false && (one.ends ?? []).length > 0)
      found.push({ path: ["functions", at, "destroys"], message: "must be true: it ends something" });
    const key = `${one.function} ${one.digest}`;
    if (seen.has(key)) found.push({ path: ["functions", at, "function"], message: "is described above" });
    seen.add(key);
    return found;
  });
}

export function createCatalog(entries: Catalog["entries"], functions: Catalog["functions"] = []): Catalog {
  const known = new Map<string, readonly string[]>();
  const canonical = entries.map((entry) => JSON.stringify([entry.resource, [...entry.tags].sort()])).sort();
  return {
    version: createHash("sha256").update(canonical.join("\n")).digest("hex"),
    entries,
    functions,
    tagsOf(resource) {
      let tags = known.get(resource);
      if (tags === undefined) {
        const own = entries.filter((entry) => covers(entry.resource, resource)).flatMap((entry) => entry.tags);
        tags = withAncestors(own);
        if (known.size >= tagsKeptMax) known.clear();
        known.set(resource, tags);
      }
      return tags;
    },
  };
}

/** Answers kept; names come from SQL, so a client could otherwise grow it without end. */
const tagsKeptMax = 50_000;

/** @returns the tags and what they are kinds of, sorted, each once: `pii.email` → `pii`, `pii.email` */
export function withAncestors(tags: readonly string[]): readonly string[] {
  const all = new Set<string>();
  for (const tag of tags) {
    for (let dot = tag.indexOf("."); dot !== -1; dot = tag.indexOf(".", dot + 1)) all.add(tag.slice(0, dot));
    all.add(tag);
  }
  return [...all].sort();
}

/** @returns the URIs that contain this one, nearest first: table, schema, target. */
export function containersOf(resource: string): readonly string[] {
  const containers: string[] = [];
  const column = resource.indexOf("#");
  const name = column === -1 ? resource : resource.slice(0, column);
  if (column !== -1) containers.push(name);
  const slash = name.indexOf("/");
  if (slash === -1) return containers;
  const dot = name.indexOf(".", slash);
  if (dot !== -1) containers.push(name.slice(0, dot));
  containers.push(name.slice(0, slash));
  return containers;
}

/** @returns whether the two are equal or one contains the other (DETECTION §6). */
export function overlaps(one: string, other: string): boolean {
  if (one.length === other.length) return one === other;
  return one.length < other.length ? contains(one, other) : contains(other, one);
}

/** @returns whether `inner` is `outer` or inside it. */
export function contains(outer: string, inner: string): boolean {
  if (!inner.startsWith(outer)) return false;
  if (inner.length === outer.length) return true;
  return separatorOf(outer) === inner[outer.length];
}

/** What stands between a container and what it holds: `target/`, `target/schema.`, `target/schema.table#`. */
function separatorOf(container: string): string | null {
  if (container.includes("#")) return null;
  const slash = container.indexOf("/");
  if (slash === -1) return "/";
  return container.includes(".", slash) ? "#" : ".";
}

/** Whether a pattern's tag reaches a resource: it names it, a container of it, or something it may hold. */
function covers(pattern: string, resource: string): boolean {
  if (states(pattern, resource).has(pattern.length)) return true;
  if (containersOf(resource).some((container) => states(pattern, container).has(pattern.length))) return true;
  const separator = separatorOf(resource);
  return separator !== null && states(pattern, resource + separator).size > 0;
}

/** Places in the pattern that are possible after reading the text: linear in the text for each `*`. */
function states(pattern: string, text: string): ReadonlySet<number> {
  let now = skipStars(pattern, [0]);
  for (let index = 0; index < text.length; index += 1) {
    const letter = text[index];
    const next: number[] = [];
    for (const at of now) {
      if (pattern[at] === "*" && letter !== "#") next.push(at);
      else if (pattern[at] === letter) next.push(at + 1);
    }
    if (next.length === 0) return new Set();
    now = skipStars(pattern, next);
  }
  return now;
}

function skipStars(pattern: string, places: readonly number[]): ReadonlySet<number> {
  const all = new Set<number>();
  for (let at of places) {
    all.add(at);
    while (pattern[at] === "*") {
      at += 1;
      all.add(at);
    }
  }
  return all;
}
