/**
 * `throughline sources`: the registry of many machines and each process's own keys, made in a folder of the operator's
 * (infra/keys/members.ts). Nothing here reaches a running process: the operator carries the files there.
 */
import { addMembers, type Member, makeMembers, sourcesIn } from "../../infra/keys/members.ts";
import { retireMember, rotateMember } from "../../infra/keys/retire.ts";
import { parseStanding, type Registry } from "../../infra/log/sources.ts";
import { standingOf } from "../../infra/log/standing.ts";
import { type Context, done, tell } from "./context.ts";
import { failed, misused } from "./failure.ts";
import { shown, table } from "./paint.ts";
import { readPrivate } from "./private-file.ts";

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

/** Where a stopped process stands, as `rotate` and `retire` are given it. */
export function showStanding(context: Context, dataFolder: string): void {
  const standing = standingOf(dataFolder);
  const rows = Object.entries(standing);
  tell(context, { standing }, () =>
    table(
      context.parts.terminal,
      [
        { head: "SOURCE", cell: ([source]) => source },
        { head: "STEPS", cell: ([, { steps }]) => String(steps), align: "right" },
        { head: "EVENTS", cell: ([, { events }]) => String(events), align: "right" },
        { head: "POSITION", cell: ([, { writer }]) => String(writer), align: "right" },
      ],
      rows,
    ),
  );
}

export async function rotateKeys(context: Context, folder: string, name: string, file: string): Promise<void> {
  const sources = rotateMember(folder, name, parseStanding(await textOf(file)));
  const sentence = `${name} has new keys in ${folder}/${name}; carry sources.json everywhere before it starts.`;
  done(context, { rotated: sources }, sentence);
}

export async function retireSources(context: Context, folder: string, name: string, file: string): Promise<void> {
  const sources = retireMember(folder, name, parseStanding(await textOf(file)));
  done(context, { retired: sources }, `${name} says no more wherever this sources.json is; what it said stays proven.`);
}

async function textOf(file: string): Promise<string> {
  const text = await readPrivate(file);
  if (text === null) throw failed("config.unreadable", `There is no ${file}.`);
  return text;
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
