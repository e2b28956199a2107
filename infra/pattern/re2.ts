/**
 * The only file that knows re2js: regular expressions in linear time, for everything that rules or users supply.
 * A pattern that only a backtracking engine can run (back references, look-around) is refused, not emulated.
 */
import { RE2JS } from "re2js";
import { limits } from "../../schemas/limits.ts";

export interface Pattern {
  /** Whether it is found anywhere in the text. */
  test(text: string): boolean;
}

/**
 * @param flags any of `i` (case), `m` (lines), `s` (dot matches newline)
 * @throws Error when the expression is not valid or not linear; the caller names the place
 */
export function compilePattern(source: string, flags: string): Pattern {
  let mask = 0;
  if (flags.includes("i")) mask |= RE2JS.CASE_INSENSITIVE;
  if (flags.includes("m")) mask |= RE2JS.MULTILINE;
  if (flags.includes("s")) mask |= RE2JS.DOTALL;
  const compiled = RE2JS.compile(source, mask);
  if (compiled.programSize() > limits.patternStepsMax)
    throw new Error("repeats too much: each letter of a text may be compared with all of it; write smaller {counts}");
  return { test: (text) => compiled.test(text) };
}
