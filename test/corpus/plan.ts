/**
 * Chains and decoys: who does what in which order, and when. A chain is a graph of dependent steps tied by one kind of
 * link; a decoy is the same but for one thing, which its label names. The people of a plan are in no other plan.
 */
import type { Dice } from "../correlator/dice.ts";
import { type Act, command, type LinkType, type Plan, subjectOf, traceOf } from "./act.ts";
import { scratchTables, tagged } from "./company.ts";
import { staffScratch } from "./daily.ts";
import type { Book } from "./reading.ts";
import { type Line, script } from "./script.ts";

const dayMs = 86_400_000;
export const windowMs = 30 * dayMs;
/** Of chains by address, how many of 100 go through the address that the whole office shares, where no rule can tell. */
const sharedAddressPercent = 3;
/** Rows of a table that staff are shown and keep, and how many each plan has of its own. */
const pastedRows = 5_000;
const planRows = 400;
/** Originals that decoys announce to change, so that no chain about the same table is excused by it. */
const announcedTables = 4;

/** By link: what can make a plan a decoy. */
export const decoys: Readonly<Record<LinkType, readonly string[]>> = {
  flow: ["one account", "other data", "too late", "undone", "failed", "emptied", "untagged", "wrong order"],
  lineage: ["announced", "nothing tagged"],
  task: ["one account", "other data", "too late", "other task", "wrong order", "untagged"],
  actor: ["one account", "other data", "too late", "other actor", "wrong order"],
  trace: ["one account", "other data", "too late", "other trace", "wrong order"],
  content: ["one account", "other data", "too late", "too few", "wrong order"],
  address: ["one identity", "other data", "too late", "other address", "wrong order"],
  tie: ["one account", "other data", "too late", "other actor"],
  opaque: [],
};

/** Where more people would complete a chain among themselves, or fewer would have nothing to leave out. */
function accountsFor(link: LinkType, most: number, decoy: string | null): number {
  if (link === "flow" && (decoy === "emptied" || decoy === "too late")) return 2;
  if (decoy === "untagged" || link === "content") return Math.max(3, most);
  // A copy that one makes and another takes out is a chain by flow, whoever they are.
  const isAlone = decoy === null || decoy === "one account" || link === "flow" || link === "lineage";
  return isAlone ? most : 2;
}

const desk = subjectOf({ identity: "change_desk", account: "change_desk", task: "changes", address: "10.1.0.1" });

export interface Planned {
  readonly plan: Plan;
  readonly acts: readonly Act[];
}

export interface World {
  readonly book: Book;
  readonly dice: Dice;
  readonly startMs: number;
  readonly days: number;
  /** Whether the change desk announces a change of this original between two times. */
  readonly isMigrated: (table: string, fromMs: number, toMs: number) => boolean;
}

export class Planner {
  readonly #world: World;
  #scratch = staffScratch.untagged + staffScratch.tagged;
  #row = pastedRows;

  constructor(world: World) {
    this.#world = world;
  }

  make(id: string, link: LinkType, most: number, decoy: string | null): Planned {
    const { dice, startMs, days } = this.#world;
    const accounts = accountsFor(link, most, decoy);
    const spanMs = decoy === "too late" ? windowMs + 1 + dice(dayMs) : this.#span();
    const atMs = startMs + 2 * dayMs + dice(1_000_000) * Math.max(0, ((days - 3) * dayMs - spanMs) / 1_000_000);
    const [table, other] = this.#tables(atMs, atMs + spanMs, decoy === "announced");
    const scratch = () => {
      this.#scratch += 1;
      const place = this.#scratch % scratchTables;
      if (place === 0) this.#scratch = staffScratch.untagged + staffScratch.tagged;
      return `scratch.w${String(this.#scratch % scratchTables).padStart(4, "0")}`;
    };
    this.#row += planRows;
    const { rule, lines } = script({ link, accounts, decoy, table, other, scratch, row: this.#row, dice });
    const plan: Plan = { id, link, decoy, rule, accounts, spanMs };
    return { plan, acts: this.#play(plan, lines, atMs) };
  }

  /** From 1 s to 30 d, evenly by order of magnitude. */
  #span(): number {
    const { dice, days } = this.#world;
    const mostMs = Math.min(windowMs, (days - 3) * dayMs);
    return Math.round(1_000 * (mostMs / 1_000) ** (dice(1_000_000) / 999_999));
  }

  /** Two originals, the first of which nobody announces to change meanwhile. */
  #tables(fromMs: number, toMs: number, announced: boolean): readonly [string, string] {
    const { dice, isMigrated } = this.#world;
    const names = announced ? tagged.slice(-announcedTables) : tagged.slice(0, -announcedTables);
    const first = dice(names.length);
    const order = names.map((_, index) => names[(first + index) % names.length] ?? "");
    const quiet = order.find((table) => !isMigrated(table, fromMs - dayMs, toMs + dayMs)) ?? "";
    return [`public.${quiet}`, `public.${order.find((table) => table !== quiet) ?? ""}`];
  }

  #play(plan: Plan, lines: readonly Line[], startMs: number): Act[] {
    const { book } = this.#world;
    const cast = this.#cast(plan);
    const times = this.#times(lines.length, startMs, plan.spanMs);
    const acts: Act[] = [...cast.links(times)];
    for (const [index, { by, texts, failed, untag, announced, values }] of lines.entries()) {
      const atMs = times[index] ?? startMs;
      const last = index === lines.length - 1;
      if (untag !== undefined)
        acts.push({
          kind: "untag",
          atMs,
          resource: `shop/${untag}`,
          tags: ["pii", "card"],
          by: "https://id.example|steward",
        });
      if (announced !== undefined)
        acts.push(
          command(atMs - Math.min(30_000, (atMs - (times[index - 1] ?? atMs)) / 2), desk, book.read(announced)),
        );
      const label = { plan, step: index + 1, last: false };
      for (const [place, text] of texts.entries())
        acts.push(
          command(atMs, cast.subject(by, index, last), book.read(text), {
            rows: 1_000,
            failed: failed === true,
            trace: cast.trace(index),
            values: (place === texts.length - 1 ? values : null) ?? null,
            label: { ...label, last: last && place === texts.length - 1 },
          }),
        );
      if (!last) acts.push(...this.#unrelated(cast, by, atMs, times[index + 1] ?? atMs));
    }
    return acts;
  }

  #times(count: number, startMs: number, spanMs: number): number[] {
    const inner = Array.from(
      { length: Math.max(0, count - 2) },
      () => startMs + (spanMs * this.#world.dice(10_000)) / 10_000,
    );
    return [startMs, ...inner.sort((a, b) => a - b), ...(count > 1 ? [startMs + spanMs] : [])].map(Math.round);
  }

  /** What the same account does between two steps, for another task. */
  #unrelated(cast: Cast, by: number, fromMs: number, toMs: number): Act[] {
    const { book, dice } = this.#world;
    const texts = [
      "SELECT * FROM public.app_06 WHERE id = $1",
      "UPDATE public.app_07 SET note = $1 WHERE id = $2",
      "DELETE FROM public.app_08 WHERE id = $1",
    ];
    return Array.from({ length: 1 + dice(3) }, (_, index) =>
      command(
        fromMs + ((toMs - fromMs) * dice(1_000)) / 1_000,
        cast.unrelated(by),
        book.read(texts[index % texts.length] ?? ""),
      ),
    );
  }

  #cast(plan: Plan): Cast {
    return new Cast(plan, this.#world.dice);
  }
}

/** The people of one plan: what ties them, and what they do not share. */
class Cast {
  readonly #plan: Plan;
  readonly #accounts: readonly string[];
  readonly #home: string;
  readonly #kind: number;
  readonly #late: boolean;
  readonly #addresses: readonly string[];

  constructor(plan: Plan, dice: Dice) {
    this.#plan = plan;
    const first = dice(60);
    this.#accounts = Array.from({ length: 8 }, (_, index) => `user_${(first + index * 7) % 60}`);
    const own = () => `${11 + dice(150)}.${dice(256)}.${dice(256)}.${1 + dice(254)}`;
    this.#home =
      plan.link === "address" && plan.decoy === null && dice(100) < sharedAddressPercent ? "10.0.0.1" : own();
    this.#addresses = Array.from({ length: 8 }, own);
    this.#kind = dice(3);
    this.#late = dice(2) === 0;
  }

  #isTied(): boolean {
    const { decoy } = this.#plan;
    return decoy === null || !decoy.startsWith("other ") || decoy === "other data";
  }

  #identity(by: number): string {
    const { link, id, decoy } = this.#plan;
    const same = (link === "actor" && this.#kind === 0 && this.#isTied()) || decoy === "one identity";
    return same ? `${id}-p` : `${id}-p${by}`;
  }

  #account(by: number): string {
    const { decoy } = this.#plan;
    return this.#accounts[decoy === "one account" || decoy === "one identity" ? 0 : by] ?? "";
  }

  /** A child task for everything after the first step, a grandchild for the last one. */
  #task(index: number, last: boolean): string {
    const { link, id, decoy } = this.#plan;
    if (link !== "task" && link !== "opaque") return `${id}-t${index}`;
    if (decoy === "other task") return `${id}-t${index}`;
    return index === 0 || this.#kind === 0 ? `${id}-t` : last && this.#kind === 2 ? `${id}-t.a.b` : `${id}-t.a`;
  }

  subject(by: number, index: number, last: boolean) {
    const { link, id } = this.#plan;
    const identity = this.#identity(by);
    const address = link === "address" && this.#isTied() ? this.#home : (this.#addresses[by] ?? "");
    const behalf = link === "actor" && this.#kind === 1 && this.#isTied() ? { onBehalfOf: [`${id}-boss`] } : {};
    return subjectOf({ identity, account: this.#account(by), task: this.#task(index, last), address, ...behalf });
  }

  /** One for all steps, or each its own. */
  trace(index: number): string | null {
    const { link, id } = this.#plan;
    return link === "trace" ? traceOf(this.#isTied() ? id : `${id} ${index}`) : null;
  }

  unrelated(by: number) {
    const { id } = this.#plan;
    return subjectOf({
      identity: this.#identity(by),
      account: this.#account(by),
      task: `${id}-other${by}`,
      address: this.#addresses[by] ?? "",
    });
  }

  /** What the log says of who belongs together, at the start or only between the last two steps. */
  links(times: readonly number[]): Act[] {
    const { link, id, accounts } = this.#plan;
    const atMs = (this.#late ? times.at(-2) : times[0]) ?? 0;
    const identities = Array.from({ length: accounts }, (_, by) => `https://id.example|${this.#identity(by)}`);
    if (!this.#isTied()) return [];
    if (link === "tie") return [{ kind: "link", atMs, identities, strength: "weak" }];
    if (link === "actor" && this.#kind === 2) return [{ kind: "link", atMs, identities, strength: "strong" }];
    if (link === "actor" && this.#kind === 1)
      return identities.map((_, by) => ({
        kind: "task",
        atMs: times[0] ?? 0,
        subject: this.subject(by, by, false),
        task: `${id}-t${by}`,
        parent: "",
      }));
    if (link !== "task" && link !== "opaque") return [];
    const subject = this.subject(0, 0, false);
    const told = (task: string, parent: string): Act => ({ kind: "task", atMs: times[0] ?? 0, subject, task, parent });
    return [told(`${id}-t.a`, `${id}-t`), told(`${id}-t.a.b`, `${id}-t.a`)];
  }
}
