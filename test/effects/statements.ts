/** The table of statements as data: `statements.txt`, one line of SQL and one of meaning each. */
import { readFileSync } from "node:fs";

export interface Row {
  readonly sql: string;
  readonly meaning: string;
}

export function statements(): readonly Row[] {
  const lines = readFileSync(new URL("statements.txt", import.meta.url), "utf8").split("\n");
  const rows: Row[] = [];
  for (const [index, line] of lines.entries()) {
    const meaning = lines[index + 1];
    if (line === "" || line.startsWith("#") || line.startsWith("    ") || !meaning?.startsWith("    ")) continue;
    rows.push({ sql: line, meaning: meaning.trim() });
  }
  return rows;
}
