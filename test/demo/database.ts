/**
 * The demo's target: database `orders` with customers and two copies, owned by the account of the load job.
 * Each play has a schema of its own, so that plays do not see each other's data.
 */
import pg from "pg";
import type { Postgres } from "../../infra/deploy/postgres.ts";

export const accounts = ["extract", "transform", "load", "analyst", "catalog"] as const;
export type DemoAccount = (typeof accounts)[number];

export const customers = 5_000;

/** The owner's own door, not through the gateway: for making and checking, never for playing. */
export async function direct<T>(
  postgres: Postgres,
  database: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const { port, superuser: user, password } = postgres;
  const client = new pg.Client({ host: "127.0.0.1", port, user, password, database });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Makes the database and its roles once; afterwards only sets the passwords again. */
export async function makeDatabase(
  postgres: Postgres,
  passwords: Readonly<Record<DemoAccount, string>>,
): Promise<void> {
  await direct(postgres, "postgres", async (client) => {
    const found = await client.query("SELECT 1 FROM pg_database WHERE datname = 'orders'");
    if (found.rowCount === 0) await client.query("CREATE DATABASE orders");
    for (const account of accounts) {
      const role = await client.query("SELECT 1 FROM pg_roles WHERE rolname = $1", [account]);
      if (role.rowCount === 0) await client.query(`CREATE ROLE ${account} LOGIN`);
      await client.query(`ALTER ROLE ${account} PASSWORD '${passwords[account]}'`);
    }
    await client.query("REVOKE ALL ON DATABASE orders FROM PUBLIC");
    await client.query(`GRANT CONNECT ON DATABASE orders TO ${accounts.join(", ")}`);
    await client.query("GRANT CREATE, TEMPORARY ON DATABASE orders TO load");
  });
}

/** A fresh schema for one play, with 5,000 made-up customers. */
export async function makeSchema(postgres: Postgres, schema: string): Promise<void> {
  await direct(postgres, "orders", async (client) => {
    await client.query(`
      CREATE SCHEMA ${schema} AUTHORIZATION load;
      SET ROLE load;
      SET search_path = ${schema};
      CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL, card text NOT NULL, region text NOT NULL);
      CREATE TABLE staging_customers (LIKE customers);
      CREATE TABLE reporting_customers (LIKE customers);
      CREATE TABLE regions (region text PRIMARY KEY, manager text NOT NULL);
      CREATE VIEW customer_regions AS SELECT region, count(*) AS customers FROM customers GROUP BY region;
      CREATE VIEW doomed_regions AS SELECT region FROM regions WHERE manager = 'Nora';
      INSERT INTO customers SELECT n, 'Customer ' || n, 'person' || n || '@example.com',
        '4000' || lpad((n * 7919 % 1000000000000)::text, 12, '0'), (ARRAY['north','south','east','west'])[n % 4 + 1]
        FROM generate_series(1, ${customers}) n;
      INSERT INTO regions VALUES ('north', 'Nora'), ('south', 'Sven'), ('east', 'Esra'), ('west', 'Wim');
      GRANT USAGE ON SCHEMA ${schema} TO extract, transform, analyst, catalog;
      GRANT SELECT ON customers TO extract, transform, analyst;
      GRANT SELECT ON regions, customer_regions TO extract, transform, analyst;
      GRANT SELECT, INSERT ON staging_customers TO transform;
      RESET ROLE;
      ANALYZE ${schema}.customers;
    `);
  });
}
