/** One held command as an approver must see it: the exact text, who asks for what, the chain, and who may not answer. */

import type { ApprovalDetail, ChainDetail } from "../../../schemas/api.ts";
import { askWords } from "../../../schemas/places.ts";
import { spanWords } from "../../../schemas/story.ts";
import { AnswerFacts } from "./answer-facts.tsx";
import { AnswerForm } from "./answer-form.tsx";
import { ChainStory } from "./chain-story.tsx";
import { useMay, useRead, useTitle } from "./data.ts";
import { As, Facts, Narrow, Sql, StateMark, ToReplay } from "./marks.tsx";
import { Moment, useNow } from "./moment.tsx";
import { address, Link } from "./route.tsx";
import { PageHead, State } from "./states.tsx";

export function ApprovalPage({ id }: { readonly id: string }) {
  useTitle("Approval");
  const reading = useRead<ApprovalDetail>(`/api/approvals/${encodeURIComponent(id)}`);
  return (
    <State of={reading}>
      {(approval) => (
        <>
          <PageHead title={headOf(approval)} about={`Held, because: ${approval.sentence}`} of={reading}>
            <TimeLeft approval={approval} />
          </PageHead>
          <div className="columns">
            <div>
              <section className="panel" aria-label="The command">
                <header>
                  <h2>Exactly this would run, once</h2>
                  <ToReplay session={approval.session} command={approval.command}>
                    Replay its session
                  </ToReplay>
                </header>
                <div className="panel-body">
                  <Sql text={approval.text} parameters={approval.parameters} large />
                </div>
              </section>
              {approval.chains.map((chain) => (
                <ChainPanel key={chain.id} approval={approval} chain={chain} />
              ))}
            </div>
            <Beside approval={approval} />
          </div>
        </>
      )}
    </State>
  );
}

function headOf(approval: ApprovalDetail): string {
  return `${approval.by.name} asks to run ${askWords(approval.statements, approval.resources, approval.target)}`;
}

function TimeLeft({ approval }: { readonly approval: ApprovalDetail }) {
  const now = useNow();
  if (approval.state !== "open") return <StateMark state={approval.state} />;
  const leftMs = Math.max(0, approval.expiresAtMs - now);
  return <span className={leftMs < 120_000 ? "tag block" : "tag hold"}>{spanWords(leftMs)} left to answer</span>;
}

function Beside({ approval }: { readonly approval: ApprovalDetail }) {
  return (
    <aside>
      {approval.state === "open" && (
        <section className="panel">
          <header>
            <h2>Your answer</h2>
          </header>
          <div className="panel-body">
            <AnswerForm approval={approval} />
          </div>
        </section>
      )}
      <section className="panel">
        <header>
          <h2>Who asks</h2>
        </header>
        <div className="panel-body">
          <Facts
            of={[
              ["Identity", <Narrow key="i" by="identity" value={approval.by.identity} words={approval.by.name} />],
              ["Account", <As key="a" account={approval.account} target={approval.target} />],
              ["Task", approval.task.justification],
              ["Task id", <Narrow key="t" by="task" value={approval.task.id} />],
              ["Asked", <Moment key="m" ms={approval.askedAtMs} show="day" />],
            ]}
          />
        </div>
      </section>
      <section className="panel">
        <header>
          <h2>Who decides</h2>
          <StateMark state={approval.state} />
        </header>
        <div className="panel-body">
          <AnswerFacts approval={approval} link={false} />
          {approval.proposal && (
            <p className="came">
              After this approval and others like it a pipeline was proposed:{" "}
              <Link to={address(["pipelines", approval.proposal.proposal])}>{approval.proposal.pipeline}</Link>{" "}
              <span className="quiet">({approval.proposal.state})</span>
            </p>
          )}
        </div>
      </section>
      <Excluded approval={approval} />
    </aside>
  );
}

function Excluded({ approval }: { readonly approval: ApprovalDetail }) {
  if (approval.excluded.length === 0) return null;
  return (
    <section className="panel">
      <header>
        <h2>May not answer</h2>
      </header>
      <ul className="panel-body excluded">
        {approval.excluded.map((one) => (
          <li key={one.identity}>
            <strong>{one.name || one.identity}</strong>
            <span className="quiet">{one.why}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The same picture as on the chain's own page; texts of other people's steps come only if the reader may investigate. */
function ChainPanel({
  approval,
  chain,
}: {
  readonly approval: ApprovalDetail;
  readonly chain: ApprovalDetail["chains"][number];
}) {
  const detail = useRead<ChainDetail>(`/api/chains/${encodeURIComponent(chain.id)}`, {}, false);
  const names = new Map(approval.excluded.map((one) => [one.identity, one.name]));
  const texts = new Map(
    (detail.data?.rows ?? []).flatMap((row) => (row.text === null ? [] : [[row.command, row.text] as const])),
  );
  const mayInvestigate = useMay("investigate");
  const ruling =
    approval.state === "open" ? "hold" : approval.state === "approved" || approval.state === "used" ? "allow" : "block";
  return (
    <section className="panel" aria-label="The chain">
      <header>
        <h2>{approval.chains.length === 1 ? "How it came to this" : chain.title}</h2>
        <Link to={address(["chains", chain.id])}>The chain and all its events</Link>
      </header>
      <ChainStory
        chain={chain}
        names={names.set(approval.by.identity, approval.by.name)}
        texts={texts}
        ruling={ruling}
      />
      {!mayInvestigate && (
        <p className="faint beside">What the earlier steps said word for word is for investigators.</p>
      )}
    </section>
  );
}
