/**
 * What a text in a Sigma rule stands for: wildcards with their escapes, and the modifiers that change the text itself
 * (windash, utf16, base64, contains …), each as the specification's appendix has it. Values are changed one by one, in the
 * order in which the modifiers are written.
 */
import { limits } from "../../schemas/limits.ts";
import { dashes, type Piece } from "../pattern/glob.ts";

/** `bytes`: each character is a byte (after utf16), and base64 must not encode it again as UTF-8. */
export interface Value {
  readonly pieces: readonly Piece[];
  readonly bytes: boolean;
}

/** Characters, and the two wildcards unless a backslash stands before them; `\\` is one backslash, so is a single `\`. */
export function readValue(written: string): Value {
  const pieces: Piece[] = [];
  let text = "";
  const flush = () => {
    if (text !== "") pieces.push({ text });
    text = "";
  };
  for (let at = 0; at < written.length; at += 1) {
    const letter = written[at] ?? "";
    const next = written[at + 1];
    if (letter === "\\" && (next === "*" || next === "?" || next === "\\")) {
      text += next;
      at += 1;
    } else if (letter === "*" || letter === "?") {
      flush();
      if (letter === "?" || pieces.at(-1) !== "*") pieces.push(letter);
    } else text += letter;
  }
  flush();
  return { pieces, bytes: false };
}

export const placements = ["contains", "startswith", "endswith"] as const;
export type Placement = (typeof placements)[number];

export function place({ pieces, bytes }: Value, placement: Placement): Value {
  const before: Piece[] = placement !== "startswith" && pieces[0] !== "*" ? ["*"] : [];
  const after: Piece[] = placement !== "endswith" && (pieces.at(-1) !== "*" || pieces.length === 0) ? ["*"] : [];
  const placed = [...before, ...pieces, ...after];
  return { pieces: placed[0] === "*" && placed[1] === "*" ? placed.slice(1) : placed, bytes };
}

const dashPattern = new RegExp(`(?<=[${dashes.join("")}])|(?=[${dashes.join("")}])`, "u");

/** Every one of the dashes may be any other of them. */
export function exchangeDashes({ pieces, bytes }: Value): Value {
  const isDash = (part: string) => (dashes as readonly string[]).includes(part);
  const exchanged = pieces.flatMap((piece): readonly Piece[] =>
    typeof piece === "string"
      ? [piece]
      : piece.text.split(dashPattern).map((part) => (isDash(part) ? "dash" : { text: part })),
  );
  return { pieces: exchanged, bytes };
}

/** Which byte comes first, and whether a mark that says so stands before all. */
export const wides: Readonly<Record<string, "le" | "be" | "mark">> = {
  utf16le: "le",
  wide: "le",
  utf16be: "be",
  utf16: "mark",
};

/** Two bytes per UTF-16 unit. @param how a key of `wides`; @throws Error */
export function widen({ pieces }: Value, how: string): Value {
  if (pieces.includes("dash"))
    throw new Error(`${how} cannot follow windash: list the value once with each dash, without windash`);
  const wide = pieces.map((piece): Piece => {
    if (typeof piece === "string") return piece;
    const bytes = Buffer.from(piece.text, "utf16le");
    if (wides[how] === "be") bytes.swap16();
    return { text: bytes.toString("latin1") };
  });
  return { pieces: wides[how] === "mark" ? [{ text: "\xff\xfe" }, ...wide] : wide, bytes: true };
}

/** The one or, after windash, the several texts without wildcards. */
function plainTexts({ pieces }: Value, modifier: string): readonly string[] {
  let texts = [""];
  for (const piece of pieces) {
    if (piece === "*" || piece === "?")
      throw new Error(
        `${modifier} cannot encode a wildcard: escape it, or write the modifiers contains, startswith after`,
      );
    const parts = piece === "dash" ? dashes : [piece.text];
    texts = texts.flatMap((text) => parts.map((part) => text + part));
    if (texts.length > limits.dashVariantsMax)
      throw new Error(`windash before ${modifier} makes more than ${limits.dashVariantsMax} texts`);
  }
  return texts;
}

const fromText = (text: string): Value => ({ pieces: text === "" ? [] : [{ text }], bytes: false });

export function encodeBase64(value: Value): readonly Value[] {
  const encoding = value.bytes ? "latin1" : "utf8";
  return plainTexts(value, "base64").map((text) => fromText(Buffer.from(text, encoding).toString("base64")));
}

/** The part of the encoded text that stays the same wherever the value stands in what was encoded: three of them. */
export function encodeBase64Offset(value: Value): readonly Value[] {
  const encoding = value.bytes ? "latin1" : "utf8";
  return plainTexts(value, "base64offset").flatMap((text) =>
    [0, 1, 2].flatMap((shift) => {
      const bytes = Buffer.concat([Buffer.alloc(shift, " "), Buffer.from(text, encoding)]);
      const fixed = bytes.toString("base64").slice([0, 2, 3][shift]);
      const partOfLast = [0, 3, 2][bytes.length % 3] ?? 0;
      const stays = partOfLast === 0 ? fixed : fixed.slice(0, -partOfLast);
      return stays === "" ? [] : [fromText(stays)];
    }),
  );
}

/** Only `\%` is a plain percent sign here. @throws Error that names the placeholder */
export function refusePlaceholders(written: string): string {
  const placeholder = /(?:^|[^\\])%([^%\s\\]+)%/.exec(written)?.[1];
  if (placeholder !== undefined)
    throw new Error(`nothing gives %${placeholder}% a value: list the values here, without expand`);
  return written.replaceAll("\\%", "%");
}
