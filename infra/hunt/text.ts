/** Small pieces of ClickHouse SQL. Every value of a rule or an event that stands in a statement passes `quoted`. */

/** A text as a literal: nothing in it can end it. */
export function quoted(text: string): string {
  return `'${text.replace(/\\/g, "\\\\").replace(/'/g, "\\'").replaceAll("\0", "\\0")}'`;
}

export function quotedList(texts: readonly string[]): string {
  return `[${texts.map(quoted).join(", ")}]`;
}

/** True where `inner` is `outer` or inside it; the same reading as `contains` of infra/catalog.ts. */
export function insideSql(inner: string, outer: string): string {
  const separator = `multiIf(position(${outer}, '#') > 0, '', position(${outer}, '/') = 0, '/', position(substring(${outer}, position(${outer}, '/')), '.') > 0, '#', '.')`;
  return `(startsWith(${inner}, ${outer}) AND (${inner} = ${outer} OR substring(${inner}, length(${outer}) + 1, 1) = ${separator} AND ${separator} != ''))`;
}

/** Members that both have; of two URIs that overlap, the narrower. Both are arrays of texts. */
export function meetSql(one: string, other: string, byOverlap: boolean): string {
  if (!byOverlap) return `arrayIntersect(${one}, ${other})`;
  const narrow = (mine: string, theirs: string) =>
    `arrayFilter(x -> arrayExists(y -> ${insideSql("x", "y")}, ${theirs}), ${mine})`;
  return `arrayDistinct(arrayConcat(${narrow(one, other)}, ${narrow(other, one)}))`;
}

/** True where the two arrays of texts have a member in common, or two that overlap. */
export function sharesSql(one: string, other: string, byOverlap: boolean): string {
  if (!byOverlap) return `hasAny(${one}, ${other})`;
  return `arrayExists(x -> arrayExists(y -> ${insideSql("x", "y")} OR ${insideSql("y", "x")}, ${other}), ${one})`;
}
