/**
 * What of a text can be evidence that data came back: values in a normal form, and only those that few things share.
 *
 * `4111-1111-2222-3333`, `4111 1111 2222 3333` and `4111111122223333` are one value, so are `Ann@Example.com` and
 * `ann@example.com `. A text that holds several (JSON, CSV, an array, a row) gives the whole and its parts.
 * Too little to be evidence: what is short, numbers of up to eight digits, dates and times, names and single words
 * (many people share them). It cannot see what was encoded, encrypted, cut or computed on the way.
 */

/** A value in its normal form. `phrase`: only letters, so it may be a fixed choice of words and not somebody's own. */
export type Found = (normal: string, phrase: boolean) => void;

/** An e-mail address of fewer letters and digits is rarely anybody's. */
const addressLettersMin = 7;
const digitsMin = 9;
const mixedMin = 10;
/** Below that letters alone are a name or a word. */
const phraseMin = 20;
const distinctLettersMin = 5;
const distinctDigitsMin = 3;
/** Longer ones are the same when their beginnings are. */
const normalMax = 512;
/** Parts of one text that are looked at; a document beyond that is known by these. */
const partsMax = 10_000;

/** A day, with or without a time behind it. */
const date = /^(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])(t?[0-9]{4,}z?)?$/;
const decimal = /^\s*[-+]?[0-9]+\.[0-9]+\s*$/;
const separators = /[{}[\],;|\t\r\n"]/;
const [quote, backslash] = [0x22, 0x5c];
/** Texts inside texts: JSON in a CSV field in a statement. */
const depthMax = 4;
const notAscii = /[^\0-\x7f]/;
const notLetters = /[^\p{L}\p{N}]+/gu;

/** Tells every value of a text that is evidence. Linear in the text. */
export function evidenceIn(text: string, found: Found): void {
  look(text, found, depthMax);
}

function look(text: string, found: Found, depth: number): void {
  if (text.length < addressLettersMin) return;
  tell(text, found);
  if (depth === 0 || !separators.test(text)) return;
  let closes = true;
  let count = 0;
  for (let at = 0; at < text.length && count < partsMax; count++) {
    const end = closes && text.charCodeAt(at) === quote ? closing(text, at + 1) : -1;
    if (end >= 0) {
      quoted(text.slice(at + 1, end), found, depth);
      at = end + 1;
      continue;
    }
    // A quote that nothing closes is a separator, and so is every one behind it.
    if (text.charCodeAt(at) === quote) closes = false;
    let last = at;
    while (last < text.length && !isSeparator(text.charCodeAt(last))) last += 1;
    if (last - at >= addressLettersMin) tell(text.slice(at, last), found);
    at = last > at && closes && text.charCodeAt(last) === quote ? last : last + 1;
  }
}

/** It may hold separators, and be escaped once more. */
function quoted(inner: string, found: Found, depth: number): void {
  if (separators.test(inner)) look(inner.replaceAll("\\", ""), found, depth - 1);
  else if (inner.length >= addressLettersMin) tell(inner, found);
}

/** @returns where the quoted part ends; -1 when nothing closes it */
function closing(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === backslash || (code === quote && text.charCodeAt(at + 1) === quote)) at += 1;
    else if (code === quote) return at;
  }
  return -1;
}

/** `{ } [ ] , ; | "`, tab and line ends */
function isSeparator(code: number): boolean {
  switch (code) {
    case 0x7b:
    case 0x7d:
    case 0x5b:
    case 0x5d:
    case 0x2c:
    case 0x3b:
    case 0x7c:
    case quote:
    case 0x09:
    case 0x0a:
    case 0x0d:
      return true;
    default:
      return false;
  }
}

function tell(text: string, found: Found): void {
  const plain = decimal.test(text) ? text.replace(/\.?0+\s*$/, "") : text;
  const normal = normalOf(plain.length > 4 * normalMax ? plain.slice(0, 4 * normalMax) : plain);
  const kind = kindOf(normal, plain.includes("@"));
  if (kind !== null) found(normal, kind === "phrase");
}

/** Letters and digits, in small letters. */
function normalOf(text: string): string {
  if (notAscii.test(text)) return text.normalize("NFKC").toLowerCase().replace(notLetters, "").slice(0, normalMax);
  let normal = "";
  let from = -1;
  for (let at = 0; at <= text.length; at++) {
    if (at < text.length && isLetterOrDigit(text.charCodeAt(at))) {
      if (from < 0) from = at;
    } else if (from >= 0) {
      normal += text.slice(from, at);
      from = -1;
    }
  }
  return (normal.length > normalMax ? normal.slice(0, normalMax) : normal).toLowerCase();
}

function isLetterOrDigit(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 97 && code <= 122) || (code >= 65 && code <= 90);
}

/** @returns null when it is too little */
function kindOf(normal: string, isAddress: boolean): "own" | "phrase" | null {
  if (normal.length < addressLettersMin || date.test(normal)) return null;
  let digits = 0;
  for (let at = 0; at < normal.length; at++) {
    const code = normal.charCodeAt(at);
    if (code >= 48 && code <= 57) digits += 1;
  }
  if (digits === normal.length) {
    return digits >= digitsMin && hasDistinct(normal, distinctDigitsMin) ? "own" : null;
  }
  if (!hasDistinct(normal, distinctLettersMin)) return null;
  if (isAddress || (digits > 0 && normal.length >= mixedMin)) return "own";
  return digits === 0 && normal.length >= phraseMin ? "phrase" : null;
}

function hasDistinct(text: string, min: number): boolean {
  const seen = new Set<number>();
  for (let at = 0; at < text.length; at++) {
    seen.add(text.charCodeAt(at));
    if (seen.size >= min) return true;
  }
  return false;
}
