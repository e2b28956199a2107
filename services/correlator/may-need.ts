/** Whether a chain can have needed a step that was evicted; where it may have, whoever asks must treat that as yes. */
import type { ChainRule } from "../../infra/rules/rule-set.ts";
import type { LinkKind } from "../../schemas/chain.ts";
import type { Ground } from "./ground.ts";
import type { Lost } from "./lost.ts";
import { findChain } from "./match.ts";
import { everywhere, tableOf } from "./postings.ts";
import { resources, type Step } from "./step.ts";

/** Whether a step that was evicted may have completed a chain of this rule with the last one. */
export function mayNeedLost(ground: Ground, rule: ChainRule, last: Step, places: readonly number[]): boolean {
  const sinceMs = last.atMs - rule.timespanMs;
  const lost = rule.steps.map((detection) => ground.steps.lost(detection, sinceMs));
  if (lost.every((of) => of.length === 0)) return false;
  if (rule.count !== null || rule.steps.some(({ firing }) => firing !== null)) return true;
  return places.some((place) => {
    const missing = rule.steps.flatMap((_, other) => {
      const may = other !== place && lost[other]?.some((one) => mayStand(ground, rule, one, other, last, place));
      return may ? [other] : [];
    });
    if (missing.length === 0) return false;
    if (missing.length === rule.steps.length - 1) return true;
    const chain = findChain(ground, { rule: without(rule, missing, place), last, places: [placeIn(place, missing)] });
    return chain !== null || ground.budget.spent;
  });
}

function mayStand(ground: Ground, rule: ChainRule, lost: Lost, other: number, last: Step, place: number): boolean {
  const direct = rule.links.filter(
    ({ from, to }) => Math.min(from, to) === Math.min(other, place) && Math.max(from, to) === Math.max(other, place),
  );
  if (!direct.every(({ by }) => by.some((kind) => mayTie(ground, kind, lost, last)))) return false;
  return rule.groupBy.every((key) => {
    if (key.kind !== "field") return mayTie(ground, key.kind, lost, last);
    const isSame = key.fields[other] === key.name && key.fields[place] === key.name && !rule.groupNull;
    const kind = isSame ? key.name : "";
    return kind === "identity" || kind === "account" || kind === "task" ? isAmong(kind, lost, last) : true;
  });
}

function isAmong(kind: "identity" | "account" | "task", lost: Lost, last: Step): boolean {
  const value = last.subject[kind] ?? "";
  if (kind === "identity") return lost.identity === value;
  const names = kind === "account" ? lost.accounts : lost.tasks;
  return names === null || names.has(value);
}

function mayTie(ground: Ground, kind: LinkKind, lost: Lost, last: Step): boolean {
  const { clusters, tasks, links } = ground;
  switch (kind) {
    case "identity":
    case "account":
      return isAmong(kind, lost, last);
    case "actor": {
      const { identity = "" } = last.subject;
      return clusters.rootOf(identity) === clusters.rootOf(lost.identity) || clusters.tied(identity, lost.identity);
    }
    case "task": {
      const { task } = last.subject;
      return task !== undefined && (lost.tasks === null || tasks.relatives(task).some((one) => lost.tasks?.has(one)));
    }
    case "lineage":
      return meet(lost.lineage, last.lineage);
    case "resource":
      return meet(lost.touches, resources(last, "touches"));
    case "flow":
      return meet(
        lost.writes,
        links.reachedBy(last).map(({ resource }) => resource),
      );
    default:
      return true;
  }
}

function meet(tables: ReadonlySet<string> | null, names: readonly string[]): boolean {
  if (names.length === 0 || tables === null || tables.has(everywhere)) return names.length > 0;
  return names.map(tableOf).some((table) => table === everywhere || tables.has(table)) && tables.size > 0;
}

/** The rule as if these places need nobody: it has a chain wherever the rule has one with somebody unknown in them. */
function without(rule: ChainRule, missing: readonly number[], last: number): ChainRule {
  const isLeft = (_: unknown, place: number) => !missing.includes(place);
  const min = (rule.distinct?.min ?? 0) - missing.length;
  return {
    ...rule,
    steps: rule.steps.filter(isLeft),
    written: rule.written.filter(isLeft),
    lasts: new Set([placeIn(last, missing)]),
    links: rule.links
      .filter(({ from, to }) => !missing.includes(from) && !missing.includes(to))
      .map((link) => ({ ...link, from: placeIn(link.from, missing), to: placeIn(link.to, missing) })),
    groupBy: rule.groupBy.map((key) => (key.kind === "field" ? { ...key, fields: key.fields.filter(isLeft) } : key)),
    distinct: rule.distinct === null || min < 2 ? null : { ...rule.distinct, min },
    absences: [],
    variants: [],
  };
}

function placeIn(place: number, missing: readonly number[]): number {
  return place - missing.filter((other) => other < place).length;
}
