/**
 * The last line of defence for what is printed: whatever looks like a secret goes. The first is that nobody hands one
 * over; this cannot see a password that looks like a word.
 */

const removed = "[removed]";

const looks: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, removed],
  [/whsec_[A-Za-z0-9+/=_-]+/g, removed],
  [/\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*)?/g, removed],
  [/\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}/gi, `$1 ${removed}`],
  [/([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s/]*@/gi, `$1:${removed}@`],
  [
    /(["']?\b(?:password|passwd|pwd|pgpassword|secret|client_secret|access_token|refresh_token|token|api_?key)["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&}]+)/gi,
    `$1${removed}`,
  ],
  [/(\bpassword\s+)('(?:[^']|'')*'|"(?:[^"]|"")*")/gi, `$1${removed}`],
];

export function scrubbed(text: string): string {
  return looks.reduce((left, [look, instead]) => left.replace(look, instead), text);
}
