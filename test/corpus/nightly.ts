/** What services do by night: reloads, marts, exports, cleaning, maintenance, and once a week an announced migration. */
import type { Subject } from "../../schemas/event.ts";
import type { Dice } from "../correlator/dice.ts";
import { type Act, command } from "./act.ts";
import { managed, plain, tagged } from "./company.ts";
import type { Book } from "./reading.ts";
import type { Staff } from "./staff.ts";

const minute = 60_000;
const hour = 60 * minute;
const columns = "id, name, email, secret, note, changed";

/** @returns the original that is rebuilt on this day, once a week */
export function migratedOn(day: number, seed: number): string | null {
  return day % 7 === 3 ? (tagged[(day * 3 + seed * 11) % tagged.length] ?? null) : null;
}

/** @param dayMs its midnight; @param migrated see migratedOn */
export function nightOf(
  book: Book,
  staff: Staff,
  dice: Dice,
  day: number,
  dayMs: number,
  migrated: string | null,
): Act[] {
  const acts: Act[] = [];
  const run = (subject: Subject, startMs: number) => {
    let atMs = startMs;
    return (text: string, rows = 1) => {
      atMs += 200 + dice(20_000);
      acts.push(command(atMs, subject, book.read(text), { rows }));
    };
  };
  for (const table of managed)
    reload(run(staff.service(`etl_${table}`, day), dayMs + hour + dice(90) * minute), table, dice);
  const dump = run(staff.service("backup", day), dayMs + 4 * hour);
  for (const table of [...tagged, ...plain]) dump(`COPY public.${table} TO STDOUT`, 100_000);
  for (const table of managed) dump(`COPY mart.${table} TO STDOUT`, 100_000);
  const feed = run(staff.service("partner_feed", day), dayMs + 5 * hour);
  for (const table of managed.slice(0, 3))
    feed(`COPY (SELECT id, email FROM mart.${table} WHERE changed > now() - interval '1 day') TO STDOUT`, 900);
  const sync = run(staff.service("crm_sync", day), dayMs + 5 * hour);
  for (const table of managed.slice(0, 6)) sync(`SELECT id, name, email FROM public.${table} WHERE changed > $1`, 700);
  janitor(run(staff.service("janitor", day), dayMs + 3 * hour), dice);
  if (day % 7 === 6) {
    const upkeep = run(staff.service("upkeep", day), dayMs + 2 * hour);
    for (const table of [...tagged, ...plain]) upkeep(`VACUUM public.${table}`);
    for (const table of tagged) upkeep(`REINDEX TABLE public.${table}`);
  }
  if (migrated !== null) migration(run, staff, migrated, day, dayMs + 10 * hour);
  return acts;
}

type Run = (text: string, rows?: number) => void;

/** One account from end to end: staging emptied and filled again in one transaction, then the mart. */
function reload(run: Run, table: string, dice: Dice): void {
  run("BEGIN");
  run(`TRUNCATE staging.${table}`);
  run(`INSERT INTO staging.${table} (${columns}) SELECT ${columns} FROM public.${table}`, 50_000);
  run("COMMIT");
  if (dice(2) === 0) {
    run(`DELETE FROM mart.${table}`, 50_000);
    run(`INSERT INTO mart.${table} SELECT * FROM staging.${table}`, 50_000);
  } else {
    run(
      `INSERT INTO mart.${table} (${columns}) SELECT ${columns} FROM staging.${table} ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email`,
      50_000,
    );
    run(`DELETE FROM mart.${table} m WHERE NOT EXISTS (SELECT 1 FROM staging.${table} s WHERE s.id = m.id)`, 12);
  }
  run(`ANALYZE mart.${table}`);
}

/** Empties what is old: sessions, queues, and scratch tables of others that hold nothing tagged. */
function janitor(run: Run, dice: Dice): void {
  for (const table of plain.slice(0, 12))
    run(`DELETE FROM public.${table} WHERE changed < now() - interval '30 days'`, 300);
  for (const table of plain.slice(12, 16)) run(`TRUNCATE public.${table}`);
  for (let count = 0; count < 6; count += 1) run(`DROP TABLE scratch.w${String(dice(60)).padStart(4, "0")}`);
}

/** The change desk freezes the table, minutes later the administrator rebuilds it. */
function migration(
  run: (subject: Subject, startMs: number) => Run,
  staff: Staff,
  table: string,
  day: number,
  atMs: number,
): void {
  run(staff.service("change_desk", day), atMs)(`ALTER TABLE public.${table} SET (fillfactor = 90)`);
  const rebuild = run(staff.service("dba", day), atMs + 5 * minute);
  rebuild("BEGIN");
  rebuild(`CREATE TABLE public.${table}_new AS SELECT * FROM public.${table}`, 100_000);
  rebuild(`TRUNCATE public.${table}`);
  rebuild(`INSERT INTO public.${table} SELECT * FROM public.${table}_new`, 100_000);
  rebuild(`DROP TABLE public.${table}_new`);
  rebuild("COMMIT");
}
