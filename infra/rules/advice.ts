/** What a rule's author asks people to check: the part of its description that begins with "What to check:". */

/** An event has a size, and a reader a minute. */
const lettersMax = 500;

/** @returns null where the description says nothing of the kind */
export function adviceIn(description: unknown): string | null {
  if (typeof description !== "string") return null;
  const found = /\bwhat to check:\s*([\s\S]*?)(?=\n\s*\n|\n[^\n:]{1,40}:\s|$)/i.exec(description);
  const text = (found?.[1] ?? "").replaceAll(/\s+/g, " ").trim();
  if (text === "") return null;
  return text.length <= lettersMax ? text : `${text.slice(0, lettersMax - 1)}…`;
}
