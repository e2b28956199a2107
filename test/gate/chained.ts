/** What tests of approvals share: people, and a world in which every DELETE completes a chain. */
import type { Held } from "../../services/gateway/gate.ts";
import { createWorld, evidence, person, type World, type WorldOptions, workload } from "./world.ts";

export const olga = person("olga", "owners");
export const otto = person("otto", "owners");
export const load = workload("load", "owners");

/** Every DELETE completes the chain `chain` of extract and transform. */
export function chained(options: WorldOptions = {}, ...rulesFound: string[]): World {
  const world = createWorld(options);
  const rules = rulesFound.length > 0 ? rulesFound : ["chain"];
  world.answer = () => ({
    ruling: "hold",
    enforced: rules.map((rule) => evidence(rule, "e1", "e2")),
    excluded: ["extract", "transform", "load"].map((name) => workload(name).key),
    sentence: "This would complete read, copy, destroy.",
  });
  return world;
}

export async function outcome(held: Held | null): Promise<string> {
  const pending = Promise.resolve("pending");
  return Promise.race([held?.settled ?? Promise.resolve("not held"), pending]);
}
