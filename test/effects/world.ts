/** A real PostgreSQL with a small schema full of traps, and a Reader of it. Shared by the tests of one file. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { startPostgres } from "../../infra/deploy/postgres.ts";
import type { NameContext } from "../../services/gateway/effects/reader.ts";
import type { CatalogAccount } from "../../services/gateway/postgres/catalog.ts";
import { createReader, type TargetReader } from "../../services/gateway/postgres/read-target.ts";

const schema = `
  CREATE ROLE extract LOGIN PASSWORD 'x';
  CREATE ROLE loader LOGIN PASSWORD 'x';
  CREATE ROLE nobody LOGIN PASSWORD 'x';
  CREATE TABLE customers (id int PRIMARY KEY, name text, email text UNIQUE, card text, region text);
  CREATE TABLE staging (id int, name text, email text);
  CREATE TABLE orders (id serial PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE, total numeric);
  CREATE TABLE visits (customer int REFERENCES customers ON DELETE SET NULL, page text);
  CREATE TABLE notes (id int, body text);
  CREATE VIEW v_customers AS SELECT id AS key, email AS contact, upper(name) AS shout FROM customers;
  CREATE VIEW v_over AS SELECT contact AS c2, key FROM v_customers WHERE shout <> 'X';
  CREATE MATERIALIZED VIEW mv AS SELECT email, region FROM customers;
  CREATE TABLE parted (id int, email text) PARTITION BY RANGE (id);
  CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
  CREATE TABLE people (id int, email text);
  CREATE TABLE vips (perk text) INHERITS (people);
  CREATE FUNCTION f_any(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN $1; END $$;
  CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN $1; END $$;
  CREATE FUNCTION near(text, text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RETURN true; END $$;
  CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = near);
  CREATE FUNCTION fits(text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RETURN true; END $$;
  CREATE DOMAIN checked AS text CHECK (fits(VALUE));
  CREATE TABLE typed (id int, c checked);
  CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
  CREATE TABLE audited (id int, t text);
  CREATE TRIGGER a AFTER INSERT ON audited FOR EACH ROW EXECUTE FUNCTION trg();
  CREATE TABLE ruled (id int);
  CREATE RULE r AS ON DELETE TO ruled DO INSTEAD NOTHING;
  CREATE TABLE defaulted (id int, t text DEFAULT f_any('x'));
  CREATE TABLE secured (id int, who text);
  ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
  CREATE POLICY p ON secured USING (EXISTS (SELECT 1 FROM notes n WHERE n.body = who));
  CREATE SCHEMA other;
  CREATE TABLE other.customers (id int, x text);
  CREATE TABLE "a.b" (id int);
  CREATE TABLE "customers#email" (id int);
  CREATE SEQUENCE seq1;
  CREATE TABLE made (id int, email text, twin text GENERATED ALWAYS AS (email || '') STORED);
  CREATE FUNCTION part(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
  CREATE TABLE split (id int) PARTITION BY RANGE (part(id));
  GRANT SELECT ON customers TO extract;
  GRANT SELECT (id, name) ON staging TO loader;
  GRANT USAGE ON SCHEMA other TO extract;`;

export const names: NameContext = { searchPath: ["$user", "public"], role: "postgres", definesPending: false };

export interface World {
  readonly reader: TargetReader;
  readonly account: CatalogAccount;
  /** As superuser, straight to PostgreSQL. */
  readonly client: pg.Client;
  end(): Promise<void>;
}

export async function openWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "throughline-effects-"));
  const postgres = await startPostgres({ folder, settings: { fsync: "off" } });
  const { port, password, superuser: user } = postgres;
  const account: CatalogAccount = { host: "127.0.0.1", port, database: "postgres", user, password, tls: "disable" };
  const client = new pg.Client({ host: "127.0.0.1", port, database: "postgres", user, password });
  await client.connect();
  await client.query(schema);
  const reader = await createReader({ target: "orders", account, now: Date.now });
  return {
    reader,
    account,
    client,
    async end() {
      await reader.close();
      await client.end();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
