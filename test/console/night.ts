/**
 * The insider's night: who did what when, the chain it made, and the timeline's rows.
 * Every time is measured from `t0`, so that a picture of it looks the same on every day.
 */
import type { TimelineRow } from "../../schemas/api.ts";
import type { ChainEvidence, ChainStep } from "../../schemas/chain.ts";
import type { Operation, ResourceUri } from "../../schemas/command.ts";
import type { EventType } from "../../schemas/event.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { identityKey, type SessionId } from "../../schemas/identity.ts";

const issuer = "http://127.0.0.1:9000";
export const people = {
  extract: { identity: identityKey(issuer, "wl-extract"), name: "extract-job" },
  transform: { identity: identityKey(issuer, "wl-transform"), name: "transform-job" },
  load: { identity: identityKey(issuer, "wl-load"), name: "load-job" },
  olga: { identity: identityKey(issuer, "olga"), name: "Olga Petrova" },
  ivan: { identity: identityKey(issuer, "ivan"), name: "Ivan Horvat" },
  ana: { identity: identityKey(issuer, "ana"), name: "Ana Silva" },
} as const;
export type Who = keyof typeof people;

const uri = (text: string): ResourceUri => text as ResourceUri;
const customers = uri("orders/public.customers");
const staging = uri("orders/public.staging_customers");
export const reporting = uri("orders/public.reporting_customers");

export const heldChain = "ch_4d1f09c2b7";
export const heldApproval = "ap_01k9f3z8";
/** Event that says transform and load belong together. */
export const actorLink = "api/one/0000000000000005";
export const heldCommand = "c-load-2";

interface Act {
  readonly at: number;
  readonly who: Who;
  readonly account: string;
  readonly session: string;
  readonly command: string;
  readonly text: string;
  readonly ruling: "allow" | "mask" | "hold" | "block";
  readonly operations: readonly Operation[];
  readonly resources: readonly ResourceUri[];
  readonly statements: readonly string[];
  readonly rows: number;
  readonly masks?: readonly string[];
  readonly sentence?: string;
}

const selectText = "SELECT id, name, email, card, region\n  FROM customers\n WHERE region = 'emea'";
const insertText =
  "INSERT INTO staging_customers (id, name, email, card, region)\nSELECT id, name, email, card, region FROM customers";
export const sentence =
  "load-job would destroy reporting_customers 4 min after transform-job copied what extract-job had read from customers.";

export const acts: readonly Act[] = [
  {
    at: 0,
    who: "extract",
    account: "extract",
    session: "s-extract",
    command: "c-extract-1",
    text: selectText,
    ruling: "mask",
    operations: ["read"],
    resources: [customers],
    statements: ["SELECT"],
    rows: 5_000,
    masks: [`${customers}#email`, `${customers}#card`],
  },
  {
    at: 41,
    who: "ana",
    account: "analyst",
    session: "s-ana",
    command: "c-ana-1",
    text: "SELECT region, count(*) FROM orders GROUP BY region",
    ruling: "allow",
    operations: ["read"],
    resources: [uri("orders/public.orders")],
    statements: ["SELECT"],
    rows: 7,
  },
  {
    at: 96,
    who: "transform",
    account: "transform",
    session: "s-transform",
    command: "c-transform-1",
    text: insertText,
    ruling: "allow",
    operations: ["transform"],
    resources: [customers, staging],
    statements: ["INSERT"],
    rows: 5_000,
  },
  {
    at: 131,
    who: "ana",
    account: "analyst",
    session: "s-ana",
    command: "c-ana-2",
    text: "SELECT email FROM customers ORDER BY email LIMIT 20",
    ruling: "block",
    operations: ["read"],
    resources: [customers],
    statements: ["SELECT"],
    rows: 0,
    sentence: "Sorting by email would show values that no mask covers.",
  },
  {
    at: 204,
    who: "load",
    account: "load",
    session: "s-load",
    command: "c-load-1",
    text: "BEGIN",
    ruling: "allow",
    operations: [],
    resources: [],
    statements: ["BEGIN"],
    rows: 0,
  },
  {
    at: 210,
    who: "load",
    account: "load",
    session: "s-load",
    command: heldCommand,
    text: "DELETE FROM reporting_customers",
    ruling: "hold",
    operations: ["delete"],
    resources: [reporting],
    statements: ["DELETE"],
    rows: 0,
    sentence,
  },
];

const stepRules = new Map([
  ["read", "pii_read"],
  ["transform", "pii_copied"],
  ["delete", "destructive"],
]);

function stepOf(t0: number, command: string): ChainStep {
  const act = acts.find((candidate) => candidate.command === command);
  if (!act) throw new RangeError(command);
  return {
    rule: stepRules.get(act.operations[0] ?? "") ?? "step",
    event: `e-${command}`,
    command,
    atMs: t0 + act.at * 1_000,
    identity: people[act.who].identity,
    account: act.account,
    session: act.session as SessionId,
    target: "orders",
    operations: act.operations,
    resources: act.resources,
  };
}

export function chainOf(t0: number): ChainEvidence {
  return {
    id: heldChain,
    rule: "read_transform_delete",
    title: "Read, copied, destroyed",
    level: "high",
    mode: "enforce",
    action: "hold",
    strength: "weak",
    steps: ["c-extract-1", "c-transform-1", heldCommand].map((command) => stepOf(t0, command)),
    links: [
      { from: 0, to: 1, by: "lineage", strength: "strong", evidence: [customers] },
      { from: 1, to: 2, by: "flow", strength: "strong", evidence: [staging, reporting] },
      { from: 1, to: 2, by: "actor", strength: "weak", evidence: [actorLink] },
      { from: 0, to: 2, by: "task", strength: "weak", evidence: ["nightly-2026-10-04"] },
    ],
    sentence,
    check: "do the accounts work for one task that somebody asked for?",
  };
}

function row(t0: number, position: number, type: EventType, act: Partial<Act>, data: unknown): TimelineRow {
  const who = act.who ? people[act.who] : { identity: "", name: "" };
  return {
    id: `e-${position}`,
    position: String(position).padStart(6, "0"),
    atMs: t0 + (act.at ?? 0) * 1_000,
    type,
    source: type.startsWith("chain") ? "correlator/one" : act.session ? "gateway/one" : "api/one",
    session: act.session ?? "",
    command: act.command ?? "",
    identity: who.identity,
    identityName: who.name,
    account: act.account ?? "",
    task: act.session ? "nightly-2026-10-04" : "",
    target: act.session ? "orders" : "",
    grant: act.session ? `g-${act.account}` : "",
    ruling: "",
    operations: [...(act.operations ?? [])],
    resources: [...(act.resources ?? [])],
    chains: [],
    text: null,
    parameters: null,
    data,
  };
}

export const finishedOf = (act: Act): EventData["command.finished"] => ({
  outcome: "ok",
  rows: act.rows,
  bytes: act.rows * 96,
  tag: `${act.statements[0]}${act.rows ? ` ${act.statements[0] === "INSERT" ? "0 " : ""}${act.rows}` : ""}`,
  code: null,
  durationUs: 800 + act.rows * 3,
  shown: act.rows > 0,
  undone: [],
  lasted: [],
});

export function rowsOf(t0: number, chain: ChainEvidence): TimelineRow[] {
  const rows: TimelineRow[] = [];
  for (const [i, act] of acts.entries()) {
    const position = 100 + i * 20;
    const decided = {
      kind: "query",
      ruling: act.ruling,
      stage: "gate",
      because: [],
      sentence: act.sentence ?? "",
      masks: act.masks ?? [],
      statements: act.statements,
      approval: null,
    };
    if (act.ruling === "hold") {
      rows.push({
        ...row(t0, position, "command.held", act, {
          approval: heldApproval,
          sentence: act.sentence,
          mode: "wait",
          until: t0 + 270_000,
          chains: [chain.id],
        }),
        ruling: "hold",
        text: act.text,
        chains: [chain.id],
      });
      rows.push({
        ...row(t0, position + 1, "chain.completed", act, { rule: chain.rule, chain, ruling: "hold" }),
        chains: [chain.id],
      });
      continue;
    }
    rows.push({ ...row(t0, position, "command.decided", act, decided), ruling: act.ruling, text: act.text });
    if (act.ruling === "block") continue;
    rows.push(row(t0, position + 1, "command.finished", { ...act, at: act.at + 0.02 }, finishedOf(act)));
    if (act.masks)
      rows.push(
        row(
          t0,
          position + 2,
          "output.masked",
          { ...act, at: act.at + 0.02 },
          { columns: act.masks.map((resource) => ({ resource, tag: "pii", count: act.rows })) },
        ),
      );
  }
  rows.push(
    row(
      t0,
      300,
      "approval.refused",
      { at: 224, who: "load" },
      { approval: heldApproval, by: people.load.name, reason: "You asked for this command yourself." },
    ),
  );
  rows.push(
    row(
      t0,
      320,
      "block.placed",
      { at: 236, who: "olga" },
      {
        block: "b-1",
        scope: { identity: people.extract.identity },
        by: people.olga.name,
        reason: "Until we know what this was",
        expiresAtMs: null,
        approvers: [],
      },
    ),
  );
  return rows;
}
