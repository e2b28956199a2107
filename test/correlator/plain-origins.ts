/** Where the data of plain events came from (DETECTION §6: Flow, Tags, Lineage, Data): every set is written out. */
export interface PlainEffect {
  readonly operation: string;
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly ends: readonly string[];
  readonly destroys?: boolean;
  readonly flows?: readonly (readonly [string, string])[];
}

export interface PlainLine {
  readonly id: string;
  readonly time: number;
  readonly identity: string;
  readonly account?: string;
  readonly task?: string;
  readonly parentTask?: string;
  readonly onBehalfOf?: readonly string[];
  readonly opaque?: boolean;
  readonly outcome?: string;
  readonly rows?: number;
  /** None: an event of another product. */
  readonly effects?: readonly PlainEffect[];
  readonly fields: Readonly<Record<string, string | number | readonly string[]>>;
}

export type Catalog = readonly { readonly resource: string; readonly tags: readonly string[] }[];

/** What is known of an event at its place. */
export interface Known {
  /** By effect. */
  readonly tags: readonly (readonly string[])[];
  readonly lineage: readonly string[];
  /** Earlier events whose data is where this one touches. */
  readonly flowsFrom: ReadonlySet<number>;
}

const unique = <T>(all: readonly T[]): T[] => [...new Set(all)];
export const isInside = (a: string, b: string) => a === b || (a.startsWith(b) && "/.#".includes(a[b.length] ?? " "));
export const overlap = (a: string, b: string) => isInside(a, b) || isInside(b, a);
export const touches = (effects: readonly PlainEffect[]) =>
  unique(effects.flatMap(({ reads, writes }) => [...reads, ...writes]));

export class PlainOrigins {
  readonly #catalog: Catalog;
  /** place → member of origins (a place, or `@` and the number of the event whose data it is) → who brought it. */
  readonly #origins = new Map<string, Map<string, Set<number>>>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  known(line: PlainLine, live: readonly PlainEffect[]): Known {
    const found = touches(live).flatMap((name) => this.#in(name));
    const lineage = unique(found).filter((name) => this.#tagsOf(name).length > 0);
    const flowsFrom = new Set(found.filter((name) => name.startsWith("@")).map((name) => Number(name.slice(1))));
    return { tags: this.#tagsInOrder(line, live), lineage, flowsFrom };
  }

  /** Tags by effect; a later effect sees what an earlier one of the same command brought. */
  #tagsInOrder(line: PlainLine, live: readonly PlainEffect[]): string[][] {
    const brought: [string, readonly string[]][] = [];
    const look = (name: string) => [
      ...this.#in(name),
      ...brought.flatMap(([to, members]) => (overlap(to, name) ? members : [])),
    ];
    return live.map((effect) => {
      const tags = unique(
        touches([effect])
          .flatMap(look)
          .flatMap((member) => this.#tagsOf(member)),
      );
      brought.push(...this.#moves(line, effect).map(([from, to]): [string, string[]] => [to, look(from)]));
      return tags;
    });
  }

  #tagsOf(name: string): string[] {
    const own = this.#catalog.flatMap(({ resource, tags }) =>
      !name.startsWith("@") && overlap(resource, name) ? tags : [],
    );
    return unique(own.flatMap((tag) => tag.split(".").map((_, i, all) => all.slice(0, i + 1).join("."))));
  }

  #in(place: string): string[] {
    const found = new Set([place]);
    for (const [other, members] of this.#origins)
      if (overlap(other, place)) for (const member of members.keys()) found.add(member);
    return [...found];
  }

  #moves(line: PlainLine, effect: PlainEffect): readonly (readonly [string, string])[] {
    if (effect.operation !== "write" && effect.operation !== "transform") return [];
    if (line.opaque && touches([effect]).some((name) => !name.includes("/"))) return [];
    if (effect.reads.length === 0 || effect.writes.length === 0) return [];
    return effect.flows ?? effect.reads.flatMap((from) => effect.writes.map((to) => [from, to] as const));
  }

  flow(event: PlainLine & { readonly at: number; readonly live: readonly PlainEffect[] }): void {
    const bring = (place: string, member: string) => {
      const members = this.#origins.get(place) ?? new Map<string, Set<number>>();
      this.#origins.set(place, members);
      members.set(member, (members.get(member) ?? new Set()).add(event.at));
    };
    for (const effect of event.live) {
      const news = this.#moves(event, effect).map(([from, to]) => [to, this.#in(from)] as const);
      for (const [to, members] of news) for (const member of members) bring(to, member);
    }
    for (const place of unique(event.live.flatMap(({ writes }) => writes))) bring(place, `@${event.at}`);
    if (event.opaque) return;
    const ended = event.live.flatMap(({ ends }) => ends);
    for (const [place, members] of this.#origins) {
      if (!ended.some((end) => isInside(place, end))) continue;
      for (const [member, by] of members) {
        for (const one of by) if (one < event.at) by.delete(one);
        if (by.size === 0) members.delete(member);
      }
    }
  }
}
