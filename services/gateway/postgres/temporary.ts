/**
 * Temporary tables are a session's own, but their names are not: `orders/pg_temp.staging` is another table in each
 * session. In what is decided and recorded they carry the session (`orders/pg_temp.staging@s-1`), so that one session's
 * DROP does not end what another's holds, and no data flows between them. Readings are made, and kept, without it.
 */
import type { Effect, Reading, ResourceUri } from "../../../schemas/command.ts";

type Rename = (uri: ResourceUri) => ResourceUri;

export class Temporary {
  readonly #prefix: string;
  readonly #suffix: string;
  readonly #made = new WeakMap<Reading, Reading>();

  constructor(target: string, session: string) {
    this.#prefix = `${target}/pg_temp.`;
    this.#suffix = `@${session}`;
  }

  /** The reading with this session's names; the very same where there is no temporary table in it. */
  named(reading: Reading): Reading {
    if (!this.#occursIn(reading)) return reading;
    const named = renamed(reading, this.#name);
    this.#made.set(named, reading);
    return named;
  }

  /** The reading as the Reader made it, of what `named` gave or what was made of that. */
  bare(reading: Reading): Reading {
    return this.#made.get(reading) ?? (this.#occursIn(reading) ? renamed(reading, this.#strip) : reading);
  }

  isTemporary(uri: ResourceUri): boolean {
    return uri.startsWith(this.#prefix);
  }

  readonly #name: Rename = (uri) => {
    if (!this.isTemporary(uri)) return uri;
    const at = uri.indexOf("#");
    return (at === -1 ? uri + this.#suffix : uri.slice(0, at) + this.#suffix + uri.slice(at)) as ResourceUri;
  };

  readonly #strip: Rename = (uri) => {
    if (!this.isTemporary(uri)) return uri;
    const [table = "", ...column] = uri.split("#");
    const bare = table.endsWith(this.#suffix) ? table.slice(0, -this.#suffix.length) : table;
    return [bare, ...column].join("#") as ResourceUri;
  };

  #occursIn({ effects, shows, reveals }: Reading): boolean {
    const has = (list: readonly ResourceUri[]): boolean => list.some((uri) => this.isTemporary(uri));
    return effects.some(({ reads, writes }) => has(reads) || has(writes)) || has(shows) || has(reveals);
  }
}

function renamed(reading: Reading, rename: Rename): Reading {
  const list = (uris: readonly ResourceUri[]): readonly ResourceUri[] => uris.map(rename);
  return {
    ...reading,
    effects: reading.effects.map((effect) => renamedEffect(effect, rename)),
    shows: list(reading.shows),
    outputs: reading.outputs.map((columns) => columns.map(list)),
    reveals: list(reading.reveals),
    ...(reading.makes ? { makes: list(reading.makes) } : {}),
    ...(reading.clears ? { clears: list(reading.clears) } : {}),
  };
}

function renamedEffect(effect: Effect, rename: Rename): Effect {
  const pairs = (list: readonly (readonly [ResourceUri, ResourceUri])[]) =>
    list.map(([from, to]) => [rename(from), rename(to)] as const);
  return {
    ...effect,
    reads: effect.reads.map(rename),
    writes: effect.writes.map(rename),
    ends: effect.ends.map(rename),
    ...(effect.flows ? { flows: pairs(effect.flows) } : {}),
    ...(effect.renames ? { renames: pairs(effect.renames) } : {}),
  };
}
