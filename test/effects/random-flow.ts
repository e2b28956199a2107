/**
 * Random statements that move text between the tables of test/effects/arrivals.ts, from dice: the first face of each
 * die is the simplest choice, so that fewer and smaller numbers make a simpler text. Some are refused by PostgreSQL.
 */
import { type Table, tables, targets } from "./arrivals.ts";

export type Roll = (sides: number) => number;

/** @param dice used up one by one; then every die shows 0 */
export function rollOf(dice: readonly number[]): Roll {
  let at = 0;
  return (sides) => (dice[at++] ?? 0) % sides;
}

interface Item {
  readonly sql: string;
  readonly alias: string;
  readonly columns: readonly string[];
  /** A table or row of which `alias::text` is a value. */
  readonly row: boolean;
}

export class Writer {
  readonly #roll: Roll;
  #names = 0;

  constructor(roll: Roll) {
    this.#roll = roll;
  }

  /** One that changes rows; a data-modifying WITH may stand before it. */
  change(): string {
    if (this.#roll(9) === 1) return this.#scratch();
    const first = this.#roll(5) === 1 ? this.#changing() : null;
    const item = first === null ? [] : [{ sql: first.name, alias: first.name, columns: ["x", "y"], row: true }];
    return `${first?.sql ?? ""}${this.#one([this.#insert, this.#update, this.#conflict, this.#merge])(item)}`;
  }

  /** A definition that makes or changes what is kept; `made` is free for it. */
  definition(): readonly string[] {
    const kind = this.#roll(14);
    const from = this.table();
    const column = this.#one(from.columns);
    const list = this.#roll(3) === 1 ? "" : "(x1, x2)";
    switch (kind) {
      case 0:
        return [`CREATE TABLE made ${list} AS ${this.query(2, 2)}`];
      case 1:
        return [this.#into()];
      case 2:
        return [`CREATE MATERIALIZED VIEW made ${list} AS ${this.query(2, 2)}`, "REFRESH MATERIALIZED VIEW made"];
      case 3:
        return [`CREATE VIEW made ${list} AS ${this.query(2, 2)}`, "CREATE TABLE made2 AS SELECT * FROM made"];
      case 4:
        return [`ALTER TABLE ${from.name} RENAME TO made`, "INSERT INTO c (c1) SELECT t::text FROM made t"];
      case 5:
        return [`ALTER TABLE ${from.name} RENAME ${column} TO made`];
      case 6:
        return [`ALTER TABLE ${from.name} ALTER ${column} TYPE text USING ${this.#row(from)}`];
      case 7:
        return [`ALTER TABLE ${from.name} ADD COLUMN made text GENERATED ALWAYS AS (${column} || '') STORED`];
      case 8:
        return ["ALTER TABLE g ALTER g2 DROP EXPRESSION", "UPDATE g SET g1 = 'x'"];
      case 9:
        return ["ALTER TABLE p DETACH PARTITION p_1"];
      case 10:
        return [`ALTER TABLE ${from.name} SET SCHEMA other`];
      case 11:
        return [
          "CREATE TABLE made (LIKE p)",
          `INSERT INTO made (k, p1) SELECT 1500, q.* FROM (${this.query(1, 2)}) q`,
          this.#attach(),
        ];
      case 12:
        return ["ALTER SCHEMA other RENAME TO made"];
      default:
        return ["ALTER TABLE g ALTER g2 SET EXPRESSION AS (g3 || '')"];
    }
  }

  /** By way of a temporary table, in one text. */
  #scratch(): string {
    const made = this.#one([
      () => `CREATE TEMP TABLE scratch (s1 text, s2 text); INSERT INTO scratch ${this.query(2, 2)}`,
      () => `CREATE TEMP TABLE scratch AS SELECT * FROM (${this.query(2, 2)}) q(s1, s2)`,
    ])();
    const item = { sql: "scratch", alias: "scratch", columns: ["s1", "s2"], row: true };
    const change = this.#roll(2) === 1 ? `UPDATE scratch SET s1 = ${this.value([item], 2)}; ` : "";
    return `DROP TABLE IF EXISTS scratch; ${made}; ${change}${this.#one([this.#insert, this.#merge])([item])}`;
  }

  #attach(): string {
    return "ALTER TABLE p ATTACH PARTITION made FOR VALUES FROM (1000) TO (2000)";
  }

  #into(): string {
    const [first, second] = [this.table(), this.table()];
    const [one, two] = [this.#one(first.columns), this.#one(second.columns)];
    const more = this.#roll(2) === 1 ? ` UNION SELECT ${two} FROM ${second.name}` : "";
    return `SELECT ${one} INTO made FROM ${first.name}${more}`;
  }

  /** Through a file of the server, under two spellings of its name. @param folder where it may stand */
  copy(folder: string): readonly string[] {
    const target = this.target();
    const [column = ""] = target.columns;
    const query = this.query(1, 2);
    return [
      `COPY (${query}) TO '${folder}/f'`,
      `COPY ${target.name} (${column}) FROM '${folder}/${this.#one(["", "./", "/"])}f'`,
    ];
  }

  #changing(): { readonly name: string; readonly sql: string } {
    const target = this.target();
    const [x = "", y = x] = target.columns;
    const name = this.#name();
    const returning = `RETURNING ${this.#one([`${x}, ${y}`, `${x} || '' AS x, ${y}`, `new.${x}, old.${y}`])}`;
    const text = this.#one([
      () => `DELETE FROM ${target.name} ${returning}`,
      () => `UPDATE ${target.name} SET ${x} = ${this.value([], 1)} ${returning}`,
      () => `INSERT INTO ${target.name} (${x}, ${y}) ${this.query(2, 1)} ${returning}`,
    ])();
    return { name, sql: `WITH ${name}(x, y) AS (${text}) ` };
  }

  readonly #insert = (given: readonly Item[]): string => {
    const target = this.target();
    const names = this.#roll(2) === 1 ? [...target.columns].reverse() : target.columns;
    const returning = this.#roll(4) === 1 ? ` RETURNING ${names[0]}` : "";
    return `INSERT INTO ${target.name} (${names.join(", ")}) ${this.query(names.length, 3, given)}${returning}`;
  };

  readonly #conflict = (given: readonly Item[]): string => {
    const target = this.#one(targets.filter(({ key }) => key));
    const names = target.columns;
    const excluded = this.#one([...names, ...(target.generated ?? [])]);
    const action = `${this.#one(names)} = ${this.#one([`excluded.${excluded}`, `excluded.${excluded} || ${target.name}.${this.#one(names)}`, this.value([], 1)])}`;
    return `INSERT INTO ${target.name} (k, ${names.join(", ")}) SELECT 1, q.* FROM (${this.query(names.length, 2, given)} LIMIT 1) q ON CONFLICT (k) DO UPDATE SET ${action}`;
  };

  readonly #update = (given: readonly Item[]): string => {
    const target = this.target();
    const items = this.#roll(2) === 1 || given.length > 0 ? this.#items(2, given) : [];
    const own = { sql: "", alias: target.name, columns: target.columns, row: true };
    const all = [own, ...items];
    const names = target.columns;
    const set = this.#one([
      () => `${this.#one(names)} = ${this.value(all, 3)}`,
      () => `(${names.join(", ")}) = ROW(${names.map(() => this.value(all, 2)).join(", ")})`,
      () => `(${names.join(", ")}) = (${this.query(names.length, 2, [], all)} LIMIT 1)`,
    ])();
    const from = items.length > 0 ? ` FROM ${items.map(({ sql }) => sql).join(", ")}` : "";
    return `UPDATE ${target.name} SET ${set}${from}${this.#where(all)}`;
  };

  readonly #merge = (given: readonly Item[]): string => {
    const target = this.target();
    const [item] = this.#items(1, given);
    if (item === undefined) return "SELECT";
    const own = { sql: "", alias: target.name, columns: target.columns, row: true };
    const values = target.columns.map(() => this.value([item], 2)).join(", ");
    const matched = `WHEN MATCHED THEN UPDATE SET ${this.#one(target.columns)} = ${this.value([own, item], 2)}`;
    const other = `WHEN NOT MATCHED THEN INSERT (${target.columns.join(", ")}) VALUES (${values})`;
    return `MERGE INTO ${target.name} USING ${item.sql} ON ${this.#one(["false", "true"])} ${matched} ${other}`;
  };

  /** @returns a query of so many text columns */
  query(width: number, depth: number, given: readonly Item[] = [], outer: readonly Item[] = []): string {
    const kind = this.#roll(depth > 1 ? 9 : 2);
    if (kind === 2) return this.#union(width, depth, given, outer);
    if (kind === 3) return this.#with(width, depth, given, outer);
    if (kind === 4) return `VALUES (${this.#list(width, () => this.value(outer, 2))})`;
    if (kind === 5) return this.#grouped(width, depth, given);
    if (kind === 6) return this.#recursive(width);
    const items = this.#items(depth, given);
    const all = [...items, ...outer];
    const from = items.map(({ sql }) => sql).join(this.#one([", ", " CROSS JOIN "]));
    const item = items.at(-1);
    if (kind === 1 && item && item.columns.length >= width) {
      const star = item.columns.length === width ? `${item.alias}.*` : null;
      const list = item.columns.slice(0, width).map((name) => `${item.alias}.${name}`);
      return `SELECT ${star ?? list.join(", ")} FROM ${from}${this.#where(all)}`;
    }
    const distinct = this.#roll(5) === 1 ? "DISTINCT " : "";
    return `SELECT ${distinct}${this.#list(width, () => this.value(all, depth))} FROM ${from}${this.#where(all)}`;
  }

  #union(width: number, depth: number, given: readonly Item[], outer: readonly Item[]): string {
    const both = [this.query(width, depth - 1, given, outer), this.query(width, depth - 1, given, outer)];
    return both.map((sql) => `(${sql})`).join(this.#one([" UNION ALL ", " UNION ", " EXCEPT "]));
  }

  #with(width: number, depth: number, given: readonly Item[], outer: readonly Item[]): string {
    const name = this.#name();
    const names = Array.from({ length: 2 }, () => this.#name());
    const item = { sql: name, alias: name, columns: names, row: true };
    const inner = this.query(2, depth - 1, given);
    return `WITH ${name}(${names.join(", ")}) AS (${inner}) ${this.query(width, depth - 1, [item], outer)}`;
  }

  #grouped(width: number, depth: number, given: readonly Item[]): string {
    const items = this.#items(depth, given);
    const aggregate = () =>
      this.#one([
        "string_agg(?, '')",
        "max(?)",
        "array_agg(?)::text",
        "json_agg(?)::text",
        "string_agg(?, '') FILTER (WHERE true)",
      ]).replace("?", () => this.value(items, 1));
    const group = this.#one(["", ` GROUP BY ${this.ref(items)}`, ` GROUP BY CUBE (${this.ref(items)})`]);
    return `SELECT ${this.#list(width, aggregate)} FROM ${items.map(({ sql }) => sql).join(", ")}${group}`;
  }

  #recursive(width: number): string {
    const name = this.#name();
    const names = Array.from({ length: width }, () => this.#name());
    const self = { sql: name, alias: name, columns: names, row: true };
    const item = this.#plain(this.table(), this.#name());
    const base = this.#list(width, () => this.ref([item]));
    const step = this.#list(width, () => this.value([self, item], 1));
    const more = `SELECT n + 1, ${step} FROM ${name}, ${item.sql} WHERE n < 3`;
    const text = `SELECT 1, ${base} FROM ${item.sql} UNION ALL ${more}`;
    return `WITH RECURSIVE ${name}(n, ${names.join(", ")}) AS (${text}) SELECT ${names.join(", ")} FROM ${name}`;
  }

  /** @returns a text value made of what stands in the items */
  value(items: readonly Item[], depth: number): string {
    const kind = this.#roll(depth > 1 ? 16 : 3);
    const part = () => this.value(items, depth - 1);
    switch (kind) {
      case 0:
        return this.ref(items);
      case 1:
        return `upper(${this.ref(items)})`;
      case 2:
        return this.#row(this.#one(items.filter(({ row }) => row)));
      case 3:
        return `${part()} || ${part()}`;
      case 4:
        return `coalesce(${part()}, ${part()})`;
      case 5:
        return `CASE WHEN ${part()} IS NULL THEN ${part()} ELSE ${part()} END`;
      case 6:
        return `(ARRAY[${part()}, ${part()}])[2]`;
      case 7:
        return `(SELECT ${part()} LIMIT 1)`;
      case 8:
        return `(${this.query(1, depth - 1, [], items)} LIMIT 1)`;
      case 9:
        return `array_to_string(ARRAY(${this.query(1, depth - 1, [], items)}), ',')`;
      case 10:
        return `(json_build_object('a', ${part()}, 'b', ${part()}) ->> '${this.#one(["a", "b"])}')`;
      case 11:
        return `string_agg(${part()}, '') OVER (${this.#one(["", `PARTITION BY ${this.ref(items)}`])})`;
      case 12:
        return `format('%s-%s', ${part()}, ${part()})`;
      case 13:
        return `greatest(${part()}, ${part()})`;
      case 14:
        return `(SELECT r.v FROM (SELECT ${part()} AS v) r)`;
      default:
        return `regexp_replace(${part()}, 'zzz', ${part()})`;
    }
  }

  #row(item: { readonly name?: string; readonly alias?: string } | undefined): string {
    const name = item?.alias ?? item?.name;
    if (name === undefined) return "'none'";
    return this.#one([
      `${name}::text`,
      `to_jsonb(${name})::text`,
      `ROW(${name}.*)::text`,
      `row_to_json(${name}) ->> 'k'`,
    ]);
  }

  ref(items: readonly Item[]): string {
    const item = this.#one(items);
    return item === undefined ? "'none'" : `${item.alias}.${this.#one(item.columns)}`;
  }

  #where(items: readonly Item[]): string {
    return this.#roll(3) === 1 ? ` WHERE ${this.ref(items)} IS NOT NULL` : "";
  }

  #items(depth: number, given: readonly Item[] = []): readonly Item[] {
    const items: Item[] = [...given];
    for (let count = given.length > 0 ? this.#roll(2) : 1 + this.#roll(2); count > 0; count -= 1) {
      items.push(this.#item(depth, items));
    }
    return items;
  }

  #item(depth: number, before: readonly Item[]): Item {
    const alias = this.#name();
    const kind = this.#roll(depth > 1 ? 7 : 1);
    const [x, y] = [this.#name(), this.#name()];
    if (kind === 1)
      return { sql: `(${this.query(2, depth - 1)}) AS ${alias}(${x}, ${y})`, alias, columns: [x, y], row: true };
    if (kind === 2 && before.length > 0) {
      return {
        sql: `LATERAL (${this.query(2, depth - 1, [], before)}) AS ${alias}(${x}, ${y})`,
        alias,
        columns: [x, y],
        row: true,
      };
    }
    if (kind === 3) {
      return { sql: `unnest(ARRAY[${this.value(before, 1)}]) AS ${alias}(${x})`, alias, columns: [x], row: false };
    }
    const table = this.table();
    if (kind === 4) {
      const other = this.table();
      const both = [...table.columns, ...other.columns];
      const unique = both.filter((name) => both.indexOf(name) === both.lastIndexOf(name));
      if (unique.length === 0) return this.#plain(table, alias);
      return {
        sql: `(${table.name} NATURAL FULL JOIN ${other.name} AS ${this.#name()}) AS ${alias}`,
        alias,
        columns: unique,
        row: true,
      };
    }
    if (kind === 5)
      return { sql: `${table.name} AS ${alias}(k, ${x})`, alias, columns: [x, ...table.columns.slice(1)], row: true };
    if (kind === 6)
      return {
        sql: `jsonb_each_text((SELECT to_jsonb(${alias}j) FROM ${table.name} ${alias}j LIMIT 1)) AS ${alias}(${x}, ${y})`,
        alias,
        columns: [y],
        row: true,
      };
    return this.#plain(table, alias);
  }

  #plain(table: Table, alias: string): Item {
    return { sql: `${table.name} AS ${alias}`, alias, columns: table.columns, row: true };
  }

  table(): Table {
    return this.#one(tables);
  }

  target(): Table {
    return this.#one(targets);
  }

  #list(width: number, make: () => string): string {
    return Array.from({ length: width }, make).join(", ");
  }

  #one<T>(list: readonly T[]): T {
    return list[this.#roll(Math.max(1, list.length))] as T;
  }

  #name(): string {
    this.#names += 1;
    return `t${this.#names}`;
  }
}
