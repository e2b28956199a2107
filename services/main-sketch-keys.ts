/** The keys under which values that were shown are hashed: those of this epoch and the ones before, turned as time passes. */
import { turnEpochKeys } from "../infra/keys/epoch-keys.ts";
import type { Keys } from "../infra/keys/keys.ts";
import { type SketchKey, sketchKey } from "../infra/sketch/sketch.ts";
import { limits } from "../schemas/limits.ts";
import type { Surroundings } from "./main-surroundings.ts";

export interface SketchKeys {
  /** The present epoch's first. */
  readonly now: () => readonly SketchKey[];
  /** Once a second: where an epoch has begun, its key is made and those that are over are erased. */
  tick(): void;
}

const lengths = { epochMs: limits.contentEpochMs, keptMs: limits.contentKeptMs };

/** @throws ThroughlineError `keys.*` */
export async function openSketchKeys(keys: Keys, tenant: string, { now, fault }: Surroundings): Promise<SketchKeys> {
  const turn = async (): Promise<readonly SketchKey[]> =>
    (await turnEpochKeys(keys, tenant, now(), lengths)).map(({ epoch, key }) => sketchKey(epoch, key));
  let live = await turn();
  let turning = false;
  return {
    now: () => live,
    tick() {
      if (turning || live[0]?.epoch === Math.floor(now() / lengths.epochMs)) return;
      turning = true;
      turn()
        .then((turned) => {
          live = turned;
        })
        .catch(fault)
        .finally(() => {
          turning = false;
        });
    },
  };
}
