/** Random SELECTs over the world's tables: names, joins, subqueries and stars in every mixture. */
import fc from "fast-check";

const relations: Readonly<Record<string, readonly string[]>> = {
  customers: ["id", "name", "email", "card", "region"],
  staging: ["id", "name", "email"],
  orders: ["id", "customer", "total"],
  v_customers: ["key", "contact", "shout"],
  v_over: ["c2", "key"],
  mv: ["email", "region"],
  parted_1: ["id", "email"],
  vips: ["id", "email", "perk"],
};

interface Item {
  readonly sql: string;
  readonly alias: string;
  readonly columns: readonly string[];
}

type Roll = (sides: number) => number;

/** @returns a query; it may be one that PostgreSQL refuses (an ambiguous name) */
export const query: fc.Arbitrary<string> = fc
  .array(fc.nat({ max: 1_000_000 }), { minLength: 60, maxLength: 60 })
  .map((dice) => {
    let at = 0;
    const roll: Roll = (sides) => (dice[at++ % dice.length] ?? 0) % sides;
    let made = 0;
    return select(roll, () => `t${made++}`, 3).sql;
  });

function select(roll: Roll, name: () => string, depth: number): { sql: string; columns: readonly string[] } {
  const items = Array.from({ length: 1 + roll(2) }, () => item(roll, name, depth - 1));
  const cte = depth > 1 && roll(4) === 0 ? select(roll, name, depth - 1) : null;
  const cteName = name();
  if (cte) items.push({ sql: cteName, alias: cteName, columns: cte.columns });
  const targets = Array.from({ length: 1 + roll(3) }, () => target(roll, items));
  const join = roll(3) === 0 ? " JOIN " : " CROSS JOIN ";
  const from = items
    .map(({ sql }) => sql)
    .reduce((left, right) => (join === " JOIN " ? `${left} JOIN ${right} ON true` : `${left}${join}${right}`));
  const where = roll(3) === 0 ? ` WHERE ${ref(roll, items)} IS NOT NULL` : "";
  const tail = roll(4) === 0 ? " ORDER BY 1" : "";
  const distinct = roll(6) === 0 ? "DISTINCT " : "";
  const sql = `${cte ? `WITH ${cteName} AS (${cte.sql}) ` : ""}SELECT ${distinct}${targets.map((one) => one.sql).join(", ")} FROM ${from}${where}${tail}`;
  return { sql, columns: targets.flatMap((one) => one.columns) };
}

function item(roll: Roll, name: () => string, depth: number): Item {
  const alias = name();
  const kind = roll(depth > 0 ? 6 : 3);
  if (kind >= 4) {
    const inner = select(roll, name, depth);
    return { sql: `(${inner.sql}) AS ${alias}`, alias, columns: inner.columns };
  }
  const names = Object.keys(relations);
  const relation = names[roll(names.length)] ?? "customers";
  const columns = relations[relation] ?? [];
  if (kind === 1) return { sql: `${relation} AS ${alias}(x, y)`, alias, columns: ["x", "y", ...columns.slice(2)] };
  if (kind === 3) {
    const other = name();
    return {
      sql: `(customers AS ${other} NATURAL JOIN staging) AS ${alias}`,
      alias,
      columns: ["id", "name", "email", "card", "region"],
    };
  }
  return { sql: `public.${relation} AS ${alias}`, alias, columns };
}

function target(roll: Roll, items: readonly Item[]): { sql: string; columns: readonly string[] } {
  const one = items[roll(items.length)];
  switch (roll(6)) {
    case 0:
      return { sql: "*", columns: items.flatMap(({ columns }) => columns) };
    case 1:
      return { sql: `${one?.alias}.*`, columns: one?.columns ?? [] };
    case 2:
      return { sql: `${ref(roll, items)} AS renamed`, columns: ["renamed"] };
    case 3:
      return { sql: `coalesce(${ref(roll, items)}::text, '') AS made`, columns: ["made"] };
    default: {
      const column = one?.columns[roll(one.columns.length)] ?? "id";
      return { sql: roll(2) === 0 ? `${one?.alias}.${column}` : column, columns: [column] };
    }
  }
}

function ref(roll: Roll, items: readonly Item[]): string {
  const one = items[roll(items.length)];
  return `${one?.alias}.${one?.columns[roll(one.columns.length)] ?? "id"}`;
}
