/**
 * Tables that a session has made and nobody else can see yet: temporary ones, and those of its open transaction. They
 * can be read as long as all that was done to them was read and none of it could put code on them. Which columns they
 * have is not followed: a CREATE may fail, and then it is an older one that has the name.
 */
import type { Effect, ResourceUri } from "../../../schemas/command.ts";

/** Definitions after which a table is still what it was. */
const harmless = new Set([
  "CREATE TABLE",
  "CREATE TABLE AS",
  "SELECT INTO",
  "DROP TABLE",
  "CREATE INDEX",
  "ANALYZE",
  "VACUUM",
  "COMMENT",
]);

/**
 * @param made before @param pending all that the session had defined before
 * @param defined the effects of one statement or text, its tags and what it makes
 */
export function madeAfter(
  made: readonly ResourceUri[],
  pending: readonly ResourceUri[],
  defined: {
    readonly effects: readonly Pick<Effect, "operation" | "writes" | "renames">[];
    readonly statements: readonly string[];
    readonly makes: Iterable<ResourceUri>;
  },
): readonly ResourceUri[] {
  const defines = defined.effects.filter(({ operation }) => operation === "define");
  const changed = defined.statements.every((tag) => harmless.has(tag) || !/^(CREATE|ALTER|DROP)/.test(tag))
    ? []
    : defines.flatMap(({ writes, renames = [] }) => [...writes, ...renames.flat()]).map(tableOf);
  const makes = [...defined.makes].filter((uri) => !pending.some((one) => tableOf(one) === uri));
  return [...new Set([...made, ...makes])].filter((uri) => !changed.includes(uri));
}

function tableOf(uri: ResourceUri): ResourceUri {
  return (uri.split("#")[0] ?? uri) as ResourceUri;
}
