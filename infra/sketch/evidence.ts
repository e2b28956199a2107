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
const lookedMax = 4 * normalMax;
/** A day, with or without a time behind it. */
const date = /^(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])(t?[0-9]{4,}z?)?$/;
const decimal = /^\s*[-+]?[0-9]+\.[0-9]+\s*$/;
const [quote, backslash, at, blank] = [0x22, 0x5c, 0x40, 0x20];
/** Texts inside texts: JSON in a CSV field in a statement. */
const depthMax = 4;
const notLetters = /[^\p{L}\p{N}]+/gu;

/** Tells every value of a text that is evidence. Linear in the text. */
export function evidenceIn(text: string, found: Found): void {
  look(text, found, depthMax);
}

function look(text: string, found: Found, depth: number): void {
  if (text.length < addressLettersMin) return;
  tell(text, found);
  if (depth === 0 || !holdsSeveral(text)) return;
  let closes = true;
  for (let from = 0; from < text.length; ) {
    const end = closes && text.charCodeAt(from) === quote ? closing(text, from + 1) : -1;
    if (end >= 0) {
      quoted(text.slice(from + 1, end), found, depth);
      from = end + 1;
      continue;
    }
    // A quote that nothing closes is a separator, and so is every one behind it.
    if (text.charCodeAt(from) === quote) closes = false;
    let last = from;
    while (last < text.length && !isSeparator(text.charCodeAt(last))) last += 1;
    if (last - from >= addressLettersMin) tell(text.slice(from, last), found);
    from = last > from && closes && text.charCodeAt(last) === quote ? last : last + 1;
  }
}

function holdsSeveral(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (isSeparator(text.charCodeAt(i))) return true;
  return false;
}

/** It may hold separators, and be escaped once more. */
function quoted(inner: string, found: Found, depth: number): void {
  if (holdsSeveral(inner)) look(inner.replaceAll("\\", ""), found, depth - 1);
  else if (inner.length >= addressLettersMin) tell(inner, found);
}

/** @returns where the quoted part ends; -1 when nothing closes it */
function closing(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === backslash || (code === quote && text.charCodeAt(i + 1) === quote)) i += 1;
    else if (code === quote) return i;
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

function tell(whole: string, found: Found): void {
  const text = whole.length > lookedMax ? whole.slice(0, lookedMax) : whole;
  const kept = survey(text);
  if (kept.letters === 0 && kept.digits >= digitsMin && decimal.test(text)) {
    const plain = text.replace(/\.?0+\s*$/, "");
    if (plain.length < text.trimEnd().length) {
      tell(plain, found);
      return;
    }
  }
  if (kept.hasWords && (kept.isAddress || kept.digits >= digitsMin)) words(text, found);
  if (!isEnough(kept)) return;
  const normal = normalOf(text, kept);
  if (date.test(normal)) return;
  found(normal, kept.digits === 0 && !kept.isAddress);
}

/** An address or a long number among other words, as in a note. */
function words(text: string, found: Found): void {
  const all = text.trim();
  for (const word of all.split(" ")) {
    if (word.length < addressLettersMin || word.length === all.length) continue;
    const { digits, isAddress } = survey(word);
    if (isAddress || digits >= digitsMin) tell(word, found);
  }
}

/** Of a text in one pass: what it is made of. */
interface Survey {
  digits: number;
  /** Of ASCII, and whatever is beyond it. */
  letters: number;
  /** One bit per letter or digit that it has. */
  seen: number;
  isAscii: boolean;
  isAddress: boolean;
  /** It has blanks inside. */
  hasWords: boolean;
}

function survey(text: string): Survey {
  const kept: Survey = { digits: 0, letters: 0, seen: 0, isAscii: true, isAddress: false, hasWords: false };
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 48 && code <= 57) {
      kept.digits += 1;
      kept.seen |= 1 << (code - 48);
    } else if ((code | 0x20) >= 97 && (code | 0x20) <= 122) {
      kept.letters += 1;
      // Letters share the bits above those of digits: enough to tell few from many.
      kept.seen |= 1 << (10 + (((code | 0x20) - 97) % 22));
    } else if (code >= 0x80) {
      kept.letters += 1;
      kept.isAscii = false;
      kept.seen |= 1 << (10 + (code % 22));
    } else if (code === at) kept.isAddress = true;
    else if (code === blank && kept.digits + kept.letters > 0) kept.hasWords = true;
  }
  return kept;
}

function isEnough({ digits, letters, seen, isAddress }: Survey): boolean {
  const [all, distinct] = [digits + letters, ones(seen)];
  if (all < addressLettersMin) return false;
  if (letters === 0) return digits >= digitsMin && distinct >= distinctDigitsMin;
  if (distinct < distinctLettersMin) return false;
  return isAddress || (digits > 0 ? all >= mixedMin : all >= phraseMin);
}

/** Bits that are set. */
function ones(bits: number): number {
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) count += 1;
  return count;
}

/** Letters and digits, in small letters. */
function normalOf(text: string, { isAscii, digits, letters }: Survey): string {
  if (!isAscii) return text.normalize("NFKC").toLowerCase().replace(notLetters, "").slice(0, normalMax);
  if (digits + letters === text.length) return text.slice(0, normalMax).toLowerCase();
  let normal = "";
  let from = -1;
  for (let i = 0; i <= text.length; i++) {
    if (i < text.length && isLetterOrDigit(text.charCodeAt(i))) {
      if (from < 0) from = i;
    } else if (from >= 0) {
      normal += text.slice(from, i);
      from = -1;
    }
  }
  return (normal.length > normalMax ? normal.slice(0, normalMax) : normal).toLowerCase();
}

function isLetterOrDigit(code: number): boolean {
  return (code >= 48 && code <= 57) || ((code | 0x20) >= 97 && (code | 0x20) <= 122);
}
