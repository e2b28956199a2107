/**
 * The timeline over all accounts: who did what, as which account, in order, with every chain drawn through the lanes
 * it crosses. Live at its newest end; older pages stand still.
 */
import { Button } from "@mantine/core";
import type { ChainInfo, ChainsPage, TimelinePage } from "../../../schemas/api.ts";
import { type Known, linesOf } from "../../../schemas/lines.ts";
import { useRead, useTitle } from "./data.ts";
import { refine, usePlace } from "./route.tsx";
import { Empty, PageHead, State } from "./states.tsx";
import { TimelineFilters } from "./timeline-filters.tsx";
import { defaultRange, filterKeys, timelineAsk } from "./timeline-query.ts";
import { TimelineTable } from "./timeline-table.tsx";

export function TimelinePageView() {
  useTitle("Timeline");
  const { query } = usePlace();
  const ask = timelineAsk(query);
  const live = ask.key.before === undefined;
  const page = useRead<TimelinePage>("/api/timeline", ask.key, live, () => ask.at(Date.now()));
  const chains = useRead<ChainsPage>("/api/chains", { limit: 100 });
  const lines = linesOf(page.data?.rows ?? [], query.get("every") === "1", knownOf(chains.data));
  return (
    <>
      <PageHead title="Timeline" of={live ? page : undefined} />
      <TimelineFilters rows={page.data?.rows ?? []} />
      <State of={page}>
        {(data) => (
          <div className="panel timeline">
            {lines.length === 0 ? (
              <NothingFound query={query} />
            ) : (
              <TimelineTable lines={lines} emphasis={query.get("chain") ?? ""} />
            )}
            <Pages next={data.next} live={live} />
          </div>
        )}
      </State>
    </>
  );
}

/**
 * Which chains a command is a step of (rows of early steps were written before anybody could know), and what came of the
 * held ones. Chains that are only observed are drawn where they are looked at, not over everybody's timeline.
 */
function knownOf(page: ChainsPage | undefined): Known {
  const chainsOf = new Map<string, string[]>();
  const stateOf = new Map<string, ChainInfo["state"]>();
  for (const { chain, command, state } of page?.chains ?? []) {
    if (chain.mode !== "enforce") continue;
    if (!stateOf.has(command)) stateOf.set(command, state);
    for (const step of chain.steps) chainsOf.set(step.command, [...(chainsOf.get(step.command) ?? []), chain.id]);
  }
  return { chainsOf, stateOf };
}

function Pages({ next, live }: { readonly next: string | null; readonly live: boolean }) {
  if (live && next === null) return null;
  return (
    <footer className="pages">
      {!live && (
        <Button variant="default" size="xs" onClick={() => refine({ before: "" })}>
          Back to the newest
        </Button>
      )}
      {next !== null && (
        <Button variant="default" size="xs" onClick={() => refine({ before: next })}>
          Older events
        </Button>
      )}
    </footer>
  );
}

function NothingFound({ query }: { readonly query: URLSearchParams }) {
  const filtered = filterKeys.some((key) => query.has(key));
  const ranged = (query.get("range") ?? defaultRange) !== "all" || query.has("since") || query.has("until");
  const clear = Object.fromEntries([...filterKeys, "since", "until", "before"].map((key) => [key, ""]));
  if (!filtered && !ranged)
    return (
      <Empty title="Nothing was recorded yet">
        Get a Grant with <code>throughline connect orders --as ACCOUNT --task "why"</code> and run a query; it stands
        here within a second.
      </Empty>
    );
  return (
    <Empty
      title="Nothing matches"
      action={
        <Button variant="default" size="xs" onClick={() => refine({ ...clear, range: "all" })}>
          {filtered ? "Clear filters and show all time" : "Show all time"}
        </Button>
      }
    >
      {filtered ? "No event in this time range has all of these properties." : "Nothing happened in this time range."}
    </Empty>
  );
}
