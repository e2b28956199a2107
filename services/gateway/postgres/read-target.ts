/**
 * The Reader of one target: the catalog as last loaded, the readings made with it, and when to load again.
 * A reading that met an unknown name asks for a fresh catalog, but no more than one a second is loaded for that: in
 * between, what is unknown is opaque and is not remembered. Whoever wants the same load shares it.
 */
import { loadGrammar } from "../../../infra/sql/grammar.ts";
import type { Reading, ResourceUri } from "../../../schemas/command.ts";
import { type Limits, limits } from "../../../schemas/limits.ts";
import { type Bodies, createAnalysis, createBodies } from "../effects/analysis.ts";
import { createCatalog, isSystemSchema } from "../effects/catalog.ts";
import { ReadingDraft } from "../effects/draft.ts";
import { urisOf } from "../effects/finish.ts";
import { resolveNames } from "../effects/names.ts";
import { canRead } from "../effects/privileges.ts";
import type { NameContext, Reader } from "../effects/reader.ts";
import { createReadings } from "../effects/readings.ts";
import { columnsOf } from "../effects/relations.ts";
import { readSql } from "../effects/sql.ts";
import { type CatalogAccount, type CatalogLoader, createCatalogLoader } from "./catalog.ts";

export interface TargetReader extends Reader {
  /** Digest of the catalog in use. */
  readonly version: string;
  close(): Promise<void>;
}

export interface ReaderOptions {
  readonly target: string;
  readonly account: CatalogAccount;
  readonly limits?: Limits;
  /** The clock, milliseconds. */
  readonly now: () => number;
  /** Instead of a connection made from `account`. */
  readonly loader?: CatalogLoader;
}

/** @throws ThroughlineError `target.unreachable`, `target.refused` */
export async function createReader(options: ReaderOptions): Promise<TargetReader> {
  const bounds = options.limits ?? limits;
  const loader = options.loader ?? createCatalogLoader(options.target, options.account);
  const grammar = await loadGrammar();
  const readings = createReadings(bounds.readingsCachedMax, bounds.readingsCachedTextMax);
  let bodies: Bodies = createBodies(grammar, createCatalog(await loader.load()));
  let wanted = 0;
  let loaded = 0;
  let loading: { readonly asked: number; readonly done: Promise<void> } | null = null;
  let askedForUnknownMs = Number.NEGATIVE_INFINITY;

  const load = async (asked: number): Promise<void> => {
    const catalog = createCatalog(await loader.load());
    loaded = asked;
    if (catalog.version === bodies.catalog.version) return;
    bodies = createBodies(grammar, catalog);
    readings.clear();
  };
  const begin = (): { readonly asked: number; readonly done: Promise<void> } => {
    const done = load(wanted).finally(() => {
      loading = null;
    });
    return { asked: wanted, done };
  };
  /** A load that began before the call may have missed what the caller knows of: then the next one counts. */
  const loadUntil = async (goal: number): Promise<void> => {
    while (loaded < goal) {
      loading ??= begin();
      const { asked, done } = loading;
      try {
        await done;
      } catch (error) {
        if (asked >= goal) throw error;
      }
    }
  };
  return {
    read(text, names) {
      const known = readings.get(text, names);
      if (known !== undefined) return known;
      const reading = readSql(text, bodies, names, bounds);
      if (!mayBeOld(reading, names)) readings.set(text, names, reading);
      else if (options.now() - askedForUnknownMs >= unknownWaitMs) {
        askedForUnknownMs = options.now();
        wanted += 1;
      }
      return reading;
    },
    sourcesOf: (tableOid, attribute) => sourcesOf(tableOid, attribute, bodies),
    canRead: (role, resource) => canRead(bodies.catalog, role, resource),
    resources: () => resourcesOf(bodies),
    get stale() {
      return loaded < wanted;
    },
    get version() {
      return bodies.catalog.version;
    },
    outdate() {
      wanted += 1;
    },
    async refresh(force = false) {
      if (force) wanted += 1;
      await loadUntil(wanted);
    },
    close: () => loader.close(),
  };
}

/** Between two loads that only a name nobody knows asked for. */
const unknownWaitMs = 1_000;

function mayBeOld(reading: Reading, names: NameContext): boolean {
  return (
    !names.definesPending &&
    /(that the catalog does not know|a schema that search_path does not name)$/.test(reading.opaque ?? "")
  );
}

function sourcesOf(tableOid: number, attribute: number, bodies: Bodies): readonly ResourceUri[] | null {
  if (tableOid === 0) return [];
  const relation = bodies.catalog.relations.get(tableOid);
  if (!relation) return null;
  if (attribute < 0) return [];
  const names = resolveNames(bodies.catalog, { searchPath: [], role: "", definesPending: false });
  const columns = columnsOf(relation, createAnalysis(bodies, names, new ReadingDraft()), true);
  // A whole row has the table's oid and no number.
  if (attribute === 0) return urisOf(columns.flatMap(({ plain, from }) => [...plain, ...from]));
  const column = columns[relation.columns.findIndex((one) => one.attribute === attribute)];
  return column ? urisOf([...column.plain, ...column.from]) : null;
}

function resourcesOf(bodies: Bodies): readonly ResourceUri[] {
  const uris: ResourceUri[] = [];
  for (const relation of bodies.catalog.relations.values()) {
    if (isSystemSchema(relation.raw.schema)) continue;
    uris.push(relation.uri, ...relation.columns.map((column) => column.uri));
  }
  return [...new Set(uris)];
}
