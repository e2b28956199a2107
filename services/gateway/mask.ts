/**
 * Which columns may only leave masked. A tagged column is shown where policy permits `reveal`; where it does not, it is
 * masked if it leaves as a plain column, and the command is refused if its values could be learnt in any other way.
 */
import type { Policy, PolicyAnswer, PolicyContext } from "../../infra/policy/policy.ts";
import type { Reading, ResourceUri } from "../../schemas/command.ts";
import type { Identity } from "../../schemas/identity.ts";

type TagsOf = (resource: string) => readonly string[];

/** A tagged resource and what policy says to revealing it. */
export interface Reveal {
  readonly resource: ResourceUri;
  readonly answer: PolicyAnswer;
}

/** @returns the tagged ones among the resources, each once, with policy's answer */
export function reveals(
  policy: Policy,
  identity: Identity,
  resources: readonly ResourceUri[],
  tagsOf: TagsOf,
  context: PolicyContext,
): readonly Reveal[] {
  return [...new Set(resources)]
    .filter((resource) => tagsOf(resource).length > 0)
    .map((resource) => ({ resource, answer: policy.ask(identity, "reveal", resource, tagsOf(resource), context) }));
}

/** @returns columns that leave as they are but may not be seen */
export function masksOf(shown: readonly Reveal[]): readonly ResourceUri[] {
  return shown.filter(({ answer }) => answer.ruling !== "allow").map(({ resource }) => resource);
}

/** Everything a command touches: what an error text or a notice of it may speak of. */
export function touched(reading: Reading): readonly ResourceUri[] {
  const all = new Set<ResourceUri>([...reading.shows, ...reading.reveals]);
  for (const effect of reading.effects) for (const uri of [...effect.reads, ...effect.writes]) all.add(uri);
  return [...all];
}
