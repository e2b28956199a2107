/**
 * Draft → Reading: sources become URIs, a table whose columns are all read becomes the table, too many become their
 * schemas and then the target. An opaque draft keeps what is known of it and gets read and write of everything.
 */
import { createHash } from "node:crypto";
import type { Effect, Reading, ResourceUri } from "../../../schemas/command.ts";
import type { Limits } from "../../../schemas/limits.ts";
import { type Carried, carriedBy } from "./carried.ts";
import type { Column, Relation, Source, TargetCatalog } from "./catalog.ts";
import type { Change, EffectDraft, ReadingDraft } from "./draft.ts";
import type { Names } from "./names.ts";
import { canReadAnything } from "./privileges.ts";
import { withoutRepeats } from "./repeats.ts";
import { thingUri } from "./uri.ts";

const allChanges: readonly Change[] = ["search_path", "role", "settings", "definitions", "prepared"];

export function finish(
  draft: ReadingDraft,
  catalog: TargetCatalog,
  names: Names,
  fingerprint: string,
  bounds: Pick<Limits, "effectResourcesMax">,
): Reading {
  const effects = withoutRepeats(inOrder(draft, bounds.effectResourcesMax));
  const everything = catalog.everything.uri;
  const dark = draft.opaque !== null;
  const carried = carriedBy(effects);
  const reveals = new Set(withCarried(draft.reveals, carried));
  if (dark && canReadAnything(catalog, names.role)) reveals.add(everything);
  return {
    effects: dark ? [...effects, ...opaqueEffects(everything)] : effects,
    opaque: draft.opaque,
    transaction: dark ? { kind: "none" } : draft.transaction,
    undoable: !dark && draft.lasting.size === 0 && !["commit", "prepare"].includes(draft.transaction.kind),
    shows: withCarried(draft.shows, carried),
    outputs: draft.outputs.map((columns) => columns.map((column) => withCarried(column, carried))),
    reveals: [...reveals].sort(),
    changes: dark ? allChanges : allChanges.filter((change) => draft.changes.has(change)),
    resolution: resolution(draft, catalog, names),
    fingerprint,
    statements: draft.statements,
    ...(draft.makes.size > 0 && !dark ? { makes: [...draft.makes] } : {}),
    ...(draft.clears.size > 0 && !dark ? { clears: [...draft.clears] } : {}),
    ...summariesOf(draft, catalog),
    ...(draft.handle && !isMany(draft) ? { handle: draft.handle } : {}),
  };
}

/** Names of the functions that were followed by their summaries: nobody may redefine them meanwhile. */
function summariesOf(draft: ReadingDraft, catalog: TargetCatalog): Pick<Reading, "summaries"> {
  const oids = [...draft.resolved.keys()].flatMap((key) => /^summary ([0-9]+)$/.exec(key)?.[1] ?? []);
  const names = new Set(oids.map((oid) => catalog.functionOf(Number(oid))?.name ?? null));
  const summaries = [...names].map((name) => thingUri(catalog.target, "pg_function", name));
  return summaries.length > 0 ? { summaries } : {};
}

/** More functions that move data in one text than this are not told apart from any other order. */
const besideMax = 8;

/**
 * What a called function moves may happen before, between and after what the rest of the text does, and before and after
 * what another one moves: in each order that could carry something further.
 */
function inOrder(draft: ReadingDraft, resourcesMax: number): Effect[] {
  const all = draft.effects
    .filter((effect) => !effect.isEmpty)
    .map((effect) => ({ beside: effect.beside, effect: finishEffect(effect, draft, resourcesMax) }));
  const beside = all.filter((one) => one.beside).map(({ effect }) => effect);
  if (beside.length > besideMax) draft.darken("more described functions than are followed at once");
  const rounds = beside.slice(0, besideMax).flatMap(() => beside);
  return [...rounds, ...all.map(({ effect }) => effect), ...rounds];
}

function isMany(draft: ReadingDraft): boolean {
  return draft.statements.length > 1;
}

function opaqueEffects(everything: ResourceUri): Effect[] {
  const base = { reads: [], writes: [], ends: [], destroys: false } as const;
  return [
    { ...base, operation: "read", reads: [everything] },
    { ...base, operation: "write", writes: [everything], destroys: true },
  ];
}

function finishEffect(effect: EffectDraft, draft: ReadingDraft, resourcesMax: number): Effect {
  const reads = narrow(readUris(effect), resourcesMax, draft);
  const writes = narrow([...effect.writes], resourcesMax, draft);
  const ends = [...effect.ends].filter((uri) => writes.includes(uri));
  const flows = effect.flows === null ? null : [...effect.flows.values()];
  const carries = effect.operation === "write" || effect.operation === "transform";
  return {
    operation: effect.operation,
    reads,
    writes,
    ends,
    // Left out where they are too many: then every read flows to every write, which is more, not less.
    ...(carries && flows !== null && flows.length <= resourcesMax ? { flows } : {}),
    destroys: effect.destroys,
    ...(effect.renames.length > 0 ? { renames: effect.renames } : {}),
  };
}

/** A table read without naming a column, or with all of them, is the table. */
function readUris(effect: EffectDraft): ResourceUri[] {
  const byRelation = new Map<Relation, Set<ResourceUri>>();
  const uris = new Set<ResourceUri>();
  for (const relation of effect.scanned) byRelation.set(relation, new Set());
  for (const source of effect.reads) {
    if (source.relation === null) uris.add(source.uri);
    else byRelation.set(source.relation, (byRelation.get(source.relation) ?? new Set()).add(source.uri));
  }
  for (const [relation, columns] of byRelation) {
    const all = columns.size === 0 || columns.size >= relation.columns.length || columns.has(relation.uri);
    for (const uri of all ? [relation.uri] : columns) uris.add(uri);
  }
  return [...uris];
}

/** Over the limit: tables for columns, then schemas, then everything, which is opaque. */
function narrow(uris: readonly ResourceUri[], max: number, draft: ReadingDraft): ResourceUri[] {
  let now = [...new Set(uris)].sort();
  for (const mark of ["#", ".", "/"]) {
    if (now.length <= max) return now;
    now = [...new Set(now.map((uri) => cut(uri, mark)))];
  }
  if (now.length <= max) draft.darken("more resources than one effect may name");
  return now;
}

function cut(uri: ResourceUri, mark: string): ResourceUri {
  const at = uri.indexOf(mark);
  return (at === -1 ? uri : uri.slice(0, at)) as ResourceUri;
}

function resolution(draft: ReadingDraft, catalog: TargetCatalog, names: Names): string {
  const known = [...draft.resolved].sort(([a], [b]) => (a < b ? -1 : 1));
  const world = draft.opaque === null ? null : catalog.version;
  return createHash("sha256")
    .update(JSON.stringify([names.role, names.path, names.home, known, world]))
    .digest("hex");
}

function withCarried(sources: Iterable<Source>, carried: Carried): ResourceUri[] {
  const uris = urisOf(sources);
  return [...new Set(uris.flatMap((uri) => [uri, ...carried(uri)]))].sort();
}

export function urisOf(sources: Iterable<Source | Column>): ResourceUri[] {
  return [...new Set([...sources].map((source) => source.uri))].sort();
}
