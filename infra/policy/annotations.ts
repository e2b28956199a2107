/**
 * What Throughline adds to a Cedar policy: `@id`, `@hold("group:humans")`, `@mode("observe")`, `@reason("sentence")`.
 * An annotation that Cedar would ignore because it is mistyped is an error here: `@hodl` would turn a hold into a wall,
 * `@mod` an observed policy into an enforced one.
 */
import type { Need } from "../../schemas/verdict.ts";

export interface Annotated {
  readonly id: string;
  readonly effect: "permit" | "forbid";
  readonly observed: boolean;
  /** Only on a forbid. */
  readonly hold: Need | null;
  readonly reason: string | null;
}

const known = new Set(["id", "hold", "mode", "reason"]);
const humansMax = 9;

/** @returns the policy's terms, or the sentence that says what is wrong. */
export function annotated(
  effect: "permit" | "forbid",
  annotations: Readonly<Record<string, string>>,
  idUnlessNamed: string,
): Annotated | string {
  const stranger = Object.keys(annotations).find((name) => !known.has(name));
  if (stranger !== undefined) return `unknown annotation @${stranger}; known are @id, @hold, @mode, @reason`;
  const mode = annotations.mode ?? "enforce";
  if (mode !== "observe" && mode !== "enforce") return `@mode is "observe" or "enforce", not "${mode}"`;
  const id = annotations.id ?? idUnlessNamed;
  if (!/^[A-Za-z0-9_.-]{1,80}$/.test(id)) return "@id is 1 to 80 letters, digits, _ . -";
  const hold = annotations.hold === undefined ? null : needOf(annotations.hold);
  if (typeof hold === "string") return hold;
  if (hold !== null && effect === "permit") return "@hold belongs on a forbid: a permit refuses nothing";
  return { id, effect, observed: mode === "observe", hold, reason: annotations.reason ?? null };
}

/** `dba` is one human of the group dba, `dba:2` two. */
function needOf(text: string): Need | string {
  const [, group, humans] = /^(.*?)(?::([0-9]+))?$/.exec(text) ?? [];
  if (!group || /[\s:]/.test(group)) return `@hold is "group" or "group:humans", not "${text}"`;
  const count = humans === undefined ? 1 : Number(humans);
  if (count < 1 || count > humansMax) return `@hold asks for 1 to ${humansMax} humans, not ${humans}`;
  return { approvers: [group], humans: count };
}
