/** The same words with other space between them. */
import type { Token } from "../../infra/sql/grammar.ts";

const spaces = [
  " ",
  "\n",
  "\t \r\n",
  " /**/ ",
  "/* ' */",
  ' -- it\'s "nothing"\n',
  " /* a /* nested */ one; DROP TABLE customers */ ",
  " /* $$ */ ",
];

/** @param dice which space stands before each word, over and over */
export function noisy(tokens: readonly Token[], dice: readonly number[]): string {
  return tokens
    .filter((token) => token.kind !== "comment")
    .map((token, index) => (spaces[(dice[index % dice.length] ?? 0) % spaces.length] ?? " ") + token.text)
    .join("");
}
