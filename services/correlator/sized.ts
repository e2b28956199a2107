/** Keys made of names that may have any letter: where one ends is told by its length. */
export function sized(text: string): string {
  return `${text.length}:${text}`;
}

/** The same key for the same names in the same order only; none is another key than one empty name. */
export function allSized(texts: readonly string[]): string {
  let key = "";
  for (const text of texts) key += sized(text);
  return key;
}
