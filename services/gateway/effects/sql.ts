/**
 * SQL → Reading, with the target's catalog. Pure and synchronous: the same text, catalog and names give the same
 * Reading. Whatever it cannot follow to the end is opaque: too long, too deep, refused by the grammar, a kind of
 * statement or expression it does not know, a name the catalog does not have, code whose body nobody has read.
 *
 * It cannot see values of parameters, what functions outside PostgreSQL do, or how far a target differs from the
 * grammar of PostgreSQL 18.
 */
import { createHash } from "node:crypto";
import type { Reading, ResourceUri } from "../../../schemas/command.ts";
import { type Limits, limits } from "../../../schemas/limits.ts";
import { type Bodies, createAnalysis } from "./analysis.ts";
import { isTooDeep } from "./bounds.ts";
import { type EffectDraft, ReadingDraft } from "./draft.ts";
import { finish } from "./finish.ts";
import { madeAfter } from "./made.ts";
import { type Names, resolveNames } from "./names.ts";
import type { NameContext } from "./reader.ts";
import { readStatement } from "./statements.ts";

type Bounds = Pick<Limits, "parsedTextBytesMax" | "parsedDepthMax" | "effectResourcesMax">;

/** Never throws. @param bodies from createBodies: the grammar and the catalog, with what was read of it so far */
export function readSql(text: string, bodies: Bodies, context: NameContext, bounds: Bounds = limits): Reading {
  const names = resolveNames(bodies.catalog, context);
  const refused = unfit(text, bounds);
  if (refused !== null) return opaqueReading(text, refused, bodies, names, bounds);
  const draft = new ReadingDraft();
  try {
    if (!bodies.catalog.roles.has(context.role)) draft.darken("a role that the catalog does not know");
    readAll(text, bodies, context, draft);
    return finish(draft, bodies.catalog, names, bodies.grammar.fingerprint(text || ";"), bounds);
  } catch (error) {
    // The grammar's refusal, its exhausted stack, or a tree of a shape nobody expected: all of them unknown.
    const reason = error instanceof Error && error.name === "SqlError" ? "the grammar refuses it" : "it cannot be read";
    return opaqueReading(text, reason, bodies, names, bounds);
  }
}

/** Why a text is not even given to the grammar. A NUL ends it for the grammar, U+FFFD stands for bytes that are lost. */
function unfit(text: string, bounds: Bounds): string | null {
  if (Buffer.byteLength(text) > bounds.parsedTextBytesMax) return "longer than is read";
  if (text.includes("\0") || text.includes("\ufffd") || !text.isWellFormed()) return "not valid text";
  return isTooDeep(text, bounds.parsedDepthMax) ? "nested deeper than is read" : null;
}

/** What each defines shadows names in all that follow: the work grows with the square of their number. */
const statementsMax = 1_000;

function readAll(text: string, bodies: Bodies, context: NameContext, draft: ReadingDraft): void {
  const statements = bodies.grammar.parse(text);
  if (statements.length > statementsMax) {
    draft.darken("more statements than are read at once");
    return;
  }
  const hidden = context.definesPending && context.pending === undefined;
  let made = context.made ?? [];
  for (const [index, { node, start, end }] of statements.entries()) {
    // What the string itself has defined so far shadows the catalog, as the session's own definitions do.
    const own = draft.effects
      .filter((effect) => effect.operation === "define")
      .flatMap(defined)
      .filter((uri) => !draft.clears.has(uri) || draft.makes.has(uri));
    const pending = [...(context.pending ?? []), ...own];
    const names: NameContext =
      own.length === 0 || hidden ? context : { ...context, definesPending: true, pending, made };
    const before = { effects: draft.effects.length, tags: draft.statements.length };
    const makes = new Set(draft.makes);
    readStatement(node, { text, start, end }, createAnalysis(bodies, resolveNames(bodies.catalog, names), draft));
    made = madeAfter(made, pending, {
      effects: draft.effects
        .slice(before.effects)
        .map(({ operation, writes, renames }) => ({ operation, writes: [...writes], renames })),
      statements: draft.statements.slice(before.tags),
      makes: [...draft.makes].filter((uri) => !makes.has(uri)),
    });
    // By position in the string, as results come.
    while (draft.outputs.length <= index) draft.outputs.push([]);
    const last = index === statements.length - 1;
    if (!last && (draft.changes.has("role") || draft.changes.has("search_path"))) {
      draft.darken("several statements, one of which changes what names mean in the next");
    }
  }
  if (statements.length > 1 && draft.transaction.kind !== "none")
    draft.darken("transaction control among other statements");
}

function defined(effect: EffectDraft): readonly ResourceUri[] {
  return [...effect.writes, ...effect.renames.flat()];
}

function opaqueReading(text: string, reason: string, bodies: Bodies, names: Names, bounds: Bounds): Reading {
  const draft = new ReadingDraft();
  draft.darken(reason);
  draft.statements.push("UNKNOWN");
  const fingerprint = createHash("sha256").update(text).digest("hex");
  return { ...finish(draft, bodies.catalog, names, fingerprint, bounds), isExact: true };
}
