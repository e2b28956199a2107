/** What happens in a log of the corpus, in order of time, with what is known about it that no rule can see: the label. */
import { createHash } from "node:crypto";
import type { Subject } from "../../schemas/event.ts";
import { target } from "./company.ts";
import type { Spoken } from "./reading.ts";

export const strongLinks = ["flow", "lineage", "task", "actor"] as const;
export const weakLinks = ["address", "trace", "content", "tie", "opaque"] as const;
export const linkTypes = [...strongLinks, ...weakLinks] as const;
export type LinkType = (typeof linkTypes)[number];

/** A step of a planted chain or of a decoy. */
export interface Label {
  readonly plan: Plan;
  /** From 1. */
  readonly step: number;
  /** The step that must not run (of a chain), or that must run although it looks so (of a decoy). */
  readonly last: boolean;
}

export interface Plan {
  readonly id: string;
  readonly link: LinkType;
  /** Null = a chain. Else why this decoy is none. */
  readonly decoy: string | null;
  /** The rule that must hold its last step. */
  readonly rule: string;
  readonly accounts: number;
  readonly spanMs: number;
}

export interface Values {
  readonly shown?: readonly string[];
  readonly brought?: readonly string[];
}

export interface CommandAct {
  readonly kind: "command";
  readonly atMs: number;
  /** Without `command`. */
  readonly subject: Subject;
  readonly spoken: Spoken;
  readonly rows: number;
  readonly failed: boolean;
  /** Trace id that the client wrote into a comment, 32 hex. */
  readonly trace: string | null;
  /** Tagged values that its rows show, unmasked; and values that it brings as parameters. */
  readonly values: Values | null;
  /** Null = everyday work. */
  readonly label: Label | null;
}

export type Act =
  | CommandAct
  | {
      readonly kind: "link";
      readonly atMs: number;
      readonly identities: readonly string[];
      readonly strength: "strong" | "weak";
    }
  | {
      readonly kind: "task";
      readonly atMs: number;
      readonly subject: Subject;
      readonly task: string;
      readonly parent: string;
    }
  | {
      readonly kind: "untag";
      readonly atMs: number;
      readonly resource: string;
      readonly tags: readonly string[];
      readonly by: string;
    };

export interface Who {
  readonly identity: string;
  readonly account: string;
  readonly task: string;
  readonly address: string;
  readonly session?: string;
  readonly onBehalfOf?: readonly string[];
}

export function subjectOf({ identity, account, task, address, session, onBehalfOf }: Who): Subject {
  return {
    session: session ?? `${identity} ${account} ${task}`,
    identity: `https://id.example|${identity}`,
    ...(onBehalfOf ? { onbehalfof: onBehalfOf.map((name) => `https://id.example|${name}`).join(" ") } : {}),
    account,
    task,
    target,
    clientaddress: `${address}:40000`,
  };
}

export function command(
  atMs: number,
  subject: Subject,
  spoken: Spoken,
  more: Partial<Pick<CommandAct, "rows" | "failed" | "trace" | "values" | "label">> = {},
): CommandAct {
  return {
    kind: "command",
    atMs: Math.round(atMs),
    subject,
    spoken,
    rows: 1,
    failed: false,
    trace: null,
    values: null,
    label: null,
    ...more,
  };
}

export const byTime = (a: Act, b: Act): number => a.atMs - b.atMs;

/** A trace id of its own for every name. */
export function traceOf(name: string): string {
  return createHash("sha256").update(name).digest("hex").slice(0, 32);
}

/** E-mail addresses of so many people of one original table, from a row on. */
export function addresses(table: string, from: number, count: number): readonly string[] {
  const name = table.slice(table.indexOf(".") + 1);
  return Array.from({ length: count }, (_, index) => `person.${(from + index) * 7_919}@${name}.example`);
}

/** A statement that writes so many rows of values. */
export function valuesText(place: string, rows: number): string {
  const row = (index: number) => `($${2 * index + 1}, $${2 * index + 2})`;
  return `INSERT INTO ${place} (id, email) VALUES ${Array.from({ length: rows }, (_, index) => row(index)).join(", ")}`;
}
