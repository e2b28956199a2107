/**
 * Resources and sentences as people read them: `shop.customers (card, email)` where the URIs are
 * `orders/shop.customers#card` and `orders/shop.customers#email`. The URI stays what links, filters and records use.
 */

export interface Place {
  /** The table, as a URI. */
  readonly uri: string;
  readonly words: string;
}

/**
 * One place per table, its columns beside it; a table that is named as a whole and by column is one place.
 * @param target its name is left out: it stands beside the account already
 */
export function placesOf(uris: readonly string[], target = ""): Place[] {
  const tables = new Map<string, string[]>();
  for (const uri of uris) {
    const [table = uri, column] = uri.split("#");
    const columns = tables.get(table) ?? [];
    if (column !== undefined) columns.push(column);
    tables.set(table, columns);
  }
  return [...tables].map(([uri, columns]) => {
    const name = target !== "" && uri.startsWith(`${target}/`) ? uri.slice(target.length + 1) : uri;
    return { uri, words: columns.length > 0 ? `${name} (${columns.toSorted().join(", ")})` : name };
  });
}

export const placeWords = (uris: readonly string[], target = ""): string =>
  placesOf(uris, target)
    .map((place) => place.words)
    .join(", ");

/** `DELETE shop.reporting_customers`: the tables only, for a title. At most three; more are counted. */
export function askWords(statements: readonly string[], resources: readonly string[], target: string): string {
  const tables = placesOf([...new Set(resources.map((uri) => uri.split("#")[0] ?? uri))], target);
  const named = tables.slice(0, 3).map((place) => place.words);
  const more = tables.length > named.length ? ` and ${tables.length - named.length} more` : "";
  return `${statements.join("; ")} ${named.join(", ")}${more}`.trim();
}

/** A sentence of the machine's, with names where identity keys stand. @param names by identity key */
export function withNames(sentence: string, names: ReadonlyMap<string, string>): string {
  // the longest key first: one may begin as another does
  const keys = [...names.keys()].filter((key) => key !== "").toSorted((a, b) => b.length - a.length);
  return keys.reduce((words, key) => words.replaceAll(key, names.get(key) || key), sentence);
}

/** What a sentence adds to the title that stands above it. */
export const afterTitle = (title: string, sentence: string): string =>
  sentence.startsWith(`${title}: `) ? sentence.slice(title.length + 2) : sentence;
