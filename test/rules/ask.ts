/** One detection, as written in YAML, asked about one plain event given as its fields; and tables of such questions. */
import assert from "node:assert/strict";
import type { FieldValue, Seen } from "../../infra/rules/field.ts";
import { NoEffect } from "../../infra/rules/field.ts";
import { loadRules } from "../../infra/rules/load.ts";
import type { Detection } from "../../infra/rules/rule-set.ts";
import type { Effect } from "../../schemas/command.ts";

/** @param detection everything under `detection:`, indented by two spaces @throws ThroughlineError */
export function load(detection: string, head = "logsource: { category: anything }"): Detection {
  const text = `title: t\nname: t\n${head}\ndetection:\n${detection}\n`;
  const [rule] = loadRules([{ name: "t.yml", text }], { logs: "any" }).detections;
  if (rule === undefined) throw new Error("no detection");
  return rule;
}

/** An event of another product: every field by its name. */
export function event(more: Readonly<Record<string, FieldValue>>): Seen {
  return {
    subject: {},
    kind: "",
    opaque: false,
    undoable: true,
    effect: new NoEffect(),
    late: null,
    details: null,
    more,
    tags: () => [],
  };
}

const effect: Effect = { operation: "read", reads: [], writes: [], ends: [], destroys: false };

/** A command whose result is not known yet. */
export function command(said: Partial<Seen> & { readonly effects?: Partial<Effect> }): Seen {
  const { effects, ...more } = said;
  return { ...event({}), more: null, effect: { ...effect, ...effects }, ...more };
}

/** @param selection what stands in `selection`, in YAML's flow form @returns 0 no, 1 not known yet, 2 yes */
export function ask(selection: string, more: Readonly<Record<string, FieldValue>>): number {
  return load(`  selection: ${selection}\n  condition: selection`).test(event(more));
}

/** @returns the message of the error with which it does not load, behind `t.yml:<line>: detection.` */
export function refusal(detection: string): string {
  try {
    load(detection);
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^t\.yml:/, "") : String(error);
  }
  return "";
}

type Line = readonly [selection: string, event: Readonly<Record<string, FieldValue>>, matches: boolean];

export function check(lines: readonly Line[]): void {
  for (const [selection, event, matches] of lines)
    assert.equal(ask(selection, event), matches ? 2 : 0, `${selection} on ${JSON.stringify(event)}`);
}

export function refused(lines: readonly (readonly [selection: string, message: RegExp])[]): void {
  for (const [selection, message] of lines)
    assert.match(refusal(`  selection: ${selection}\n  condition: selection`), message, selection);
}
