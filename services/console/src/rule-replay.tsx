/** What a rule would have held in the last days: started here, worked out beside everything else, read page by page. */
import { Button, SegmentedControl } from "@mantine/core";
import { useState } from "react";
import type { ReplayInfo, ReplayPage, Replays } from "../../../schemas/rule-info.ts";
import { useRead, useSay } from "./data.ts";
import { Ruling, ToReplay } from "./marks.tsx";
import { Moment } from "./moment.tsx";
import { Empty, Failed, State } from "./states.tsx";

const spans = ["1", "7", "30", "90"] as const;
const pageRows = 50;

export function RuleReplay({ rule }: { readonly rule: string }) {
  const [days, setDays] = useState<string>("7");
  const reading = useRead<Replays>("/api/replays");
  const start = useSay<{ rule: string; days: number }>("POST", () => "/api/replays");
  const replays = reading.data?.replays ?? [];
  const other = replays.find((one) => one.state === "running" && one.rule !== rule);
  const own = replays.find((one) => one.rule === rule);
  const isRunning = own?.state === "running";
  return (
    <section className="panel" aria-label="Replay">
      <header>
        <h2>What would it have held?</h2>
        {own !== undefined && (
          <span className="quiet">
            asked by {own.by.name}, <Moment ms={own.startedAtMs} show="day" />
          </span>
        )}
      </header>
      <div className="panel-body replay-ask">
        <SegmentedControl
          aria-label="How far back"
          size="xs"
          value={days}
          onChange={setDays}
          data={spans.map((value) => ({ value, label: value === "1" ? "1 day" : `${value} days` }))}
        />
        <Button
          size="xs"
          disabled={isRunning || other !== undefined || start.pending}
          onClick={() => start.say({ rule, days: Number(days) })}
        >
          Find out
        </Button>
        <p className="quiet">
          {other === undefined
            ? "The recorded log is folded again under this rule alone, as if it were enforced. Nothing is held by it, and the question is on record."
            : `One at a time: ${other.by.name} replays ${other.rule}.`}
        </p>
      </div>
      {start.problem && <Failed problem={start.problem} />}
      {own !== undefined && <Result key={own.replay} replay={own} />}
    </section>
  );
}

function Result({ replay }: { readonly replay: ReplayInfo }) {
  const [from, setFrom] = useState(0);
  const live = replay.state === "running";
  const asked = { from, limit: pageRows };
  const path = `/api/replays/${encodeURIComponent(replay.replay)}`;
  // Read once more when it is over: what came last was not there before.
  const reading = useRead<ReplayPage>(path, { ...asked, state: replay.state }, live, () => asked);
  return (
    <State of={reading}>
      {(page) => (
        <>
          <Progress page={live ? page : { ...page, ...replay }} />
          {page.found.length > 0 && <Found page={page} />}
          {(from > 0 || page.next !== null) && (
            <div className="pages">
              <Button
                variant="default"
                size="xs"
                disabled={from === 0}
                onClick={() => setFrom(Math.max(0, from - pageRows))}
              >
                Earlier
              </Button>
              <Button
                variant="default"
                size="xs"
                disabled={page.next === null}
                onClick={() => setFrom(page.next ?? from)}
              >
                Later
              </Button>
            </div>
          )}
        </>
      )}
    </State>
  );
}

function Progress({ page }: { readonly page: ReplayPage }) {
  const cancel = useSay<undefined>("DELETE", () => `/api/replays/${encodeURIComponent(page.replay)}`);
  if (page.state === "running")
    return (
      <div className="panel-body replay-ask">
        <progress max={1} value={page.share} aria-label="Folded so far" />
        <span className="quiet">
          {page.records.toLocaleString("en-US")} records, {sumWords(page)} so far
        </span>
        <Button variant="default" size="xs" disabled={cancel.pending} onClick={() => cancel.say(undefined)}>
          Cancel
        </Button>
      </div>
    );
  const total = page.hold + page.block + page.alert;
  if (page.state === "failed")
    return (
      <div className="notice block" role="alert">
        <p>
          <strong>It could not be worked out:</strong> {page.why}
        </p>
      </div>
    );
  const since = <Moment ms={page.sinceMs} show="day" />;
  if (total === 0 && page.state === "done")
    return (
      <Empty title="Nothing">
        Since {since} no command would have completed a chain of this rule, in {page.records.toLocaleString("en-US")}{" "}
        records.
      </Empty>
    );
  return (
    <p className="panel-body">
      Since {since}: <strong>{sumWords(page)}</strong>
      {page.state === "cancelled" && <span className="quiet">, when it was cancelled</span>}
      {page.dropped > 0 && <span className="quiet">; the first {page.found.length} are shown</span>}.
    </p>
  );
}

function sumWords({ hold, block, alert }: ReplayPage): string {
  const parts = [
    [hold, "would have been held"],
    [block, "would have been blocked"],
    [alert, "would have been told"],
  ] as const;
  const told = parts
    .filter(([count]) => count > 0)
    .map(([count, words]) => `${count.toLocaleString("en-US")} ${words}`);
  return told.join(", ") || "nothing found";
}

const actions = { hold: ["hold", "held"], block: ["block", "blocked"], alert: ["mask", "told"] } as const;

function Found({ page }: { readonly page: ReplayPage }) {
  return (
    <table className="list">
      <thead>
        <tr>
          <th>Time</th>
          <th>Would be</th>
          <th>Whose command</th>
          <th>Chain</th>
        </tr>
      </thead>
      <tbody>
        {page.found.map((one) => (
          <tr key={one.event}>
            <td>
              <Moment ms={one.atMs} show="day" />
            </td>
            <td>
              <Ruling ruling={actions[one.action][0]} words={actions[one.action][1]} />
            </td>
            <td className="whole">
              {one.by.name} as <span className="account">{one.account}</span>
              <div>
                <ToReplay session={one.session} command={one.command}>
                  Replay
                </ToReplay>
              </div>
            </td>
            <td className="quiet">{one.sentence}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
