/** The ways in which the people of a chain say the same thing in SQL. */
import type { Dice } from "../correlator/dice.ts";

function one(texts: readonly string[], dice: Dice): string {
  return texts[dice(texts.length)] ?? "";
}

export function readText(from: string, dice: Dice): string {
  return one(
    [
      `SELECT * FROM ${from}`,
      `SELECT email FROM ${from} WHERE id < $1`,
      `SELECT id, email, secret FROM ${from} ORDER BY id LIMIT 5000`,
      `WITH c AS (SELECT * FROM ${from}) SELECT c.name, c.email FROM c`,
      `SELECT id, name FROM public.app_01 UNION ALL SELECT id, email FROM ${from}`,
      `SELECT (SELECT max(t.email) FROM ${from} t WHERE t.id = a.id) FROM public.app_02 a`,
    ],
    dice,
  );
}

export function copyText(from: string, to: string, dice: Dice): string {
  return one(
    [
      `CREATE TABLE ${to} AS SELECT * FROM ${from}`,
      `SELECT * INTO ${to} FROM ${from}`,
      `INSERT INTO ${to} SELECT * FROM ${from}`,
      `INSERT INTO ${to} (id, email) SELECT id, email FROM ${from} WHERE changed > $1`,
      `WITH c AS (SELECT id, email FROM ${from}) INSERT INTO ${to} (id, email) SELECT id, lower(email) FROM c`,
      `MERGE INTO ${to} d USING ${from} s ON d.id = s.id WHEN NOT MATCHED THEN INSERT (id, email) VALUES (s.id, s.email)`,
      `INSERT INTO ${to} (id, email) SELECT s.id, coalesce(s.email, a.note) FROM ${from} s JOIN public.app_03 a USING (id)`,
    ],
    dice,
  );
}

/** Nobody has read the function's body. */
export function opaqueCopyText(from: string, to: string): string {
  return `INSERT INTO ${to} (id, name, email) SELECT id, public.tidy(name), email FROM ${from}`;
}

export function renameText(from: string, to: string): string {
  return `ALTER TABLE ${from} RENAME TO ${to.slice(to.indexOf(".") + 1)}`;
}

export function destroyText(place: string, dice: Dice): string {
  return one(
    [
      `DROP TABLE ${place}`,
      `TRUNCATE ${place}`,
      `DELETE FROM ${place}`,
      `DELETE FROM ${place} WHERE id >= $1`,
      `UPDATE ${place} SET email = NULL, note = ''`,
      `MERGE INTO ${place} d USING public.app_04 s ON d.id > s.id WHEN MATCHED THEN DELETE`,
    ],
    dice,
  );
}

export function wipeText(table: string, dice: Dice): string {
  return one(
    [
      `DROP TABLE ${table}`,
      `TRUNCATE ${table}`,
      `DROP TABLE IF EXISTS ${table} CASCADE`,
      `TRUNCATE TABLE ONLY ${table}`,
    ],
    dice,
  );
}

export function exportText(from: string, dice: Dice): string {
  return one(
    [
      `COPY ${from} TO STDOUT`,
      `COPY (SELECT * FROM ${from}) TO STDOUT`,
      `COPY (SELECT s.* FROM ${from} s JOIN public.app_05 a ON a.id = s.id) TO STDOUT WITH (FORMAT csv)`,
    ],
    dice,
  );
}
