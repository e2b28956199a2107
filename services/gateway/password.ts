/**
 * Cuts password literals out of SQL before anything is stored: `… PASSWORD 'x'`, `OPTIONS (password 'x')`,
 * `password=x` in connection strings, also inside dollar-quoted bodies and quoted text. Works on what no parser accepts.
 *
 * It reads tokens as PostgreSQL does and cuts rather too much than too little: after an unclosed or doubtful literal
 * everything to the end goes. It cannot see a password that stands apart from the word, such as
 * `format('ALTER ROLE %I PASSWORD %L', 'bob', 'x')`: that text is still only stored encrypted.
 */
const cut = "'•••'";
const word = /password/i;
/** What a token can begin with; order matters. Sticky, and without nested repetition: linear. */
const tokens = {
  space: /\s+|--[^\n]*/y,
  string: /(?:[eEbBxXnN]|[uU]&)?'/y,
  quoted: /(?:[uU]&)?"/y,
  dollar: /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y,
  name: /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y,
};

/** @returns the text with every password literal replaced by `'•••'`; the same text when there is none. */
export function withoutPasswords(text: string): string {
  return word.test(text) ? cutIn(text, 0) : text;
}

/** Bodies in bodies: deeper than this nobody writes by hand. */
const depthMax = 4;

function cutIn(text: string, depth: number): string {
  let out = "";
  let at = 0;
  /** The last token that counts was the word, or a literal that was cut. */
  let armed = false;
  while (at < text.length) {
    const { kind, end } = tokenAt(text, at);
    const token = text.slice(at, end);
    if (kind === "literal" && armed) {
      out += cut;
      if (doubtful(token)) return out;
    } else if (kind === "literal") out += word.test(token) ? withinLiteral(token, depth) : token;
    else out += token;
    if (kind === "name") armed = word.test(token);
    else if (kind === "other") armed = armed && token === "=";
    else if (kind === "literal") armed = armed && !token.startsWith("$");
    at = end;
  }
  return out;
}

type Token = { readonly kind: "space" | "literal" | "name" | "other"; readonly end: number };

function tokenAt(text: string, at: number): Token {
  const space = match(tokens.space, text, at);
  if (space !== null) return { kind: "space", end: at + space.length };
  if (text.startsWith("/*", at)) return { kind: "space", end: commentEnd(text, at) };
  const opening = match(tokens.string, text, at);
  if (opening !== null) return { kind: "literal", end: quotedEnd(text, at + opening.length, "'", /^e/i.test(opening)) };
  const quoted = match(tokens.quoted, text, at);
  if (quoted !== null) return { kind: "name", end: quotedEnd(text, at + quoted.length, '"', false) };
  const dollar = match(tokens.dollar, text, at);
  if (dollar !== null) {
    const closing = text.indexOf(dollar, at + dollar.length);
    return { kind: "literal", end: closing === -1 ? text.length : closing + dollar.length };
  }
  const name = match(tokens.name, text, at);
  return name === null ? { kind: "other", end: at + 1 } : { kind: "name", end: at + name.length };
}

function match(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}

function commentEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    if (text.startsWith("/*", at)) {
      depth += 1;
      at += 1;
    } else if (text.startsWith("*/", at)) {
      depth -= 1;
      at += 1;
      if (depth === 0) return at + 1;
    }
  }
  return text.length;
}

function quotedEnd(text: string, start: number, quote: string, escapes: boolean): number {
  for (let at = start; at < text.length; at += 1) {
    if (escapes && text[at] === "\\") at += 1;
    else if (text[at] === quote) {
      if (text[at + 1] !== quote) return at + 1;
      at += 1;
    }
  }
  return text.length;
}

/** A plain literal with a backslash ends elsewhere when standard_conforming_strings is off. */
function doubtful(literal: string): boolean {
  return /^'/.test(literal) && literal.includes("\\");
}

/** A literal that holds the word: SQL inside SQL, or a connection string. */
function withinLiteral(literal: string, depth: number): string {
  if (depth >= depthMax) return cut;
  const dollar = match(tokens.dollar, literal, 0);
  if (dollar !== null) {
    const closed = literal.length >= 2 * dollar.length && literal.endsWith(dollar);
    const body = literal.slice(dollar.length, closed ? -dollar.length : undefined);
    return `${dollar}${inner(body, depth)}${closed ? dollar : ""}`;
  }
  const opening = literal.indexOf("'") + 1;
  const closed = literal.length > opening && literal.endsWith("'");
  const body = literal.slice(opening, closed ? -1 : undefined).replaceAll("''", "'");
  const cleaned = inner(body, depth);
  if (cleaned === body) return literal;
  return `${literal.slice(0, opening)}${cleaned.replaceAll("'", "''")}'`;
}

function inner(body: string, depth: number): string {
  return cutIn(body, depth + 1).replace(/(password\s*=\s*)(?!'•••')[^\s']+/gi, "$1•••");
}
