/** Blocks as the log has them: placed, enforced, lifted, expired. */
import type { Entry } from "../../infra/log/entry.ts";
import type { People } from "../../infra/policy/people.ts";
import type { BlockInfo } from "../../schemas/api.ts";
import type { EventData } from "../../schemas/event-data.ts";

export interface PlacedBlock {
  readonly data: EventData["block.placed"];
  readonly placedAtMs: number;
  enforced: number;
  expired: boolean;
  lifted: { readonly by: string; readonly reason: string; readonly atMs: number } | null;
}

const keptMax = 20_000;

export class Placed {
  readonly #blocks = new Map<string, PlacedBlock>();

  fold(entry: Entry): void {
    if (entry.type === "block.placed") this.#place(entry.data, entry.atMs);
    else if (entry.type === "block.enforced") {
      const block = this.#blocks.get(entry.data.block);
      if (block) block.enforced += 1;
    } else if (entry.type === "block.lifted") {
      const block = this.#blocks.get(entry.data.block);
      if (block) block.lifted ??= { by: entry.data.by, reason: entry.data.reason, atMs: entry.atMs };
    } else if (entry.type === "block.expired") {
      const block = this.#blocks.get(entry.data.block);
      if (block) block.expired = true;
    }
  }

  get(id: string): PlacedBlock | null {
    return this.#blocks.get(id) ?? null;
  }

  /** Newest first. */
  all(): readonly PlacedBlock[] {
    return [...this.#blocks.values()].reverse();
  }

  /** What is over goes first; a block that still stands is forgotten last. */
  #place(data: EventData["block.placed"], placedAtMs: number): void {
    if (this.#blocks.has(data.block)) return;
    if (this.#blocks.size >= keptMax) {
      const over = [...this.#blocks].find(([, block]) => block.expired || block.lifted !== null);
      const first = over?.[0] ?? this.#blocks.keys().next().value;
      if (first !== undefined) this.#blocks.delete(first);
    }
    this.#blocks.set(data.block, { data, placedAtMs, enforced: 0, expired: false, lifted: null });
  }
}

export function blockInfo(block: PlacedBlock, people: People, nowMs: number): BlockInfo {
  const { data, lifted } = block;
  const { operations, ...scope } = data.scope;
  const over = block.expired || (data.expiresAtMs !== null && nowMs >= data.expiresAtMs);
  return {
    block: data.block,
    scope: { ...scope, ...(operations ? { operations: [...operations] } : {}) },
    ...(scope.identity ? { identityName: people.named(scope.identity).name } : {}),
    by: people.named(data.by),
    reason: data.reason,
    placedAtMs: block.placedAtMs,
    expiresAtMs: data.expiresAtMs,
    state: lifted ? "lifted" : over ? "expired" : "active",
    lifted: lifted ? { by: people.named(lifted.by), reason: lifted.reason, atMs: lifted.atMs } : null,
    enforced: block.enforced,
  };
}
