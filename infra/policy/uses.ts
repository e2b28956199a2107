/**
 * What of its context a policy set reads at all, so that an answer is kept by that and by nothing else: a set that never
 * asks for the time need not be asked again each minute, one that never asks for the task not for each task.
 */
import type { Identity } from "../../schemas/identity.ts";
import type { PolicyAction, PolicyContext } from "./policy.ts";

const members = ["account", "task", "time", "clientAddress", "approvals", "opaque"] as const;
export type ContextUses = ReadonlySet<(typeof members)[number]>;

/** @param policies Cedar's JSON of each policy; a use of `context` that is not `context.x` or `has` counts as all */
export function contextUses(policies: readonly unknown[]): ContextUses {
  const used = new Set<string>();
  for (const policy of policies) walk(policy, used);
  return new Set(members.filter((member) => used.has(member) || used.has("*")));
}

function walk(node: unknown, used: Set<string>): void {
  if (Array.isArray(node)) for (const part of node) walk(part, used);
  if (typeof node !== "object" || node === null || Array.isArray(node)) return;
  for (const [key, part] of Object.entries(node)) {
    if (key === "Var" && part === "context") used.add("*");
    const attribute = key === "." || key === "has" ? attributeOfContext(part) : null;
    if (attribute === null) walk(part, used);
    else used.add(attribute);
  }
}

function attributeOfContext(part: unknown): string | null {
  if (typeof part !== "object" || part === null || !("left" in part) || !("attr" in part)) return null;
  const { left, attr } = part;
  const isContext = typeof left === "object" && left !== null && "Var" in left && left.Var === "context";
  if (!isContext) return null;
  if (typeof attr === "string") return attr;
  return Array.isArray(attr) && typeof attr[0] === "string" ? attr[0] : null;
}

/** @returns the same text for two questions only if their answers cannot differ */
export function keyOf(
  uses: ContextUses,
  identity: Identity,
  action: PolicyAction,
  resource: string,
  tags: readonly string[],
  context: PolicyContext,
): string {
  return JSON.stringify([
    identity.key,
    identity.kind,
    identity.name,
    identity.groups,
    identity.onBehalfOf,
    action,
    resource,
    tags,
    context.approvals,
    uses.has("account") ? context.account : "",
    uses.has("task") ? context.task : "",
    uses.has("time") ? context.minute : 0,
    uses.has("clientAddress") ? context.clientAddress : "",
    uses.has("opaque") ? context.opaque : false,
  ]);
}
