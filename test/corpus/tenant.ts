/** One company's log: everyday work of many days with chains and decoys planted in it, in order of time, from a seed. */
import { seeded } from "../correlator/dice.ts";
import { type Act, byTime, linkTypes, type Plan } from "./act.ts";
import { startMs } from "./company.ts";
import { createApplications, peopleOn } from "./daily.ts";
import { migratedOn, nightOf } from "./nightly.ts";
import { decoys, Planner } from "./plan.ts";
import type { Book } from "./reading.ts";
import { createStaff } from "./staff.ts";

const dayMs = 86_400_000;

export interface TenantOptions {
  readonly book: Book;
  readonly seed: number;
  /** With fewer than 36 chains are shorter than 30 days, and nothing comes too late. */
  readonly days: number;
  readonly chains: number;
  /** Of the applications in all: people and nights come on top. */
  readonly commands: number;
  /** Applications only: no people, no nights. */
  readonly quiet?: boolean;
}

export interface TenantLog {
  readonly plans: readonly Plan[];
  /** One array per day, each in order of time. */
  acts(): Generator<readonly Act[]>;
}

export function createTenant({ book, seed, days, chains, commands, quiet = false }: TenantOptions): TenantLog {
  const dice = seeded(seed * 7_919 + 17);
  for (let count = 0; count < 20; count += 1) dice(2);
  const migrated = (day: number) => migratedOn(day, seed);
  const isMigrated = (table: string, fromMs: number, toMs: number) => {
    for (let day = Math.floor((fromMs - startMs) / dayMs); day <= (toMs - startMs) / dayMs; day += 1)
      if (migrated(day) === table) return true;
    return false;
  };
  const planner = new Planner({ book, dice, startMs, days, isMigrated });
  const planned = [];
  for (let index = 0; index < chains; index += 1) {
    const link = linkTypes[index % linkTypes.length] ?? "flow";
    const round = Math.floor(index / linkTypes.length);
    const accounts = 2 + (round % 6);
    planned.push(planner.make(`c${seed}-${index}`, link, accounts, null));
    const kinds = decoys[link];
    const kind = kinds[round % Math.max(1, kinds.length)];
    const fits = kind !== "too late" || days >= 36;
    if (kind !== undefined && fits) planned.push(planner.make(`d${seed}-${index}`, link, 2 + dice(5), kind));
  }
  const byDay = new Map<number, Act[]>();
  for (const act of planned.flatMap(({ acts }) => acts)) {
    const day = Math.min(days - 1, Math.floor((act.atMs - startMs) / dayMs));
    byDay.set(day, [...(byDay.get(day) ?? []), act]);
  }
  return {
    plans: planned.map(({ plan }) => plan),
    *acts() {
      const daily = seeded(seed * 104_729 + 5);
      for (let count = 0; count < 20; count += 1) daily(2);
      const staff = createStaff(daily);
      const applications = createApplications(book, staff, daily);
      let late: Act[] = sharedDevices(staff);
      for (let day = 0; day < days; day += 1) {
        const at = startMs + day * dayMs;
        const today = [
          ...late,
          ...(byDay.get(day) ?? []),
          ...applications(day, at, Math.round(commands / days)),
          ...(quiet ? [] : peopleOn(book, staff, daily, day, at)),
          ...(quiet ? [] : nightOf(book, staff, daily, day, at, migrated(day))),
        ].sort(byTime);
        late = today.filter(({ atMs }) => atMs >= at + dayMs && day < days - 1);
        yield late.length === 0 ? today : today.slice(0, today.length - late.length);
      }
    },
  };
}

/** Weak evidence that means nothing: some people have used one another's device. */
function sharedDevices({ analysts, engineers }: ReturnType<typeof createStaff>): Act[] {
  return analysts.slice(0, 4).flatMap(({ name }, index) => {
    const other = engineers[index]?.name;
    const identities = [name, other].map((one) => `https://id.example|${one}`);
    return other === undefined ? [] : [{ kind: "link" as const, atMs: startMs, identities, strength: "weak" as const }];
  });
}
