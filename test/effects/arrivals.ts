/**
 * A target in which every value names the column it was planted in, so that it can be seen where it has come to. What
 * a Reading says of flows is folded as DETECTION §6 says; every mark that arrived must be among what it allows.
 */
import type pg from "pg";
import type { Effect, ResourceUri } from "../../schemas/command.ts";
import { columnUri, relationUri } from "../../services/gateway/effects/uri.ts";

export interface Table {
  readonly name: string;
  /** Its text columns, those that can be written; besides them there is `k`. */
  readonly columns: readonly string[];
  readonly generated?: readonly string[];
  /** `k` is unique. */
  readonly key?: boolean;
}

const written: readonly Table[] = [
  { name: "a", columns: ["a1", "a2"], key: true },
  { name: "b", columns: ["b1", "b2"] },
  { name: "c", columns: ["c1", "c2"], key: true },
  { name: "g", columns: ["g1", "g3"], generated: ["g2"], key: true },
  { name: "p", columns: ["p1", "p2"] },
  { name: "p_1", columns: ["p1", "p2"] },
  { name: "h", columns: ["h1"] },
  { name: "i", columns: ["h1", "i1"] },
  { name: "r", columns: ["r1", "r2"] },
  { name: "s", columns: ["s1", "s2"] },
  { name: "d", columns: ["d1", "d2"] },
  { name: "va", columns: ["v1"] },
];
export const targets = written;
export const tables: readonly Table[] = [
  ...written.filter(({ name }) => name !== "va"),
  { name: "va", columns: ["v1", "v2"] },
  { name: "vw", columns: ["w1", "w2"] },
  { name: "m", columns: ["m1", "m2"] },
  { name: "g", columns: ["g2", "g1"] },
];

export const schema = `
  CREATE SCHEMA other;
  CREATE TABLE a (k int UNIQUE, a1 text, a2 text);
  CREATE TABLE b (k int, b1 text, b2 text);
  CREATE TABLE c (k int UNIQUE, c1 text, c2 text);
  CREATE TABLE g (k int UNIQUE, g1 text, g3 text, g2 text GENERATED ALWAYS AS (g1 || '') STORED);
  CREATE TABLE p (k int DEFAULT 5, p1 text, p2 text) PARTITION BY RANGE (k);
  CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (100);
  CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (100) TO (1000);
  CREATE TABLE h (k int, h1 text);
  CREATE TABLE i (i1 text) INHERITS (h);
  CREATE TABLE r (k int, r1 text UNIQUE, r2 text);
  CREATE TABLE s (k int, s1 text REFERENCES r (r1) ON UPDATE CASCADE ON DELETE SET NULL, s2 text);
  CREATE TABLE d (k int, d1 text, d2 text, dv tsvector);
  CREATE VIEW va AS SELECT k, a1 AS v1, a2 || '' AS v2 FROM a;
  CREATE VIEW vw AS SELECT k, a1 AS w1, va.v2 || b2 AS w2 FROM a JOIN b USING (k) JOIN va USING (k);
  INSERT INTO a VALUES (1, 'z10z', 'z11z'), (2, 'z10z', 'z11z');
  INSERT INTO b VALUES (1, 'z12z', 'z13z'), (3, 'z12z', 'z13z');
  INSERT INTO c VALUES (1, 'z14z', 'z15z');
  INSERT INTO g VALUES (1, 'z16z', 'z17z');
  INSERT INTO p VALUES (1, 'z18z', 'z19z'), (200, 'z20z', 'z21z');
  INSERT INTO h VALUES (1, 'z22z');
  INSERT INTO i VALUES (1, 'z23z', 'z24z');
  INSERT INTO r VALUES (1, 'z25z', 'z26z');
  INSERT INTO s VALUES (1, 'z25z', 'z28z');
  INSERT INTO d VALUES (1, 'z29z', 'z30z', 'z31z');
  CREATE MATERIALIZED VIEW m AS SELECT k, c1 AS m1, c1 || c2 AS m2 FROM c;
  CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON d FOR EACH ROW
    EXECUTE FUNCTION tsvector_update_trigger(dv, 'pg_catalog.english', d1);`;

export const drop = "DROP SCHEMA IF EXISTS other, made, public CASCADE; CREATE SCHEMA public";

/** Marks by place. */
export type Marks = Map<ResourceUri, ReadonlySet<string>>;

/** What stands in each column that keeps values of its own. */
export async function look(client: pg.Client): Promise<Marks> {
  const found = await client.query(`SELECT n.nspname AS schema, c.relname AS name, a.attname AS column
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname IN ('public', 'other', 'made') AND a.attnum > 0 AND NOT a.attisdropped`);
  const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
  const places = found.rows.map(({ schema, name, column }) => ({
    uri: columnUri(relationUri("orders", schema, name), column),
    sql: `SELECT string_agg(${quote(column)}::text, ' ') AS all FROM ONLY ${quote(schema)}.${quote(name)}`,
  }));
  const { rows } = await client.query(places.map(({ sql }) => sql).join("\nUNION ALL "));
  return new Map(places.map(({ uri }, index) => [uri, new Set<string>(rows[index].all?.match(/z\d\dz/gi) ?? [])]));
}

/** What may stand where, after the effects, by DETECTION §6. */
export function fold(before: Marks, effects: readonly Effect[]): Marks {
  const now = new Map(before);
  for (const { operation, reads, writes, renames = [], flows } of effects) {
    const carries = operation === "write" || operation === "transform";
    const pairs = carries ? (flows ?? reads.flatMap((from) => writes.map((to) => [from, to] as const))) : [];
    const moves = [...pairs, ...renames].map(([from, to]) => ({ to, marks: originsOf(now, from) }));
    for (const { to, marks } of moves) now.set(to, new Set([...(now.get(to) ?? []), ...marks]));
  }
  for (const uri of effects.flatMap(({ ends, renames = [] }) => [...ends, ...renames.map(([old]) => old)])) {
    for (const place of now.keys()) if (place === uri || isInside(place, uri)) now.delete(place);
  }
  return now;
}

/** A place has what came to it, to what contains it and to what it contains. */
export function originsOf(marks: Marks, uri: ResourceUri): ReadonlySet<string> {
  const found = new Set<string>();
  for (const [place, set] of marks) {
    if (place === uri || isInside(place, uri) || isInside(uri, place)) for (const mark of set) found.add(mark);
  }
  return found;
}

function isInside(inner: string, outer: string): boolean {
  return inner.startsWith(outer) && "#./".includes(inner[outer.length] ?? "?");
}
