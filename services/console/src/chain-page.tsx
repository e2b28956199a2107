/** One chain: the sentence, the steps and their ties, the command it stopped at, who answered, and all its events. */
import type { ChainDetail } from "../../../schemas/api.ts";
import { chainStateWords } from "../../../schemas/held-words.ts";
import { type Known, linesOf } from "../../../schemas/lines.ts";
import { afterTitle } from "../../../schemas/places.ts";
import { AnswerFacts } from "./answer-facts.tsx";
import { ChainStory } from "./chain-story.tsx";
import { useMay, useRead, useTitle } from "./data.ts";
import { Facts, StateMark } from "./marks.tsx";
import { Moment } from "./moment.tsx";
import { address, Link } from "./route.tsx";
import { PageHead, State } from "./states.tsx";
import { TimelineTable } from "./timeline-table.tsx";

const stateRulings = {
  held: "hold",
  approved: "allow",
  refused: "block",
  expired: "block",
  blocked: "block",
  observed: "mask",
} as const;

export function ChainPage({ id }: { readonly id: string }) {
  const mayFollow = useMay("investigate");
  const reading = useRead<ChainDetail>(`/api/chains/${encodeURIComponent(id)}`);
  useTitle(reading.data?.chain.title ?? "Chain");
  return (
    <State of={reading}>
      {(detail) => (
        <>
          <PageHead
            title={detail.chain.title}
            about={afterTitle(detail.chain.title, detail.chain.sentence)}
            of={reading}
          />
          <div className="columns">
            <section className="panel" aria-label="Steps">
              <ChainStory
                chain={detail.chain}
                names={new Map(detail.people.map((person) => [person.identity, person.name]))}
                texts={textsOf(detail)}
                ruling={stateRulings[detail.state]}
              />
            </section>
            <Beside detail={detail} />
          </div>
          <section className="panel timeline" aria-label="Events">
            <header>
              <h2>Everything its commands did</h2>
              {mayFollow && <Link to={address(["timeline"], { chain: id, range: "all" })}>Open in the timeline</Link>}
            </header>
            <TimelineTable
              lines={linesOf(
                detail.rows.toSorted((a, b) => b.atMs - a.atMs),
                false,
                knownOf(detail),
              )}
              emphasis=""
            />
          </section>
        </>
      )}
    </State>
  );
}

const textsOf = (detail: ChainDetail): Map<string, string> =>
  new Map(detail.rows.flatMap((row) => (row.text === null ? [] : [[row.command, row.text] as const])));

const knownOf = ({ chain, command, state }: ChainDetail): Known => ({
  chainsOf: new Map(chain.steps.map((step) => [step.command, [chain.id]])),
  stateOf: new Map([[command, state]]),
});

function Beside({ detail }: { readonly detail: ChainDetail }) {
  const { chain } = detail;
  return (
    <aside>
      <section className="panel">
        <header>
          <h2>What came of it</h2>
          <StateMark state={detail.state} />
        </header>
        <div className="panel-body">
          <p className="came">{chainStateWords[detail.state]}</p>
          {detail.approvalDetail && <AnswerFacts approval={detail.approvalDetail} />}
        </div>
      </section>
      <section className="panel">
        <header>
          <h2>How it was found</h2>
        </header>
        <div className="panel-body">
          <Facts
            of={[
              ["Mode", chain.mode === "enforce" ? "enforced" : "observed only"],
              ["Found", <Moment key="m" ms={detail.atMs} show="day" />],
              [
                "Chain",
                <span key="c" className="code" title={chain.id}>
                  {chain.id.slice(0, 12)}
                </span>,
              ],
            ]}
          />
        </div>
      </section>
    </aside>
  );
}
