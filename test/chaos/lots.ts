/** The target's tables: many small lots, each with customers of its own, so that each has a chain of its own to complete. */
import type { Postgres } from "../../infra/deploy/postgres.ts";
import { direct } from "../demo/database.ts";
import { secret } from "./wire.ts";

/** Rows of a lot's customers. */
export const customers = 3;

export async function makeLots(postgres: Postgres, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, index) => `lot${String(index).padStart(4, "0")}`);
  await direct(postgres, "orders", async (client) => {
    for (let from = 0; from < names.length; from += 50)
      await client.query(
        names
          .slice(from, from + 50)
          .map(lotText)
          .join("\n"),
      );
  });
  return names;
}

const lotText = (lot: string) => `
  CREATE SCHEMA ${lot} AUTHORIZATION load;
  CREATE TABLE ${lot}.customers (id int, email text, card text);
  CREATE TABLE ${lot}.staging (id int, email text, card text);
  CREATE TABLE ${lot}.marks (mark text);
  INSERT INTO ${lot}.customers SELECT n, 'person' || n || '${secret}', '4000' || n FROM generate_series(1, ${customers}) n;
  ALTER TABLE ${lot}.customers OWNER TO load; ALTER TABLE ${lot}.staging OWNER TO load; ALTER TABLE ${lot}.marks OWNER TO load;
  GRANT USAGE ON SCHEMA ${lot} TO extract, transform, analyst, catalog;
  GRANT SELECT ON ${lot}.customers TO extract, transform;
  GRANT SELECT, INSERT, DELETE, TRUNCATE ON ${lot}.staging TO transform;
  GRANT SELECT, INSERT ON ${lot}.marks TO extract, transform;`;

/** Marks in rows that lasted. */
export async function lastingMarks(postgres: Postgres, lots: readonly string[]): Promise<string[]> {
  return direct(postgres, "orders", async (client) => {
    const found: string[] = [];
    for (const lot of lots) {
      const { rows } = await client.query<{ mark: string }>(`SELECT mark FROM ${lot}.marks`);
      found.push(...rows.map(({ mark }) => mark));
    }
    return found;
  });
}
