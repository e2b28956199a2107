/** Finding places in lists that are in log order. */
interface Placed {
  readonly at: number;
}

/** @returns index of the last one before `at`, -1 when there is none */
export function lastUnder(list: readonly Placed[], at: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle]?.at ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Puts it where it belongs. @returns false when something stands at its place already */
export function insert<T extends Placed>(list: T[], item: T): boolean {
  const last = list[list.length - 1];
  if (last === undefined || last.at < item.at) {
    list.push(item);
    return true;
  }
  const after = lastUnder(list, item.at) + 1;
  if (list[after]?.at === item.at) return false;
  list.splice(after, 0, item);
  return true;
}
