/** Once a second: what time ends is said, and that this process is here. */
import type { Surroundings } from "./main-surroundings.ts";

const tickMs = 1_000;

/** @returns stops it */
export function tick(parts: readonly { tick(): void }[], { fault }: Pick<Surroundings, "fault">): () => void {
  const timer = setInterval(() => {
    for (const part of parts) {
      try {
        part.tick();
      } catch (error) {
        // A full disk takes no ticks of the clock, and still takes what ends; anything worse ends the process by itself.
        fault(error);
      }
    }
  }, tickMs);
  return () => clearInterval(timer);
}
