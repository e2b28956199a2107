/**
 * When a pipeline may run: five fields of cron (minute, hour, day of month, month, day of week), in UTC. As cron has it,
 * where both days are limited either is enough; 7 is Sunday too. No names, no `@daily`, no seconds.
 */
export interface Schedule {
  /** @param minute of 1970, UTC */
  readonly startsAt: (minute: number) => boolean;
}

const fields = [
  ["minute", 0, 59],
  ["hour", 0, 23],
  ["day of month", 1, 31],
  ["month", 1, 12],
  ["day of week", 0, 7],
] as const;

/** @throws Error that says which field is wrong */
export function parseSchedule(text: string): Schedule {
  const words = text.trim().split(/\s+/);
  if (words.length !== fields.length)
    throw new Error("has five fields: minute, hour, day of month, month, day of week; in UTC");
  const [minutes, hours, days, months, weekdays] = fields.map((field, at) => numbersOf(words[at] ?? "", field)) as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ];
  if (weekdays.has(7)) weekdays.add(0);
  const either = !words[2]?.startsWith("*") && !words[4]?.startsWith("*");
  return {
    startsAt(minute) {
      const time = minute * 60_000;
      const at = new Date(time);
      if (!minutes.has(at.getUTCMinutes()) || !hours.has(at.getUTCHours())) return false;
      if (!months.has(at.getUTCMonth() + 1)) return false;
      const [day, weekday] = [days.has(at.getUTCDate()), weekdays.has(at.getUTCDay())];
      return either ? day || weekday : day && weekday;
    },
  };
}

/** @returns when the window began that this moment is in, milliseconds; null when it is in none. A newer one ends an older. */
export function windowAt({ startsAt }: Schedule, atMs: number, forMs: number): number | null {
  const last = Math.floor(atMs / 60_000);
  for (let minute = last; minute * 60_000 + forMs > atMs; minute -= 1) if (startsAt(minute)) return minute * 60_000;
  return null;
}

/** Minutes looked ahead: a week and a day. */
const aheadMax = 8 * 1_440;

/** @returns when the next window begins after a moment, milliseconds; null when that is more than eight days off */
export function startAfter({ startsAt }: Schedule, atMs: number): number | null {
  const now = Math.floor(atMs / 60_000);
  for (let minute = now + 1; minute <= now + aheadMax; minute += 1) if (startsAt(minute)) return minute * 60_000;
  return null;
}

/** `*`, `5`, `1-5`, `*` or a range with `/n`, and several of these with commas. */
function numbersOf(word: string, [name, least, most]: (typeof fields)[number]): Set<number> {
  const found = new Set<number>();
  for (const part of word.split(",")) {
    const [, range, from = "", to, every] = /^(\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:\/([0-9]{1,2}))?$/.exec(part) ?? [];
    const low = range === "*" ? least : Number(from);
    const high = range === "*" ? most : to === undefined ? (every === undefined ? low : most) : Number(to);
    const step = Number(every ?? 1);
    if (range === undefined || low < least || high > most || low > high || step < 1)
      throw new Error(`the ${name} "${part}" is not understood; ${least} to ${most}, such as *, 5, 1-5, */15`);
    for (let number = low; number <= high; number += step) found.add(number);
  }
  return found;
}
