/** What the schema of rules says as a pattern or a type, as a person would say it: what to write instead. */

const duration = 'must be a number and s, m, h, d, w, M or y, such as "90m"';
const date = 'must be a date such as "2026-01-31"';
const number = "must be a number, without quotes";

/** By the key, and of lists by the list's: which finding it is, and what is said of it. */
const words: Readonly<Partial<Record<string, readonly [RegExp, string]>>> = {
  id: [/pattern|string/, 'must be a UUID, such as "0b9c7a52-4a57-4f53-9f0e-6f1d3f0a7c11"'],
  date: [/pattern|string/, date],
  modified: [/pattern|string/, date],
  tags: [/pattern/, "must be namespace.name in lower case, such as attack.t1485"],
  timespan: [/pattern|string/, duration],
  wait: [/pattern|string/, duration],
  for: [/pattern|string/, duration],
  rules: [/array/, "must be a list, such as [first, second]"],
  "group-by": [/array/, "must be a list, such as [account]"],
  gt: [/number/, number],
  gte: [/number/, number],
  lt: [/number/, number],
  lte: [/number/, number],
  eq: [/number/, number],
  neq: [/number/, number],
};

/** Of every key. */
const usual: readonly (readonly [RegExp, string])[] = [
  [/^must be array$/, "must be a list, such as [a, b]"],
  [/^must be object$/, "must be keys with values, such as { key: value }"],
  [/^must be string$/, "must be a text; put what looks like a number or a date in quotes"],
  [/^must be boolean$/, "must be true or false, without quotes"],
  [/^must be (?:number|integer)$/, number],
  [/^must have required properties (.*)$/, "$1: is missing"],
  [/^must not have fewer than ([0-9]+) items$/, "needs $1 or more entries"],
];

/** @param message of the schema */
export function inWords(path: readonly (string | number)[], message: string): string {
  const key = path.findLast((part) => typeof part === "string");
  const [about, instead] = (typeof key === "string" ? words[key] : undefined) ?? [];
  if (instead !== undefined && about?.test(message)) return instead;
  const found = usual.find(([form]) => form.test(message));
  return found === undefined ? message : message.replace(...found);
}
