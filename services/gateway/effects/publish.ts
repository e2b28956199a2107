/** What the rows of a statement give to the client: by position, plainly shown or revealed. */
import type { Analysis } from "./env.ts";
import type { ScopeColumn } from "./scope.ts";

/** Result columns that a mask can cover, and the rest, which it cannot. */
export function publish(columns: readonly ScopeColumn[], analysis: Analysis): void {
  const { draft } = analysis;
  draft.outputs.push(columns.map((column) => column.plain));
  // Behind a column of unknown width no position is sure, so no mask is either.
  const placed = !columns.some((column) => column.spread);
  for (const column of columns) {
    for (const source of column.plain) draft.shows.add(source);
    const plain = new Set(column.plain);
    draft.reveal(placed ? column.from.filter((source) => !plain.has(source)) : column.from);
  }
}

/** Rows that leave in a form that no mask covers (COPY). */
export function giveAway(columns: readonly ScopeColumn[], analysis: Analysis): void {
  for (const column of columns) analysis.draft.reveal([...column.plain, ...column.from]);
}
