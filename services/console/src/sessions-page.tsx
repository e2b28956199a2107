/** Sessions, newest first: one client connection each, with what was held, refused or masked in it. */

import { Button } from "@mantine/core";
import type { SessionSummary, SessionsPage } from "../../../schemas/api.ts";
import { spanWords } from "../../../schemas/story.ts";
import { useRead, useTitle } from "./data.ts";
import { As, Ruling } from "./marks.tsx";
import { Moment } from "./moment.tsx";
import { address, Link, refine, usePlace } from "./route.tsx";
import { Empty, PageHead, State } from "./states.tsx";

export function SessionsPageView() {
  useTitle("Sessions");
  const { query } = usePlace();
  const before = query.get("before") ?? undefined;
  const page = useRead<SessionsPage>("/api/sessions", { limit: 100, before }, before === undefined);
  return (
    <>
      <PageHead title="Sessions" of={page} about="Each connection through the gateway; open one to play it back." />
      <State of={page}>
        {({ sessions, next }) => (
          <div className="panel">
            {sessions.length === 0 ? (
              <Empty title="No session was opened yet">
                <code>throughline connect orders --as ACCOUNT --task "why"</code> prints a ready psql line.
              </Empty>
            ) : (
              <SessionTable sessions={sessions} />
            )}
            {(next !== null || before !== undefined) && (
              <footer className="pages">
                {before !== undefined && (
                  <Button variant="default" size="xs" onClick={() => refine({ before: "" })}>
                    Back to the newest
                  </Button>
                )}
                {next !== null && (
                  <Button variant="default" size="xs" onClick={() => refine({ before: next })}>
                    Older sessions
                  </Button>
                )}
              </footer>
            )}
          </div>
        )}
      </State>
    </>
  );
}

function SessionTable({ sessions }: { readonly sessions: readonly SessionSummary[] }) {
  return (
    <table className="list">
      <thead>
        <tr>
          <th>Opened</th>
          <th>Who</th>
          <th>Task</th>
          <th className="number">Commands</th>
          <th>Of note</th>
          <th>Lasted</th>
        </tr>
      </thead>
      <tbody>
        {sessions.map((session) => (
          <tr key={session.session}>
            <td>
              <Moment ms={session.openedAtMs} show="day" />
            </td>
            <td>
              <Link className="title" to={address(["sessions", session.session])}>
                {session.identityName}
              </Link>{" "}
              as <As account={session.account} target={session.target} />
            </td>
            <td>{session.justification}</td>
            <td className="number">
              {session.commands.toLocaleString("en-US")}
              <span className="unseen"> commands</span>
            </td>
            <td>
              <Notes session={session} />
            </td>
            <td>
              {session.closedAtMs === null ? (
                <span className="tag chain">open</span>
              ) : (
                spanWords(session.closedAtMs - session.openedAtMs)
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Notes({ session }: { readonly session: SessionSummary }) {
  return (
    <span className="notes">
      {session.held > 0 && <Ruling ruling="hold" words={`${session.held} held`} />}
      {session.blocked > 0 && <Ruling ruling="block" words={`${session.blocked} refused`} />}
      {session.masked > 0 && <Ruling ruling="mask" words={`${session.masked} masked`} />}
    </span>
  );
}
