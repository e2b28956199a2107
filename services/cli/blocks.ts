/** `throughline blocks`: standing orders that refuse matching commands, in open sessions too, until they end or are lifted. */
import { type BlockInfo, blockInfoSchema, blocksSchema } from "../../schemas/api.ts";
import { scopeWords } from "../../schemas/story.ts";
import { type Context, done, tell } from "./context.ts";
import { misused } from "./failure.ts";
import { wholeNumber } from "./moment.ts";
import { fromNow, localTime, paint, table } from "./paint.ts";

export async function listBlocks(context: Context, all: boolean): Promise<void> {
  const api = await context.api();
  const found = await api.read(blocksSchema, "/api/blocks");
  const { terminal, now } = context.parts;
  const blocks = found.blocks.filter((block) => all || block.state === "active");
  tell(context, { blocks }, () =>
    blocks.length === 0
      ? ["No block is in force."]
      : table<BlockInfo>(
          terminal,
          [
            { head: "PLACED", cell: (b) => localTime(b.placedAtMs), paint: (cell) => paint(terminal, "dim", cell) },
            {
              head: "STATE",
              cell: (b) => b.state,
              paint: (cell, b) => (b.state === "active" ? paint(terminal, "red", cell) : cell),
            },
            { head: "BLOCK", cell: (b) => b.block },
            { head: "BY", cell: (b) => b.by.name },
            { head: "ENDS", cell: (b) => endWords(b, now()) },
            { head: "REFUSED", cell: (b) => String(b.enforced), align: "right" },
            { head: "WHAT", cell: (b) => `${scopeWords(b.scope, b.identityName)}: ${b.reason}` },
          ],
          blocks,
        ),
  );
}

function endWords(block: BlockInfo, nowMs: number): string {
  if (block.lifted) return `lifted by ${block.lifted.by.name}`;
  return block.expiresAtMs === null ? "when lifted" : fromNow(block.expiresAtMs, nowMs);
}

export interface PlaceOptions {
  readonly identity?: string;
  readonly account?: string;
  readonly session?: string;
  readonly task?: string;
  readonly grant?: string;
  readonly resource?: string;
  readonly operation?: readonly string[];
  readonly reason: string;
  readonly minutes?: string;
}

export async function placeBlock(context: Context, options: PlaceOptions): Promise<void> {
  const { reason, minutes, operation, ...named } = options;
  if (Object.values(named).every((value) => value === undefined) && !operation?.length)
    throw misused(
      "A block must name what it refuses.",
      "Give --identity, --account, --session, --task, --grant or --resource.",
    );
  const api = await context.api();
  const scope = { ...named, ...(operation?.length ? { operations: operation } : {}) };
  const end = minutes === undefined ? {} : { minutes: wholeNumber(minutes, 1, 525_600) };
  const block = await api.send("POST", "/api/blocks", { scope, reason, ...end }, blockInfoSchema);
  done(context, block, `Block ${block.block} refuses ${scopeWords(block.scope, block.identityName)} from now on.`);
}

export async function liftBlock(context: Context, id: string, reason: string): Promise<void> {
  const api = await context.api();
  await api.tell("DELETE", `/api/blocks/${encodeURIComponent(id)}`, { reason });
  done(context, { block: id, lifted: true, reason }, `Block ${id} is lifted.`);
}
