/** What came of a tenant's log: recall by kind of link, false holds by rule, and the first of each to learn from. */
import { type CommandAct, type LinkType, linkTypes, type Plan, strongLinks } from "./act.ts";
import type { Asked } from "./player.ts";

/** Of misses and false holds, how many are told in words. */
const toldMax = 20;

export interface Ending {
  readonly plan: Plan;
  /** Held by the rule that is meant for it, before it ran. */
  readonly held: boolean;
}

export interface Tally {
  commands: number;
  asked: number;
  /** Holds of steps of chains before their last one. */
  early: number;
  readonly endings: Ending[];
  /** Holds of what was no part of a chain, by who and which rules. */
  readonly falseHolds: Record<string, number>;
  /** By kind of decoy: how many there were, and how many were held at their last step. */
  readonly decoys: Record<string, [count: number, held: number]>;
  readonly told: string[];
}

export function createTally(): Tally {
  return { commands: 0, asked: 0, early: 0, endings: [], falseHolds: {}, decoys: {}, told: [] };
}

export function count(tally: Tally, act: CommandAct, { ruling, rules, sentence }: Asked): void {
  tally.commands += 1;
  if (ruling !== null) tally.asked += 1;
  const isHeld = ruling !== null && ruling !== "allow";
  const { label, subject, spoken } = act;
  const tell = (what: string) => {
    if (tally.told.length < toldMax)
      tally.told.push(`${what}: ${spoken.text.slice(0, 120)} [${rules.join(", ")}] ${sentence.slice(0, 300)}`);
  };
  if (label?.last === true) close(tally, label.plan, isHeld, rules, tell);
  if (!isHeld) return;
  if (label !== null && label.plan.decoy === null) {
    if (!label.last) tally.early += 1;
    return;
  }
  const who =
    label === null ? (subject.account ?? "").replace(/\d+$/, "") : `decoy ${label.plan.link}: ${label.plan.decoy}`;
  const key = `${who} [${rules.join(", ")}]`;
  tally.falseHolds[key] = (tally.falseHolds[key] ?? 0) + 1;
  if (tally.falseHolds[key] <= 2) tell(`false hold of ${who}`);
}

function close(
  tally: Tally,
  plan: Plan,
  isHeld: boolean,
  rules: readonly string[],
  tell: (what: string) => void,
): void {
  if (plan.decoy === null) {
    const held = isHeld && rules.includes(plan.rule);
    tally.endings.push({ plan, held });
    if (!held)
      tell(`missed ${plan.link} chain ${plan.id} of ${plan.accounts} accounts, ${Math.round(plan.spanMs / 1_000)} s`);
    return;
  }
  const key = `${plan.link}: ${plan.decoy}`;
  const [seen, held] = tally.decoys[key] ?? [0, 0];
  tally.decoys[key] = [seen + 1, held + (isHeld ? 1 : 0)];
}

export function merged(tallies: readonly Tally[]): Tally {
  const all = createTally();
  for (const one of tallies) {
    all.commands += one.commands;
    all.asked += one.asked;
    all.early += one.early;
    all.endings.push(...one.endings);
    all.told.push(...one.told);
    for (const [key, times] of Object.entries(one.falseHolds)) all.falseHolds[key] = (all.falseHolds[key] ?? 0) + times;
    for (const [key, [seen, held]] of Object.entries(one.decoys)) {
      const [before, heldBefore] = all.decoys[key] ?? [0, 0];
      all.decoys[key] = [before + seen, heldBefore + held];
    }
  }
  return all;
}

const spans = [
  ["under 1 min", 60_000],
  ["under 1 h", 3_600_000],
  ["under 1 d", 86_400_000],
  ["to 30 d", Number.POSITIVE_INFINITY],
] as const;

export interface Figures {
  readonly strong: number;
  readonly weak: number;
  readonly falseHolds: number;
  readonly falseHoldsPer100k: number;
}

export function figuresOf(tally: Tally): Figures {
  const isStrong = (link: LinkType) => (strongLinks as readonly string[]).includes(link);
  const share = (endings: readonly Ending[]) =>
    endings.length === 0 ? 1 : endings.filter(({ held }) => held).length / endings.length;
  const falseHolds = Object.values(tally.falseHolds).reduce((sum, times) => sum + times, 0);
  return {
    strong: share(tally.endings.filter(({ plan }) => isStrong(plan.link))),
    weak: share(tally.endings.filter(({ plan }) => !isStrong(plan.link))),
    falseHolds,
    falseHoldsPer100k: tally.asked === 0 ? 0 : (falseHolds / tally.asked) * 100_000,
  };
}

/** Lines of a table: kind of link × accounts × time range, each as held/all; then decoys and false holds. */
export function reportOf(tally: Tally): string[] {
  const cell = (endings: readonly Ending[]) =>
    (endings.length === 0 ? "-" : `${endings.filter(({ held }) => held).length}/${endings.length}`).padStart(12);
  const lines = [
    `${"link".padEnd(9)}accounts${spans.map(([name]) => name.padStart(12)).join("")}${"all".padStart(12)}`,
  ];
  for (const link of linkTypes) {
    const ofLink = tally.endings.filter(({ plan }) => plan.link === link);
    for (const accounts of [2, 3, 4, 5, 6, 7, 0]) {
      const row = ofLink.filter(({ plan }) => accounts === 0 || plan.accounts === accounts);
      const cells = spans.map(([, max], index) => {
        const min = spans[index - 1]?.[1] ?? 0;
        return cell(row.filter(({ plan }) => plan.spanMs >= min && plan.spanMs < max));
      });
      lines.push(
        `${link.padEnd(9)}${(accounts === 0 ? "all" : String(accounts)).padStart(8)}${cells.join("")}${cell(row)}`,
      );
    }
  }
  lines.push("", "decoys, held at their last step:");
  for (const [key, [seen, held]] of Object.entries(tally.decoys).sort())
    lines.push(`  ${key.padEnd(28)} ${held} of ${seen}`);
  lines.push("", "false holds:");
  for (const [key, times] of Object.entries(tally.falseHolds).sort((a, b) => b[1] - a[1]))
    lines.push(`  ${String(times).padStart(6)}  ${key}`);
  lines.push("", "misses and false holds, the first of each:", ...tally.told.map((text) => `  ${text}`));
  return lines;
}
