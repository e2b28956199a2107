/**
 * The Reader of one target: the catalog as last loaded, the readings made with it, and when to load again.
 * A reading that met an unknown name asks for a fresh catalog; what is loaded and equal changes nothing, so a text
 * that stays unknown does not load it again and again.
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
  let loading: Promise<void> | null = null;

  const load = async (): Promise<void> => {
    const asked = wanted;
    const catalog = createCatalog(await loader.load());
    loaded = asked;
    if (catalog.version === bodies.catalog.version) return;
    bodies = createBodies(grammar, catalog);
    readings.clear();
  };
  /** Joins nobody's load: one that began before the call may have missed what the caller knows of. */
  const loadAfter = async (): Promise<void> => {
    while (loading) await loading.catch(() => undefined);
    loading = load().finally(() => {
      loading = null;
    });
    await loading;
  };
  return {
    read(text, names) {
      const known = readings.get(text, names);
      if (known !== undefined) return known;
      const reading = readSql(text, bodies, names, bounds);
      readings.set(text, names, reading);
      if (mayBeOld(reading, names)) wanted += 1;
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
      const goal = wanted;
      while (loaded < goal) await loadAfter();
    },
    close: () => loader.close(),
  };
}

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
