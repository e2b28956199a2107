/** What people and applications do by day. Applications make most of the commands, people most of what looks like a chain. */
import type { Subject } from "../../schemas/event.ts";
import type { Dice } from "../correlator/dice.ts";
import { type Act, addresses, command, traceOf, valuesText } from "./act.ts";
import { managed, plain, scratchName, tagged } from "./company.ts";
import type { Book, Spoken } from "./reading.ts";
import type { Person, Staff } from "./staff.ts";

const hour = 3_600_000;

function one<T>(list: readonly T[], dice: Dice): T {
  return list[dice(list.length)] as T;
}

/** Names of the scratch tables that staff use; those of plans come behind them. */
export const staffScratch = { untagged: 60, tagged: 400 } as const;

/** Texts of the applications with how often they come, of 1,000. */
function applicationTexts(book: Book): readonly (readonly [number, readonly Spoken[]])[] {
  const all = (tables: readonly string[], text: (table: string) => string) =>
    tables.map((table) => book.read(text(table)));
  return [
    [330, all(plain, (table) => `SELECT * FROM public.${table} WHERE id = $1`)],
    [
      120,
      all(
        plain,
        (table) =>
          `SELECT a.id, a.note FROM public.${table} a JOIN public.app_00 b ON b.id = a.id WHERE a.changed > $1 LIMIT 50`,
      ),
    ],
    [130, all(plain, (table) => `INSERT INTO public.${table} (id, name, note) VALUES ($1, $2, $3)`)],
    [90, all(plain, (table) => `UPDATE public.${table} SET note = $1, changed = now() WHERE id = $2`)],
    [30, all(plain, (table) => `DELETE FROM public.${table} WHERE id = $1`)],
    [
      10,
      all(
        plain,
        (table) =>
          `INSERT INTO public.${table} (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name`,
      ),
    ],
    [150, all(tagged, (table) => `SELECT id, name, email FROM public.${table} WHERE id = $1`)],
    [70, all(tagged, (table) => `SELECT id, name FROM public.${table} WHERE name = $1`)],
    [40, all(tagged, (table) => `INSERT INTO public.${table} (id, name, email) VALUES ($1, $2, $3)`)],
    [24, all(tagged, (table) => `UPDATE public.${table} SET email = $1, changed = now() WHERE id = $2`)],
    [4, all(tagged, (table) => `DELETE FROM public.${table} WHERE id = $1`)],
    [2, all(tagged, (table) => `UPDATE public.${table} SET email = NULL, secret = NULL WHERE id = $1`)],
  ];
}

/** The applications' day: commands one after the other, more at noon than at midnight. */
export function createApplications(book: Book, staff: Staff, dice: Dice) {
  const deck: (readonly Spoken[])[] = applicationTexts(book).flatMap(([share, texts]) =>
    Array<readonly Spoken[]>(share).fill(texts),
  );
  const services = ["shop_web", "shop_api", "shop_jobs", "shop_mail"];
  return (day: number, dayMs: number, commands: number): Act[] => {
    const subjects = services.flatMap((name) => [0, 1, 2].map((instance) => staff.service(name, day, instance)));
    const acts: Act[] = [];
    for (let count = 0; count < commands; count += 1) {
      const atMs = dayMs + (dice(4) === 0 ? dice(24 * hour) : 6 * hour + dice(14 * hour));
      acts.push(command(atMs, one(subjects, dice), one(one(deck, dice), dice)));
    }
    return acts;
  };
}

/** People's day. Each act is a small habit; none of them completes a rule but `handOver`, which is rare. */
export function peopleOn(book: Book, staff: Staff, dice: Dice, day: number, dayMs: number): Act[] {
  const acts: Act[] = [];
  const at = () => dayMs + 8 * hour + dice(10 * hour);
  const say = (subject: Subject, text: string, atMs = at(), rows = 1 + dice(500)) =>
    acts.push(command(atMs, subject, book.read(text), { rows }));
  for (const person of staff.analysts) {
    const me = person.on(`an_${person.name}`, day);
    for (let count = 0; count < 60; count += 1) say(me, question(dice));
    if (dice(2) === 0) scratchCopy(me, ownScratch(person, dice), say, dice, at());
    if (dice(6) === 0) untaggedScratch(me, say, dice);
    if (dice(3) === 0) acts.push(...pasted(book, me, ownScratch(person, dice), dice, at()));
  }
  for (const person of staff.engineers) {
    const [reading, writing] = [person.on(`ro_${person.name}`, day), person.on(`rw_${person.name}`, day)];
    for (let count = 0; count < 40; count += 1) say(reading, question(dice));
    for (let count = 0; count < 12; count += 1) say(writing, repair(dice));
    if (dice(4) === 0) scratchCopy(writing, ownScratch(person, dice), say, dice, at());
  }
  for (const person of staff.agents) {
    const [reading, writing] = [person.on("agent_reader", day), person.on("agent_writer", day)];
    for (let count = 0; count < 25; count += 1) {
      const [atMs, trace] = [at(), traceOf(`${person.name} ${day} ${count}`)];
      const also = (subject: Subject, text: string, laterMs: number) =>
        acts.push(command(atMs + laterMs, subject, book.read(text), { rows: 20, trace }));
      also(reading, question(dice), 0);
      also(reading, question(dice), 400);
      also(writing, repair(dice), 900);
    }
  }
  if (day % 30 === 17) handOver(staff, say, dice, day, at());
  return acts;
}

type Say = (subject: Subject, text: string, atMs?: number, rows?: number) => void;

function question(dice: Dice): string {
  const original = one(tagged, dice);
  const copied = one(managed, dice);
  const texts = [
    `SELECT count(*) FROM public.${original} WHERE changed > now() - interval '7 days'`,
    `SELECT id, name, email FROM public.${original} ORDER BY changed DESC LIMIT 100`,
    `SELECT * FROM mart.${copied} WHERE name LIKE $1`,
    `SELECT m.id, m.email, a.note FROM mart.${copied} m LEFT JOIN public.${one(plain, dice)} a ON a.id = m.id`,
    `WITH t AS (SELECT date_trunc('day', changed) AS d, count(*) AS n FROM public.${one(plain, dice)} GROUP BY 1) SELECT * FROM t ORDER BY d`,
    `SELECT name, count(*) FROM public.${one(plain, dice)} GROUP BY name HAVING count(*) > 3`,
  ];
  return one(texts, dice);
}

/** Writing without tagged data: what agents and engineers destroy all day. */
function repair(dice: Dice): string {
  const table = one(plain, dice);
  // Every second table is the archive of the one before it.
  const pair = 2 * dice(plain.length / 2);
  const texts = [
    `UPDATE public.${table} SET note = upper(note) WHERE id = $1`,
    `DELETE FROM public.${table} WHERE id = $1`,
    `INSERT INTO public.${plain[pair + 1]} (id, name) SELECT id, name FROM public.${plain[pair]} WHERE changed > $1 ON CONFLICT DO NOTHING`,
    `SELECT * FROM public.${table} WHERE id = $1 FOR UPDATE`,
  ];
  return one(texts, dice);
}

function ownScratch({ name }: Person, dice: Dice): string {
  const place = (name.startsWith("analyst") ? 0 : 12) + Number(name.replace(/\D/g, ""));
  return scratchName(staffScratch.untagged + place * 15 + dice(15));
}

/** A copy for today's question: made, looked at, mended and dropped with one account. */
function scratchCopy(me: Subject, place: string, say: Say, dice: Dice, startMs: number): void {
  const from = dice(2) === 0 ? `mart.${one(managed, dice)}` : `public.${one(tagged, dice)}`;
  const minute = 60_000;
  say(me, `DROP TABLE IF EXISTS ${place}`, startMs);
  say(me, `CREATE TABLE ${place} AS SELECT * FROM ${from}`, startMs + minute, 5_000);
  say(me, `UPDATE ${place} SET email = lower(email)`, startMs + (2 + dice(20)) * minute, 5_000);
  say(me, `SELECT name, email FROM ${place} WHERE note IS NOT NULL`, startMs + (30 + dice(60)) * minute);
  if (dice(4) > 0) say(me, `DROP TABLE ${place}`, startMs + (100 + dice(60)) * minute);
}

/** Values out of one's own result, kept for the afternoon: shown to many, brought back by one, dropped by the same. */
function pasted(book: Book, me: Subject, place: string, dice: Dice, startMs: number): Act[] {
  const [table, from] = [`public.${one(tagged, dice)}`, 10 * dice(400)];
  const read = book.read(`SELECT id, name, email FROM ${table} ORDER BY changed DESC LIMIT 100`);
  return [
    command(startMs, me, read, { rows: 30, values: { shown: addresses(table, from, 30) } }),
    command(startMs + hour / 6, me, book.read(`CREATE TABLE ${place} (id bigint, email text)`)),
    command(startMs + hour / 4, me, book.read(valuesText(place, 12)), {
      values: { brought: addresses(table, from, 12) },
    }),
    command(startMs + 2 * hour, me, book.read(`DROP TABLE ${place}`)),
  ];
}

/** The janitor drops it some night: a chain in all but the tag. */
function untaggedScratch(me: Subject, say: Say, dice: Dice): void {
  say(me, `CREATE TABLE ${scratchName(dice(staffScratch.untagged))} AS SELECT * FROM public.${one(plain, dice)}`);
}

/** Somebody clears away what a colleague left behind: legitimate, and to the letter what a rule forbids. */
function handOver(staff: Staff, say: Say, dice: Dice, day: number, startMs: number): void {
  const [leaver, heir] = [staff.analysts[0], staff.analysts[1]];
  if (leaver === undefined || heir === undefined) return;
  const place = scratchName(staffScratch.untagged + 399);
  say(
    leaver.on(`an_${leaver.name}`, day),
    `CREATE TABLE ${place} AS SELECT * FROM mart.${one(managed, dice)}`,
    startMs,
    5_000,
  );
  say(heir.on(`an_${heir.name}`, day), `DROP TABLE ${place}`, startMs + hour);
}
