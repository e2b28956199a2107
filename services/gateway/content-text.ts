/**
 * The values that may stand in a command's text. Made for looking for known values, so it may tell too much, and it takes
 * no stand on where a literal begins: an apostrophe in a comment would turn inside and outside round. What lies between
 * two apostrophes is told, whichever side it is of, and so are its pieces between brackets, `$` and `=`. Linear.
 */

/** Letters of one command that are looked at, some tenths of a second: a text beyond limits.parsedTextBytesMax is opaque. */
export const lettersMax = 4 * 1024 * 1024;
const marks = /[()$=]/;
const escaped = /\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|([^xu]))/g;

export function literalsIn(text: string, found: (value: string) => void): void {
  const pieces = (text.length > lettersMax ? text.slice(0, lettersMax) : text).split("'");
  // 'it''s' is one value: an empty piece between two others stands for an apostrophe.
  let joined = "";
  for (const [at, piece] of pieces.entries()) {
    const isDoubled = piece === "" && at > 0 && at < pieces.length - 1;
    if (isDoubled) {
      joined += "'";
      continue;
    }
    const goesOn = joined.endsWith("'");
    if (goesOn) {
      joined += piece;
      tell(piece, found);
    } else {
      if (joined !== "") tell(joined, found);
      joined = piece;
    }
  }
  tell(joined, found);
}

function tell(value: string, found: (value: string) => void): void {
  found(value);
  if (value.includes("\\")) found(unescaped(value));
  if (marks.test(value)) for (const piece of value.split(marks)) found(piece);
}

/** As E'…' and COPY read it. */
export function unescaped(text: string): string {
  return text.replace(escaped, (_, hex: string | undefined, unicode: string | undefined, one: string | undefined) => {
    const code = hex ?? unicode;
    if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
    return one === "n" ? "\n" : one === "t" ? "\t" : one === "r" ? "\r" : (one ?? "");
  });
}
