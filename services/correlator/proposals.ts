/**
 * Proposes a pipeline when people have approved the same chain several times (DETECTION §2.9): same rule, same identities,
 * accounts, statements and resources. A proposal is a text for a person to read, and exempts nothing.
 */
import type { Entry } from "../../infra/log/entry.ts";
import type { ChainRule } from "../../infra/rules/rule-set.ts";
import { limits } from "../../schemas/limits.ts";
import { hash } from "./evidence.ts";
import type { Output } from "./outputs.ts";
import { type Draft, draftOf, write } from "./proposal-text.ts";
import type { Step } from "./step.ts";

/** What a command was held for. */
export interface Held {
  readonly rule: Pick<ChainRule, "name" | "count">;
  readonly chain: { readonly id: string };
  readonly found: readonly Step[];
}

interface Shape {
  /** One per approval, the latest of them. */
  readonly drafts: Draft[];
  readonly approvals: string[];
  readonly approvers: string[];
  times: number;
}

export interface KeptProposals {
  readonly held: readonly (readonly [chain: string, draft: Draft])[];
  readonly asked: readonly (readonly [approval: string, chains: readonly string[]])[];
  readonly shapes: readonly (readonly [shape: string, Shape])[];
  readonly last: readonly (readonly [command: string, draft: Draft])[];
}

export class Proposals {
  /** By chain: what was held. */
  readonly #held = new Map<string, Draft>();
  /** By approval: its chains. */
  readonly #asked = new Map<string, readonly string[]>();
  readonly #shapes = new Map<string, Shape>();
  /** By command that completes an approved chain: how many rows it had is not known yet. */
  readonly #last = new Map<string, Draft>();

  /** A command was held for these. */
  held(completions: readonly Held[]): void {
    for (const { rule, chain, found } of completions) {
      const draft = rule.count === null ? draftOf(rule.name, found) : null;
      if (draft !== null) keep(this.#held, chain.id, draft);
    }
  }

  fold(entry: Entry): Output | null {
    if (entry.type === "approval.asked") {
      const { approval, chains } = entry.data;
      const ids = chains.map(({ id }) => id).filter((id) => this.#held.has(id));
      if (ids.length > 0) keep(this.#asked, approval, ids);
    } else if (entry.type === "command.finished") {
      const command = entry.subject.command ?? "";
      const draft = this.#last.get(command);
      const part = draft?.parts.at(-1);
      if (part !== undefined) part.rows = Math.max(part.rows, entry.data.rows);
      this.#last.delete(command);
    } else if (entry.type === "approval.answered") return this.#answered(entry);
    return null;
  }

  /** Only people count, each approval once. */
  #answered({ subject, data }: Extract<Entry, { type: "approval.answered" }>): Output | null {
    const chains = this.#asked.get(data.approval) ?? [];
    if (data.answer === "refuse") this.#asked.delete(data.approval);
    if (data.answer !== "approve" || data.kind !== "person") return null;
    this.#asked.delete(data.approval);
    let output: Output | null = null;
    for (const chain of chains) {
      const draft = this.#held.get(chain);
      if (draft === undefined) continue;
      this.#held.delete(chain);
      keep(this.#last, draft.parts.at(-1)?.command ?? "", draft);
      const shape = this.#count(draft, data.approval, data.by);
      if (output === null && shape.times % limits.pipelineProposedAfter === 0)
        output = { subject, ...proposal(draft, shape) };
    }
    return output;
  }

  #count(draft: Draft, approval: string, by: string): Shape {
    const shape = this.#shapes.get(draft.shape) ?? { drafts: [], approvals: [], approvers: [], times: 0 };
    keep(this.#shapes, draft.shape, shape);
    shape.times += 1;
    shape.drafts.push(draft);
    shape.approvals.push(approval);
    if (!shape.approvers.includes(by)) shape.approvers.push(by);
    for (const list of [shape.drafts, shape.approvals, shape.approvers]) if (list.length > examplesMax) list.shift();
    return shape;
  }

  kept(): KeptProposals {
    return { held: [...this.#held], asked: [...this.#asked], shapes: [...this.#shapes], last: [...this.#last] };
  }

  /** Into an empty one. */
  restore({ held, asked, shapes, last }: KeptProposals): void {
    for (const [chain, draft] of held) this.#held.set(chain, draft);
    for (const [approval, chains] of asked) this.#asked.set(approval, chains);
    for (const [key, shape] of shapes) this.#shapes.set(key, shape);
    for (const [command, draft] of last) this.#last.set(command, draft);
  }
}

const examplesMax = 20;

function keep<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > limits.proposalsKeptMax && oldest !== undefined) map.delete(oldest);
}

function proposal({ rule, shape: key }: Draft, { drafts, approvals, approvers, times }: Shape) {
  const pipeline = `proposed-${key.slice(0, 12)}`;
  const accounts = [...new Set(drafts.flatMap(({ parts }) => parts.map(({ account }) => account)))].join(", ");
  return {
    type: "pipeline.proposed" as const,
    id: hash(["proposed", key, times]),
    data: {
      ...{ proposal: hash(["proposal", key, times]), pipeline, rule, text: write(pipeline, drafts), times },
      approvals: [...approvals],
      approvers: [...approvers],
      sentence: `People approved the same chain of ${rule} ${times} times, by ${accounts}: it may be a pipeline that nobody declared.`,
    },
  };
}
