/** Which of two chains people are shown (DETECTION §3): the one with the latest positions, compared from the last step backwards. */
import type { Step } from "./step.ts";

/** Where one is the other's end, the longer one: it says more. */
export function isLater(one: readonly Step[], other: readonly Step[]): boolean {
  for (let back = 1; back <= one.length || back <= other.length; back += 1) {
    const [left, right] = [one[one.length - back]?.at ?? -1, other[other.length - back]?.at ?? -1];
    if (left !== right) return left > right;
  }
  return false;
}
