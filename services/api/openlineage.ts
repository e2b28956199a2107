/**
 * Commands as OpenLineage run events: one run per command, its job the statement without its constants under the
 * account that runs it, its parent the session. START when the command may run, then COMPLETE, FAIL, or ABORT where
 * nobody knows what came of it; OTHER says later that its transaction was undone. Values and texts do not leave.
 *
 * It cannot tell a filter from a join or a sort, nor a copied value from one that was computed: DIRECT and INDIRECT
 * are all that is said. What a command that could not be read has done besides what is known is not here (`opaque`).
 */
import { createHash } from "node:crypto";
import type { Effect, ResourceUri } from "../../schemas/command.ts";
import type { Envelope } from "../../schemas/event.ts";
import type { InputField, OutputDataset, RunEvent } from "../../schemas/openlineage.ts";

export interface LineageContext {
  readonly version: string;
  /** Where each target is, by name. A target that is not listed any more is named by itself. */
  readonly targets: readonly { readonly name: string; readonly address: string; readonly database: string }[];
}

type Decided = Envelope<"command.decided">;
type Finished = Envelope<"command.finished">;
type Name = Pick<InputField, "namespace" | "name">;

const core = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const facets = "https://openlineage.io/spec/facets";
/** Pairs of columns of one command; with more only its tables are told. */
const pairsMax = 4_096;
/** Commands that have been decided and are not finished; the oldest is then forgotten. */
const openMax = 100_000;

/** Fed with the log's events in order. */
export class LineageRuns {
  readonly #context: LineageContext;
  readonly #open = new Map<string, Decided>();
  /** Finished, and their transaction still open. */
  readonly #unsettled = new Map<string, Decided>();

  constructor(context: LineageContext) {
    this.#context = context;
  }

  /** @returns what is to be said of it: of commands that write something */
  add(event: Decided | Finished): readonly RunEvent[] {
    if (event.type === "command.decided") return this.#decided(event as Decided);
    return this.#finished(event as Finished);
  }

  #decided(decided: Decided): readonly RunEvent[] {
    const runs = decided.data.ruling === "allow" || decided.data.ruling === "mask";
    if (!runs || decided.command === undefined || !decided.data.effects.some(changes)) return [];
    keep(this.#open, decided.command, decided);
    return [this.#event("START", decided.time, decided, null, null, false)];
  }

  #finished(finished: Finished): readonly RunEvent[] {
    const { outcome, undone, lasted } = finished.data;
    const said: RunEvent[] = [];
    const decided = this.#open.get(finished.command ?? "");
    if (decided?.command !== undefined) {
      this.#open.delete(decided.command);
      const lasts = lasted.includes(decided.command) ? true : undone.includes(decided.command) ? false : null;
      const kind = outcome === "ok" ? "COMPLETE" : outcome === "error" ? "FAIL" : "ABORT";
      said.push(this.#event(kind, finished.time, decided, outcome, lasts, true));
      if (lasts === null && outcome === "ok") keep(this.#unsettled, decided.command, decided);
    }
    for (const command of lasted) this.#unsettled.delete(command);
    for (const command of undone) {
      const late = this.#unsettled.get(command);
      this.#unsettled.delete(command);
      if (late) said.push(this.#event("OTHER", finished.time, late, "ok", false, false));
    }
    return said;
  }

  #event(
    eventType: RunEvent["eventType"],
    eventTime: string,
    decided: Decided,
    outcome: string | null,
    lasts: boolean | null,
    isWhole: boolean,
  ): RunEvent {
    const { effects, fingerprint, statements, opaque } = decided.data;
    const { command = "", session = "", identity = "", account = "", task = "", target = "" } = decided;
    const namespace = `throughline://${decided.tenant}`;
    const failed = eventType === "FAIL";
    return {
      eventType,
      eventTime,
      producer: this.#producer,
      schemaURL: core,
      run: {
        runId: uuidOf(command),
        facets: {
          throughline_command: {
            ...this.#facet("urn:throughline:facet:command:1"),
            ...{ event: decided.id, command, session, identity, account, task, statements: [...statements] },
            operations: [...new Set(effects.map(({ operation }) => operation))],
            ...{ opaque, outcome, lasts },
          },
          ...(session ? { parent: this.#parent(namespace, session, account, target) } : {}),
        },
      },
      job: { namespace, name: `${account}@${target}.${fingerprint}` },
      inputs: isWhole ? this.#inputs(effects) : [],
      outputs: isWhole && !failed ? this.#outputs(effects) : [],
    };
  }

  get #producer(): string {
    return `urn:throughline:${this.#context.version}`;
  }

  #facet(schema: string): { _producer: string; _schemaURL: string } {
    return { _producer: this.#producer, _schemaURL: schema };
  }

  #parent(namespace: string, session: string, account: string, target: string) {
    return {
      ...this.#facet(`${facets}/1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet`),
      run: { runId: uuidOf(session) },
      job: { namespace, name: `${account}@${target}` },
    };
  }

  #inputs(effects: readonly Effect[]): RunEvent["inputs"] {
    const names = new Map<string, Name>();
    for (const uri of effects.flatMap(({ reads }) => reads)) {
      const place = this.#place(uri);
      if (place) names.set(`${place.namespace}\n${place.name}`, { namespace: place.namespace, name: place.name });
    }
    return [...names.values()];
  }

  #outputs(effects: readonly Effect[]): OutputDataset[] {
    const outputs = new Map<string, Output>();
    const output = (uri: ResourceUri): Output | null => {
      const place = this.#place(uri);
      if (!place) return null;
      const key = `${place.namespace}\n${place.name}`;
      const found = outputs.get(key) ?? new Output({ namespace: place.namespace, name: place.name });
      outputs.set(key, found);
      return found;
    };
    const fits = effects.reduce((sum, effect) => sum + pairsOf(effect).count, 0) <= pairsMax;
    for (const effect of effects) {
      if (!changes(effect)) continue;
      for (const uri of effect.writes) output(uri);
      this.#lifecycle(effect, output);
      if (fits) this.#flows(effect, output);
    }
    return [...outputs.values()].map((one) => one.dataset(this.#producer));
  }

  #lifecycle({ operation, writes, ends, renames = [] }: Effect, output: (uri: ResourceUri) => Output | null): void {
    for (const uri of writes) if (operation === "define") output(uri)?.becomes("ALTER");
    for (const uri of ends) {
      if (!uri.includes("#")) output(uri)?.becomes(operation === "delete" ? "TRUNCATE" : "DROP");
    }
    for (const [old, now] of renames) {
      const [from, to] = [this.#place(old), this.#place(now)];
      if (!from || !to) continue;
      if (from.field !== "*") output(now)?.from(to.field, from, "DIRECT");
      else output(now)?.becomes("RENAME", { namespace: from.namespace, name: from.name });
    }
  }

  #flows(effect: Effect, output: (uri: ResourceUri) => Output | null): void {
    const { pairs } = pairsOf(effect);
    for (const [from, to] of pairs) {
      const [source, sink] = [this.#place(from), this.#place(to)];
      if (source && sink) output(to)?.from(sink.field, source, "DIRECT");
    }
    const moved = new Set(pairs.map(([from]) => from));
    for (const uri of effect.reads) {
      const source = this.#place(uri);
      if (!source || moved.has(uri) || [...moved].some((from) => from.startsWith(`${uri}#`))) continue;
      for (const to of effect.writes) output(to)?.from(null, source, "INDIRECT");
    }
  }

  /** Null for what is no dataset: a whole target, a whole schema, roles and channels. */
  #place(uri: ResourceUri): (Name & { readonly field: string }) | null {
    const [, target = "", schema, table, field] = /^([^/]*)\/([^.#]*)\.([^#]*)(?:#(.*))?$/.exec(uri) ?? [];
    if (schema === undefined || table === undefined || /^pg_(role|channel|function|object|program)$/.test(schema))
      return null;
    const config = this.#context.targets.find(({ name }) => name === target);
    const path = `${plain(schema)}.${plain(table)}`;
    return {
      namespace: config ? `postgres://${config.address}` : `throughline://${target}`,
      name: config ? `${config.database}.${path}` : path,
      field: field === undefined ? "*" : plain(field),
    };
  }
}

/** One dataset in the making. */
class Output {
  readonly #name: Name;
  readonly #fields = new Map<string, Map<string, InputField>>();
  readonly #dataset = new Map<string, InputField>();
  #change: { readonly kind: "ALTER" | "DROP" | "RENAME" | "TRUNCATE"; readonly before?: Name } | null = null;

  constructor(name: Name) {
    this.#name = name;
  }

  becomes(kind: "ALTER" | "DROP" | "RENAME" | "TRUNCATE", before?: Name): void {
    this.#change = { kind, ...(before ? { before } : {}) };
  }

  /** @param field null = the rows as a whole */
  from(field: string | null, source: Name & { readonly field: string }, type: "DIRECT" | "INDIRECT"): void {
    const into = field === null ? this.#dataset : (this.#fields.get(field) ?? new Map<string, InputField>());
    if (field !== null) this.#fields.set(field, into);
    into.set(JSON.stringify(source), { ...source, transformations: [{ type }] });
  }

  dataset(producer: string): OutputDataset {
    const fields = [...this.#fields].map(
      ([name, from]) => [name, { inputFields: [...from.values()] }] as [string, { inputFields: InputField[] }],
    );
    const schema = (facet: string, version: string) => ({
      _producer: producer,
      _schemaURL: `${facets}/${version}/${facet}.json#/$defs/${facet}`,
    });
    const columnLineage = {
      ...schema("ColumnLineageDatasetFacet", "1-2-0"),
      fields: Object.fromEntries(fields),
      dataset: [...this.#dataset.values()],
    };
    const change = this.#change;
    return {
      ...this.#name,
      facets: {
        ...(fields.length + this.#dataset.size > 0 ? { columnLineage } : {}),
        ...(change
          ? {
              lifecycleStateChange: {
                ...schema("LifecycleStateChangeDatasetFacet", "1-0-1"),
                lifecycleStateChange: change.kind,
                ...(change.before ? { previousIdentifier: change.before } : {}),
              },
            }
          : {}),
      },
    };
  }
}

/** `write` without a source changes rows too. */
function changes({ operation, writes }: Effect): boolean {
  return writes.length > 0 && ["write", "transform", "delete", "define"].includes(operation);
}

function pairsOf({ operation, reads, writes, flows }: Effect) {
  if (operation !== "write" && operation !== "transform") return { count: 0, pairs: [] };
  const count = flows?.length ?? reads.length * writes.length;
  if (count > pairsMax) return { count, pairs: [] };
  return { count, pairs: flows ?? reads.flatMap((from) => writes.map((to) => [from, to] as const)) };
}

function plain(part: string): string {
  return decodeURIComponent(part);
}

function keep(map: Map<string, Decided>, command: string, decided: Decided): void {
  const [oldest] = map.keys();
  if (map.size >= openMax && oldest !== undefined) map.delete(oldest);
  map.set(command, decided);
}

/** The same run always has the same id: a name-based UUID (version 8) of what the log calls it. */
function uuidOf(name: string): string {
  const hex = createHash("sha256").update(name).digest("hex");
  const variant = ((Number.parseInt(hex[16] ?? "0", 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
