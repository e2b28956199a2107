/** Which tags of which places have been said: each comes into the log once, when it first travels there. */
import type { Catalog } from "../../infra/catalog.ts";
import { hash } from "./evidence.ts";
import type { Lineage } from "./lineage.ts";
import type { Output } from "./outputs.ts";
import type { Step } from "./step.ts";
import { anyIn } from "./tagged.ts";

/** Origins named in one event. */
const originsNamed = 20;

export class Told {
  readonly #tags = new Map<string, Set<string>>();

  /** @returns what is to be said of a place, or null when all of it has been */
  tell(
    by: Pick<Step, "id" | "subject">,
    resource: string,
    lineage: Pick<Lineage, "tagged" | "everywhereIn">,
    catalog: Catalog,
  ): Output | null {
    const known = this.#tags.get(resource) ?? givenTo(resource, catalog);
    const { tags, members } = lineage.tagged(resource);
    // A tag that the catalog gives to one column is news of the others, where it came to the table as a whole.
    const everywhere = new Set(lineage.everywhereIn(resource).tags);
    const ofColumns = new Set(catalog.tagsOf(resource));
    const fresh = tags.filter((tag) => !known.has(tag) && (everywhere.has(tag) || !ofColumns.has(tag)));
    if (fresh.length === 0) return null;
    for (const tag of fresh) known.add(tag);
    this.#tags.set(resource, known);
    const others = members.filter((member) => member !== resource).slice(0, originsNamed);
    const data = { resource, tags: fresh, from: others.length > 0 ? others : [resource], event: by.id };
    return { type: "resource.tagged", subject: by.subject, data, id: hash(["tagged", data]) };
  }

  /** Another engine has said it. */
  hear(resource: string, tags: readonly string[], catalog: Catalog): void {
    const told = this.#tags.get(resource) ?? givenTo(resource, catalog);
    this.#tags.set(resource, new Set([...told, ...tags]));
  }

  /** What comes there from now on is news. */
  forget(resource: string): void {
    this.#tags.delete(resource);
  }

  kept(): ReadonlyMap<string, Set<string>> {
    return this.#tags;
  }

  restore(kept: ReadonlyMap<string, Set<string>>): void {
    for (const [resource, tags] of kept) this.#tags.set(resource, tags);
  }
}

/** What the catalog says of all that is in a place. */
function givenTo(resource: string, catalog: Catalog): Set<string> {
  return new Set(catalog.tagsOf(anyIn(resource) ?? resource));
}
