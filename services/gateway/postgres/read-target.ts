/**
 * The Reader of one target: the catalog as last loaded, and the readings made with it. When it is loaded again is in
 * loads.ts; what is loaded and equal changes nothing.
 */
import { setTimeout } from "node:timers/promises";
import { loadGrammar } from "../../../infra/sql/grammar.ts";
import type { Reading, ResourceUri } from "../../../schemas/command.ts";
import type { FunctionSummary } from "../../../schemas/function-summary.ts";
import { type Limits, limits } from "../../../schemas/limits.ts";
import { type Bodies, createAnalysis, createBodies } from "../effects/analysis.ts";
import { createCatalog, isSystemSchema, type TargetCatalog } from "../effects/catalog.ts";
import { type DescribableFunction, type Described, describable, describedIn } from "../effects/described.ts";
import { ReadingDraft } from "../effects/draft.ts";
import { urisOf } from "../effects/finish.ts";
import { resolveNames } from "../effects/names.ts";
import { canRead } from "../effects/privileges.ts";
import type { NameContext, Reader } from "../effects/reader.ts";
import { createReadings } from "../effects/readings.ts";
import { columnsOf } from "../effects/relations.ts";
import { readSql } from "../effects/sql.ts";
import { type CatalogAccount, type CatalogLoader, createCatalogLoader } from "./catalog.ts";
import { Loads } from "./loads.ts";

export interface TargetReader extends Reader {
  /** Digest of the catalog in use. */
  readonly version: string;
  /** Functions that could be described, with the digest that a summary is bound to. */
  functions(): readonly DescribableFunction[];
  close(): Promise<void>;
}

export interface ReaderOptions {
  readonly target: string;
  readonly account: CatalogAccount;
  readonly limits?: Limits;
  /** The clock, milliseconds. */
  readonly now: () => number;
  /** What functions do, as the catalog in force states it; another array when it has changed. Absent = nothing is stated. */
  readonly summaries?: () => readonly FunctionSummary[];
  /** Told, whenever catalog or summaries have changed, which summaries do not hold; none = all do. */
  readonly voided?: (summaries: Described["void"]) => void;
  /** Resolves after so many milliseconds. */
  readonly pause?: (ms: number) => Promise<unknown>;
  /** Instead of a connection made from `account`. */
  readonly loader?: CatalogLoader;
}

const none: readonly FunctionSummary[] = [];

/** @throws ThroughlineError `target.unreachable`, `target.refused` */
export async function createReader(options: ReaderOptions): Promise<TargetReader> {
  const bounds = options.limits ?? limits;
  const loader = options.loader ?? createCatalogLoader(options.target, options.account);
  const grammar = await loadGrammar();
  const readings = createReadings(bounds.readingsCachedMax, bounds.readingsCachedTextMax);
  const { summaries = () => none, voided = () => undefined } = options;
  let stated = summaries();
  const described = (catalog: TargetCatalog): Bodies => {
    stated = summaries();
    const found = describedIn(catalog, stated);
    voided(found.void);
    return createBodies(grammar, catalog, found);
  };
  let bodies = described(createCatalog(await loader.load()));
  const take = (catalog: TargetCatalog): void => {
    bodies = described(catalog);
    readings.clear();
  };
  const loads = new Loads({
    async load() {
      const catalog = createCatalog(await loader.load());
      if (catalog.version === bodies.catalog.version) return;
      take(catalog);
    },
    now: options.now,
    pause: options.pause ?? setTimeout,
  });
  return {
    read(text, names) {
      if (summaries() !== stated) take(bodies.catalog);
      const known = readings.get(text, names);
      if (known !== undefined) return known;
      const reading = readSql(text, bodies, names, bounds);
      readings.set(text, names, reading);
      const doubt = doubtOf(reading, names);
      if (doubt !== null) loads.doubt(reading, doubt.unknownName);
      return reading;
    },
    renewed: (reading) => loads.renewed(reading),
    sourcesOf: (tableOid, attribute) => sourcesOf(tableOid, attribute, bodies),
    canRead: (role, resource) => canRead(bodies.catalog, role, resource),
    resources: () => resourcesOf(bodies),
    get stale() {
      return loads.stale;
    },
    get version() {
      return bodies.catalog.version;
    },
    functions: () => describable(bodies.catalog),
    outdate: () => loads.outdate(),
    async refresh(force = false) {
      if (force) loads.outdate();
      await loads.refresh();
    },
    close: () => loader.close(),
  };
}

/**
 * What another catalog could tell more of: a name it does not know, or all that a text nobody can read could reach.
 * Own definitions that nobody else sees yet are no reason: another catalog would not know them either.
 */
function doubtOf({ opaque }: Reading, names: NameContext): { readonly unknownName: boolean } | null {
  if (opaque === null) return null;
  const unknownName = /(that the catalog does not know|a schema that search_path does not name)$/.test(opaque);
  return unknownName && names.definesPending ? null : { unknownName };
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
