/**
 * `throughline sources`: the registry of many machines and each process's own keys, made in a folder of the operator's
 * (infra/keys/members.ts). Nothing here reaches a running process: the operator carries the files there.
 */
import { addMembers, type Member, makeMembers, sourcesIn } from "../../infra/keys/members.ts";
import type { Registry } from "../../infra/log/sources.ts";
import { type Context, tell } from "./context.ts";
import { misused } from "./failure.ts";
import { shown, table } from "./paint.ts";

const roles = ["gateway", "correlator", "projector", "api"] as const;

/** Names of processes by role, with commas between; a name under two roles is one process. */
export type MemberOptions = { readonly [R in (typeof roles)[number]]?: string };

export async function initSources(
  context: Context,
  folder: string,
  { tenant, ...named }: MemberOptions & { readonly tenant: string },
): Promise<void> {
  const members = membersOf(named);
  report(context, folder, members, await makeMembers(folder, tenant, members));
}

export async function addSources(context: Context, folder: string, named: MemberOptions): Promise<void> {
  const members = membersOf(named);
  report(context, folder, members, await addMembers(folder, members));
}

function membersOf(named: MemberOptions): Member[] {
  const members = new Map<string, Member["roles"]>();
  for (const role of roles)
    for (const name of (named[role] ?? "").split(",").map((word) => word.trim())) {
      if (name === "") continue;
      members.set(name, [...(members.get(name) ?? []).filter((other) => other !== role), role]);
    }
  if (members.size === 0)
    throw misused(
      "No process is named.",
      "Name them by role: --gateway gw1,gw2 --correlator c1,c2 --projector p1 --api p1",
    );
  return [...members].map(([name, own]) => ({ name, roles: own }));
}

function report(context: Context, folder: string, members: readonly Member[], registry: Registry): void {
  const made = members.map((member) => ({ ...member, folder: `${folder}/${member.name}`, sources: sourcesIn(member) }));
  tell(context, { tenant: registry.tenant, registry: `${folder}/sources.json`, made }, () => [
    ...table(
      context.parts.terminal,
      [
        { head: "PROCESS", cell: (one) => one.name },
        { head: "SIGNS AS", cell: (one) => one.sources.join(" ") },
        { head: "ITS KEYS", cell: (one) => one.folder },
      ],
      made,
    ),
    "",
    shown(`1. ${folder}/sources.json to every process (sources:) and every auditor; start what runs with it again.`),
    "2. Each folder to its own process, and to no other (privateKeys:); readable by its user only.",
    "3. Then start what is new: before that its records would be refused.",
  ]);
}
