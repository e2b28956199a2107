/** What a mistyped word probably means. */

/** @returns the known word within one edit (two for long words); null when none is near */
export function nearest(word: string, known: readonly string[]): string | null {
  if (word.length > 64) return null;
  const lower = word.toLowerCase();
  let best: string | null = null;
  let least = word.length > 6 ? 3 : 2;
  for (const one of known) {
    if (Math.abs(one.length - word.length) >= least) continue;
    const edits = distance(lower, one.toLowerCase());
    if (edits >= least) continue;
    least = edits;
    best = one;
  }
  return best;
}

/** Letters to change, add, leave out or swap with the next. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1, (last[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      row.push(least);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
