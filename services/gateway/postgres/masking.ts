/** What of a result is masked for this session: joins the catalog, the policy's tags and the client's encoding to rows.ts. */
import type { ResourceUri } from "../../../schemas/command.ts";
import type { EventData } from "../../../schemas/event-data.ts";
import type { Reader } from "../effects/reader.ts";
import type { Names } from "./names.ts";
import { type Column, type MaskAnswer, type MaskPlan, planMasks } from "./rows.ts";

export interface MaskingParts {
  readonly reader: Reader;
  readonly names: Names;
  readonly tagsOf: (resource: ResourceUri) => readonly string[];
}

export class Masking {
  readonly #parts: MaskingParts;

  constructor(parts: MaskingParts) {
    this.#parts = parts;
  }

  /** A column of a table the catalog does not know is masked, and the catalog is read again before the next command. */
  plan(
    columns: readonly Column[],
    masks: readonly ResourceUri[],
    outputs: readonly (readonly ResourceUri[])[] | undefined,
  ): MaskAnswer {
    const { reader, names, tagsOf } = this.#parts;
    const sourcesOf = reader.sourcesOf.bind(reader);
    const answer = planMasks({ columns, masks, outputs, sourcesOf, tagsOf, utf8: names.utf8 });
    if (answer.unknown) reader.outdate();
    return answer;
  }

  counts(plans: readonly MaskPlan[]): EventData["output.masked"]["columns"] {
    const found = plans.flat().filter((column) => column !== null && column.count > 0);
    return found.map((column) => ({ resource: column!.resource, tag: column!.tag, count: column!.count }));
  }
}
