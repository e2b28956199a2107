/**
 * Values by text, without the text: kept under its hash, so that texts of one hash share a place. For whoever checks what he
 * finds. Small tables that grow one by one: no addition waits for a million others to be moved.
 */

const tablesCount = 256;
const slotsMin = 8;
const fullest = 0.8;
const growth = 1.5;

interface Table<T> {
  hashes: Int32Array;
  values: (T | undefined)[];
  used: number;
}

export class ByHash<T> {
  readonly #tables: (Table<T> | undefined)[] = new Array<undefined>(tablesCount).fill(undefined);

  get(text: string): T | undefined {
    const hash = hashOf(text);
    const table = this.#tables[hash & (tablesCount - 1)];
    return table?.values[slotOf(table, hash)];
  }

  set(text: string, value: T): void {
    const hash = hashOf(text);
    const index = hash & (tablesCount - 1);
    let table = this.#tables[index] ?? tableOf<T>(slotsMin);
    if (table.used + 1 > fullest * table.values.length) table = grown(table);
    this.#tables[index] = table;
    put(table, hash, value);
  }

  delete(text: string): void {
    const hash = hashOf(text);
    const table = this.#tables[hash & (tablesCount - 1)];
    if (table === undefined) return;
    const { hashes, values } = table;
    let gap = slotOf(table, hash);
    if (values[gap] === undefined) return;
    values[gap] = undefined;
    table.used -= 1;
    // What stands behind the gap because its own place was taken comes nearer.
    for (let next = (gap + 1) % values.length; values[next] !== undefined; next = (next + 1) % values.length) {
      const home = homeOf(table, hashes[next] ?? 0);
      const isBetween = gap < next ? home > gap && home <= next : home > gap || home <= next;
      if (isBetween) continue;
      hashes[gap] = hashes[next] ?? 0;
      values[gap] = values[next];
      values[next] = undefined;
      gap = next;
    }
  }

  clear(): void {
    this.#tables.fill(undefined);
  }
}

function tableOf<T>(slots: number): Table<T> {
  return { hashes: new Int32Array(slots), values: new Array<undefined>(slots).fill(undefined), used: 0 };
}

function grown<T>({ hashes, values }: Table<T>): Table<T> {
  const larger = tableOf<T>(Math.ceil(values.length * growth));
  for (const [slot, value] of values.entries()) if (value !== undefined) put(larger, hashes[slot] ?? 0, value);
  return larger;
}

function put<T>(table: Table<T>, hash: number, value: T): void {
  const slot = slotOf(table, hash);
  if (table.values[slot] === undefined) table.used += 1;
  table.hashes[slot] = hash;
  table.values[slot] = value;
}

function homeOf<T>({ values }: Table<T>, hash: number): number {
  return (hash >>> 8) % values.length;
}

/** @returns where it stands, or the free place where it would */
function slotOf<T>(table: Table<T>, hash: number): number {
  const { hashes, values } = table;
  let slot = homeOf(table, hash);
  while (values[slot] !== undefined && hashes[slot] !== hash) slot = (slot + 1) % values.length;
  return slot;
}

/** FNV-1a, and its bits mixed (MurmurHash3's end): names that differ in the last letter only must not stand side by side. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) | 0;
}
