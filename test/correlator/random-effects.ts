/** Random effects of one command: reads, copies, deletes, ends, and several in a row. */
import type { Effect, ResourceUri } from "../../schemas/command.ts";
import type { Dice } from "./dice.ts";

/** What one command does, over a handful of places. */
export function randomEffects(dice: Dice): Effect[] {
  const names = ["t/s.a", "t/s.a#x", "t/s.a#y", "t/s.b", "t/s.b#x", "t/s.c", "t/s.d"] as ResourceUri[];
  const name = () => names[dice(names.length)]!;
  const [from, to] = [name(), name()];
  const base = { reads: [], writes: [], ends: [], destroys: false };
  switch (dice(13)) {
    case 0:
    case 1:
    case 2:
      return [{ ...base, operation: "read", reads: [from] }];
    case 3:
    case 4:
    case 5:
      return [{ ...base, operation: "transform", reads: [from], writes: [to] }];
    case 6: {
      const [other, sink] = [name(), name()];
      const flows = [
        [from, to],
        [other, sink],
      ] as const;
      return [{ ...base, operation: "write", reads: [from, other], writes: [to, sink], destroys: true, flows }];
    }
    case 7:
    case 8:
      return [{ ...base, operation: "delete", writes: [to], destroys: true }];
    case 9:
      return [{ ...base, operation: "delete", writes: [to], ends: [to], destroys: true }];
    case 10:
      return [
        { ...base, operation: "read", reads: [from] },
        { ...base, operation: "delete", writes: [to], destroys: true },
      ];
    case 11: {
      const next = name();
      return [
        { ...base, operation: "transform", reads: [from], writes: [to] },
        { ...base, operation: "transform", reads: [to], writes: [next] },
        dice(2) === 0
          ? { ...base, operation: "delete", writes: [next], destroys: true }
          : { ...base, operation: "read", reads: [next] },
      ];
    }
    default:
      return [{ ...base, operation: "write", writes: [to] }];
  }
}
