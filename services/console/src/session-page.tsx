/**
 * A session played back statement by statement: all at once, or one after the other at the client's own pace. The
 * moment stands in the address (#command), so that a colleague opens it at the same statement.
 */
import { Button, NativeSelect } from "@mantine/core";
import { useEffect, useState } from "react";
import type { Replay, Statement } from "../../../schemas/api.ts";
import { certificateWords, durationWords, spanWords } from "../../../schemas/story.ts";
import { useMay, useRead, useTitle } from "./data.ts";
import { As, Facts, Narrow, Ruling, Sql } from "./marks.tsx";
import { Moment } from "./moment.tsx";
import { address, Link } from "./route.tsx";
import { Notes } from "./sessions-page.tsx";
import { Empty, PageHead, State } from "./states.tsx";

const statementsMax = 1_000;
/** Nobody watches a longer pause, whatever the pace. */
const pauseMsMax = 4_000;

export function SessionPage({ id }: { readonly id: string }) {
  const reading = useRead<Replay>(`/api/sessions/${encodeURIComponent(id)}`, { limit: statementsMax });
  const session = reading.data?.session;
  useTitle(session ? `${session.identityName} as ${session.account}` : "Session");
  return (
    <State of={reading}>
      {(replay) => (
        <>
          <PageHead
            title={`${replay.session.identityName} as ${replay.session.account} on ${replay.session.target}`}
            about={replay.session.justification}
            of={replay.session.closedAtMs === null ? reading : undefined}
          >
            <Notes session={replay.session} />
          </PageHead>
          <div className="columns">
            <Player replay={replay} />
            <aside>
              <section className="panel">
                <div className="panel-body">
                  <SessionFacts replay={replay} />
                </div>
              </section>
            </aside>
          </div>
        </>
      )}
    </State>
  );
}

function SessionFacts({ replay: { session } }: { readonly replay: Replay }) {
  const mayRespond = useMay("respond");
  return (
    <Facts
      of={[
        ["Identity", <Narrow key="i" by="identity" value={session.identity} words={session.identityName} />],
        ["Account", <As key="a" account={session.account} target={session.target} />],
        ["Task", <Narrow key="t" by="task" value={session.task} />],
        ["Opened", <Moment key="o" ms={session.openedAtMs} show="day" />],
        ["Closed", session.closedAtMs === null ? "still open" : <Moment key="c" ms={session.closedAtMs} show="day" />],
        ["Because", session.closedBecause],
        [
          "From",
          <span key="f" className="code">
            {session.clientAddress}
          </span>,
        ],
        ["Certificate", certificateWords(session)],
        ["Client says", session.application],
        ["Grant", <Narrow key="g" by="grant" value={session.grant} />],
        ["Session", <Narrow key="s" by="session" value={session.session} />],
        [
          "",
          mayRespond && session.closedAtMs === null ? (
            <Link key="b" to={address(["blocks"], { session: session.session })}>
              Block this session
            </Link>
          ) : (
            ""
          ),
        ],
      ]}
    />
  );
}

/** @returns how many statements are shown; null = all of them. */
function usePlay(
  statements: readonly Statement[],
  pace: number | null,
): { at: number | null; go: (at: number | null) => void } {
  const [at, go] = useState<number | null>(null);
  const here = at === null ? undefined : statements[at - 1];
  const next = at === null ? undefined : statements[at];
  useEffect(() => {
    if (pace === null || at === null || next === undefined) return;
    const pauseMs = here ? (next.atMs - here.atMs) / pace : 0;
    const timer = setTimeout(() => go(at + 1), Math.min(pauseMsMax, pauseMs));
    return () => clearTimeout(timer);
  }, [at, pace, here, next]);
  return { at, go };
}

function Player({ replay }: { readonly replay: Replay }) {
  const { statements } = replay;
  const [playing, setPlaying] = useState(false);
  const [pace, setPace] = useState(10);
  const { at, go } = usePlay(statements, playing ? pace : null);
  const shown = statements.slice(0, at ?? statements.length);
  const ended = at === null || at >= statements.length;
  const start = (): void => {
    if (ended) go(1);
    setPlaying(true);
  };
  return (
    <section className="panel" aria-label="Statements">
      <header className="player">
        <div className="actions">
          <Button size="compact-sm" onClick={playing && !ended ? () => setPlaying(false) : start}>
            {playing && !ended ? "Pause" : "Play"}
          </Button>
          <Button size="compact-sm" variant="default" onClick={() => go(Math.max(1, (at ?? statements.length) - 1))}>
            Back
          </Button>
          <Button size="compact-sm" variant="default" disabled={ended} onClick={() => go((at ?? 0) + 1)}>
            Next
          </Button>
          <Button size="compact-sm" variant="default" disabled={at === null} onClick={() => go(null)}>
            Show all
          </Button>
          <NativeSelect
            size="xs"
            aria-label="Pace"
            value={String(pace)}
            onChange={(event) => setPace(Number(event.currentTarget.value))}
            data={[1, 10, 100].map((n) => ({ value: String(n), label: n === 1 ? "as it was" : `${n} × faster` }))}
          />
        </div>
        <span className="quiet">
          {at === null ? "" : `${Math.min(at, statements.length)} of `}
          {statements.length} statements
        </span>
      </header>
      <Statements
        statements={shown}
        openedAtMs={replay.session.openedAtMs}
        current={at === null ? null : shown.length - 1}
      />
      {replay.next !== null && (
        <p className="notice">Only the first {statementsMax} are shown; `throughline replay` plays all.</p>
      )}
    </section>
  );
}

interface StatementsProps {
  readonly statements: readonly Statement[];
  readonly openedAtMs: number;
  readonly current: number | null;
}

function Statements({ statements, openedAtMs, current }: StatementsProps) {
  const marked = decodeURIComponent(window.location.hash.slice(1));
  const first = statements[0]?.command;
  useEffect(() => {
    if (first && marked) document.getElementById(marked)?.scrollIntoView({ block: "center" });
  }, [first, marked]);
  if (statements.length === 0) return <Empty title="Nothing was asked yet">The client is connected and silent.</Empty>;
  return (
    <ol className="statements">
      {statements.map((statement, i) => (
        <li
          key={statement.command}
          id={statement.command}
          className={
            i === current || (current === null && statement.command === marked) ? "statement current" : "statement"
          }
        >
          <div className="statement-side">
            <a href={`#${encodeURIComponent(statement.command)}`} title="Link to this moment">
              {i + 1}
            </a>
            <Moment ms={statement.atMs} />
            <span className="faint">+{spanWords(statement.atMs - openedAtMs)}</span>
          </div>
          <StatementBody statement={statement} />
        </li>
      ))}
    </ol>
  );
}

function StatementBody({ statement }: { readonly statement: Statement }) {
  return (
    <div>
      <Sql text={statement.text} parameters={statement.parameters} />
      <div className="statement-foot">
        <Ruling ruling={statement.ruling} words={rulingWordsOf(statement)} />
        <span>{outcomeWords(statement)}</span>
        {statement.masks.map((mask) => (
          <span key={mask.resource} className="tag">
            {mask.resource.split("#")[1] ?? mask.resource} masked, {mask.count.toLocaleString("en-US")}
          </span>
        ))}
        {statement.chains.map((chain) => (
          <Link key={chain} to={address(["chains", chain])}>
            Chain
          </Link>
        ))}
        {statement.approval && <Link to={address(["approvals", statement.approval])}>Approval</Link>}
      </div>
      {statement.answer && (
        <p>
          <strong>{statement.answer}</strong>
        </p>
      )}
      {statement.sentence && <p className="quiet">{statement.sentence}</p>}
    </div>
  );
}

const rulingWords: Readonly<Record<string, string>> = {
  allow: "allowed",
  mask: "masked",
  hold: "held",
  block: "refused",
};

/** A held command that ran was approved; its text says both. */
function rulingWordsOf({ ruling, approval }: Statement): string {
  const words = rulingWords[ruling] ?? ruling;
  return approval !== null && (ruling === "allow" || ruling === "mask") ? `held, then ${words}` : words;
}

function outcomeWords(statement: Statement): string {
  const took = statement.durationUs === null ? "" : ` in ${durationWords(statement.durationUs)}`;
  if (statement.outcome === "ok") return `${statement.tag || "done"}${took}`;
  if (statement.outcome === "error") return `failed${statement.code ? ` with ${statement.code}` : ""}${took}`;
  if (statement.outcome === "not-run")
    return statement.ruling === "hold" && !statement.answer
      ? "waits, has not reached the target"
      : "never reached the target";
  return statement.outcome === "running" ? "running" : "outcome unknown";
}
