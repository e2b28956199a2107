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

/** What other engines know, as the library complains of it, and what to write instead. */
const instead: readonly (readonly [RegExp, string])[] = [
  [
    /`\(\?<?[=!]/,
    "look-around is not linear in time; write two items under |re|all, or what must not be there as a selection of its own, and `not` it",
  ],
  [
    /`\\[1-9k]/,
    "back references are not linear in time; write out what is to be repeated, or compare fields with |fieldref",
  ],
  [/`\(\?>/, "atomic groups are for engines that step back, which this one never does; write (?:…)"],
  [/[*+?}]\+`/, "possessive counts are for engines that step back, which this one never does; leave out the last +"],
  [/`\\Z/, "write \\z, or $"],
  [/`\\u/, "write \\x{00E4}, or the letter itself"],
  [/`\\h/, "write [ \\t]"],
  [/`\\R/, "write \\r?\\n"],
  [/`\(\?[#x]/, "comments and free spacing are not read; leave them out"],
  [/repeat count/, "counts go up to 1000"],
];

function compiledFrom(source: string, mask: number): RE2JS {
  try {
    return RE2JS.compile(source, mask);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const advice = instead.find(([about]) => about.test(said))?.[1];
    throw new Error(advice === undefined ? said : `${said}: ${advice}`, { cause: error });
  }
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
  const compiled = compiledFrom(source, mask);
  if (compiled.programSize() > limits.patternStepsMax)
    throw new Error("repeats too much: each letter of a text may be compared with all of it; write smaller {counts}");
  return { test: (text) => compiled.test(text) };
}
