/**
 * What the gateway follows of the log: grants, blocks, approvals, answers to its intents, travelled tags, who is who.
 * One fold at replay and live: after a restart the gate stands where it stood. Pure: it says nothing to the log and
 * reads no clock; who wants to act on a change listens.
 *
 * In the one-machine default it is folded in the writer's own process, so it is never behind.
 */
import type { Catalog } from "../../infra/catalog.ts";
import type { Entry } from "../../infra/log/entry.ts";
import { type KeptPeople, People } from "../../infra/policy/people.ts";
import type { BlockScope, EventData } from "../../schemas/event-data.ts";
import type { Tenant } from "../../schemas/identity.ts";
import { type Answered, Approvals, type KeptApprovals } from "./approvals.ts";
import { ContentIndex, type KeptContent } from "./content-index.ts";
import { Grants, type KeptGrants } from "./grants.ts";
import { type KeptTags, Tags } from "./tags.ts";

export interface StandingBlock {
  readonly id: string;
  readonly scope: BlockScope;
  readonly reason: string;
  readonly placedAtMs: number;
  readonly expiresAtMs: number | null;
}

export interface FeedListener {
  answered?(answered: Answered): void;
  expired?(approval: string): void;
  used?(approval: string): void;
}

export interface KeptFeed {
  readonly grants: KeptGrants;
  readonly people: KeptPeople;
  readonly approvals: KeptApprovals;
  readonly tags: KeptTags;
  readonly blocks: readonly StandingBlock[];
  readonly content: KeptContent;
}

/** By the log's time: a gateway whose clock is ahead, or that lies, ends nothing early. */
function isOver(block: StandingBlock | undefined, atMs: number): boolean {
  const endsMs = block?.expiresAtMs ?? null;
  return endsMs !== null && atMs >= endsMs;
}

export type Answer = EventData["command.answered"];

export class Feed {
  readonly grants: Grants;
  readonly people = new People();
  readonly approvals = new Approvals(this.people);
  readonly tags: Tags;
  /** Values that were shown, by their hashes. */
  readonly content = new ContentIndex();
  /** Log time of the last record folded. */
  atMs = 0;
  /** Standing blocks, oldest first. */
  blocks: readonly StandingBlock[] = [];
  readonly #intents = new Map<string, (answer: Answer) => void>();
  readonly #listeners = new Set<FeedListener>();

  constructor(tenant: Tenant, catalog: Catalog) {
    this.grants = new Grants(tenant);
    this.tags = new Tags(catalog);
  }

  /** For every record of the log, in order. */
  readonly fold = (entry: Entry): void => {
    this.atMs = entry.atMs;
    switch (entry.type) {
      case "command.intended":
      case "command.decided":
      case "command.finished":
        return;
      case "command.answered":
        this.#intents.get(entry.data.intent)?.(entry.data);
        return;
      case "block.placed":
      case "block.lifted":
      case "block.expired":
        this.#foldBlock(entry);
        return;
      default:
        this.#foldRest(entry);
    }
  };

  /** All that was folded, as plain data. @param sinceMs Grants that ended before are left out */
  kept(sinceMs: number): KeptFeed {
    const { grants, people, approvals, tags, blocks, content } = this;
    return {
      grants: grants.kept(sinceMs),
      people: people.kept(),
      approvals: approvals.kept(),
      tags: tags.kept(),
      blocks,
      content: content.kept(),
    };
  }

  /** Into an empty one: then it stands where the other stood. */
  restore({ grants, people, approvals, tags, blocks, content }: KeptFeed): void {
    this.grants.restore(grants);
    this.people.restore(people);
    this.approvals.restore(approvals);
    this.tags.restore(tags);
    this.blocks = blocks;
    this.content.restore(content);
  }

  listen(listener: FeedListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Hands over the answer to this intent, once. Ask before appending the intent. @returns stops waiting */
  onAnswer(intent: string, listener: (answer: Answer) => void): () => void {
    this.#intents.set(intent, (answer) => {
      this.#intents.delete(intent);
      listener(answer);
    });
    return () => this.#intents.delete(intent);
  }

  #foldBlock(entry: Extract<Entry, { type: "block.placed" | "block.lifted" | "block.expired" }>): void {
    const standing = this.blocks.find((block) => block.id === entry.data.block);
    if (entry.type === "block.placed") {
      // As it was placed first: nobody makes another one of it.
      if (standing !== undefined) return;
      const { block: id, scope, reason, expiresAtMs } = entry.data;
      this.blocks = [...this.blocks, { id, scope, reason, placedAtMs: entry.atMs, expiresAtMs }];
    } else if (entry.type === "block.lifted" || isOver(standing, entry.atMs))
      this.blocks = this.blocks.filter((block) => block !== standing);
  }

  #foldRest(entry: Entry): void {
    this.people.fold(entry);
    this.tags.fold(entry);
    this.content.fold(entry);
    const answered = this.approvals.fold(entry);
    this.grants.fold(entry);
    for (const listener of this.#listeners) {
      if (answered !== null) listener.answered?.(answered);
      if (entry.type === "approval.used") listener.used?.(entry.data.approval);
      if (entry.type === "approval.expired") listener.expired?.(entry.data.approval);
    }
  }
}
