/** Who acts for whom, who is whom, and which task belongs to which: as the api and the gateway signed it. */
import type { Entry } from "../../infra/log/entry.ts";
import { shownKey } from "../../infra/policy/held-keys.ts";
import type { Clusters, Tasks } from "./cluster.ts";

/** Folds one record; every other type says nothing of it. */
export function acquaint(entry: Entry, clusters: Clusters, tasks: Tasks): void {
  if (entry.type === "grant.issued" || entry.type === "session.opened") {
    const { identity, task } = entry.data;
    const { clientaddress } = entry.subject;
    if (clientaddress !== undefined) clusters.addresses.meet(clientaddress, identity.key);
    clusters.merge([identity.key, ...identity.onBehalfOf], entry.id, true);
    const shown = shownKey(entry);
    if (shown !== null) clusters.hold(shown);
    tasks.learn(task.id, task.parent);
  } else if (entry.type === "identity.linked") {
    const { identities, strength } = entry.data;
    if (strength === "strong") clusters.merge(identities, entry.id);
    else clusters.tie(identities, entry.id);
  } else if (entry.type === "identity.unlinked") clusters.split(entry.data.identities, entry.data.links);
}
