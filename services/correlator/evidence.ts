/** A found chain as people are shown it: steps, links with their evidence, one sentence. The same on every replica. */
import { createHash } from "node:crypto";
import { actionOf, type ChainRule, type GroupKey } from "../../infra/rules/rule-set.ts";
import type { ChainEvidence, ChainLink, ChainStep, LinkKind } from "../../schemas/chain.ts";
import { linkKinds } from "../../schemas/chain.ts";
import type { ResourceUri } from "../../schemas/command.ts";
import type { IdentityKey, SessionId } from "../../schemas/identity.ts";
import { tiedByWords } from "../../schemas/links.ts";
import type { Ground } from "./ground.ts";
import type { Links } from "./links.ts";
import { operationsOf, resources, type Step } from "./step.ts";
import { isStrong } from "./strength.ts";

/** Per step; an event has a size. */
const resourcesShownMax = 5;
/** Counting rules may find thousands. */
const stepsShownMax = 15;
/** In a sentence. */
const namedMax = 3;

export function toChain(
  rule: ChainRule,
  found: readonly Step[],
  last: Step,
  ground: Ground,
  held: boolean,
): ChainEvidence {
  const { links } = ground;
  const counted = rule.count !== null;
  const shown = counted ? found.slice(-stepsShownMax) : found;
  const ties = counted ? [] : [...tiesOf(rule, found, links), ...tiesByGroup(rule, found, links)];
  const weak = ties.some(({ strength }) => strength === "weak") || !isStrong(ground, rule, found, last);
  const action = held ? actionOf(rule) : "alert";
  return {
    id: hash([rule.version, last.id, found.map(({ id }) => id)]),
    rule: rule.name,
    title: rule.title,
    level: rule.level,
    mode: rule.mode,
    action: action === "block" && weak ? "hold" : action,
    strength: weak ? "weak" : "strong",
    steps: shown.map((step, place) => toStep(rule, step, counted ? null : place)),
    links: ties,
    sentence: sentence(rule, shown, ties),
    ...(rule.check === null ? {} : { check: rule.check }),
  };
}

/** Deterministic ids: hex, of anything that JSON can say. */
export function hash(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32);
}

function toStep(rule: ChainRule, step: Step, place: number | null): ChainStep {
  const detection = place === null ? rule.steps.find(({ index }) => step.hits.includes(index)) : rule.steps[place];
  return {
    rule: detection?.name ?? rule.name,
    event: step.id,
    command: step.command,
    atMs: step.atMs,
    identity: (step.subject.identity ?? "") as IdentityKey,
    account: step.subject.account ?? "",
    session: (step.subject.session ?? "") as SessionId,
    target: step.subject.target ?? "",
    operations: operationsOf(step),
    resources: places(step).slice(0, resourcesShownMax) as ResourceUri[],
  };
}

const places = (step: Step): readonly string[] => tables(step, "touches");

/** Tables rather than their columns. */
function tables(step: Step, which: "reads" | "writes" | "touches"): readonly string[] {
  return [...new Set(resources(step, which).map((name) => name.split("#")[0] ?? name))];
}

function tiesOf(rule: ChainRule, found: readonly Step[], links: Links): ChainLink[] {
  return rule.links.flatMap(({ from, to, by }) => tieBetween(found, from, to, by, links));
}

/** What the group says about neighbours, where it is a kind of link. */
function tiesByGroup(rule: ChainRule, found: readonly Step[], links: Links): ChainLink[] {
  const kinds = rule.groupBy.map(kindOf).filter((kind) => kind !== null);
  return found
    .slice(1)
    .flatMap((_, place) => kinds.flatMap((kind) => tieBetween(found, place, place + 1, [kind], links)));
}

function kindOf(key: GroupKey): LinkKind | null {
  if (key.kind !== "field") return key.kind;
  return linkKinds.find((kind) => kind === key.name) ?? null;
}

function tieBetween(
  found: readonly Step[],
  from: number,
  to: number,
  by: readonly LinkKind[],
  links: Links,
): ChainLink[] {
  const [one, other] = [found[from], found[to]];
  const tie = one && other ? links.tie(one, other, by, false) : null;
  return tie === null ? [] : [{ from, to, ...tie }];
}

const verbs: Readonly<Record<string, string>> = {
  read: "read",
  write: "wrote",
  transform: "copied",
  delete: "deletes from",
  define: "redefines",
  grant: "changes permissions on",
  execute: "ran",
  transfer: "exported",
  connect: "connected to",
};

function sentence(rule: ChainRule, found: readonly Step[], links: readonly ChainLink[]): string {
  const last = found.reduce<Step | undefined>(
    (latest, step) => (latest && latest.at > step.at ? latest : step),
    undefined,
  );
  const told = [...found]
    .sort((a, b) => a.at - b.at)
    .slice(-5)
    .map((step) => `${step.subject.account ?? "somebody"} ${deed(step)}${step === last ? " now" : ago(step, last)}`);
  const ties = [...new Set(links.map(({ by }) => tiedByWords[by]))].join(", ");
  return `${rule.title}: ${told.join("; ")}.${ties === "" ? "" : ` Tied by ${ties}.`}`;
}

function deed(step: Step): string {
  if (step.opaque) return "ran something that cannot be read";
  const verb = step.commit
    ? "commits what touches"
    : operationsOf(step)
        .map((operation) => verbs[operation] ?? operation)
        .join(" and ");
  const [from, into] = [tables(step, "reads"), tables(step, "writes")];
  const others = from.filter((name) => !into.includes(name));
  if (verb === "copied" && others.length > 0 && into.length > 0) return `copied ${few(others)} into ${few(into)}`;
  return `${verb} ${few(places(step))}`;
}

function few(uris: readonly string[]): string {
  const rest = uris.length > namedMax ? ` and ${uris.length - namedMax} more` : "";
  return `${uris.slice(0, namedMax).map(short).join(", ")}${rest}`;
}

function short(name: string): string {
  return name.slice(name.indexOf("/") + 1);
}

function ago(step: Step, last: Step | undefined): string {
  const seconds = Math.round(((last?.atMs ?? step.atMs) - step.atMs) / 1000);
  if (seconds < 2) return " just before";
  if (seconds < 120) return ` ${seconds} s before`;
  if (seconds < 7_200) return ` ${Math.round(seconds / 60)} min before`;
  return ` ${Math.round(seconds / 3_600)} h before`;
}
