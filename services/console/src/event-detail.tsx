/** An opened row: the whole text, who and for which task, what came of it, and the ways on from here. */
import { useState } from "react";
import type { Line } from "../../../schemas/lines.ts";
import { placesOf, withNames } from "../../../schemas/places.ts";
import { storyOf } from "../../../schemas/story.ts";
import { useMay } from "./data.ts";
import { Facts, Narrow, Sql } from "./marks.tsx";
import { Moment } from "./moment.tsx";
import { address, Link } from "./route.tsx";

interface EventDetailProps {
  readonly line: Line;
  /** By identity key. */
  readonly names: ReadonlyMap<string, string>;
}

export function EventDetail({ line, names }: EventDetailProps) {
  const { lead } = line;
  return (
    <div className="detail">
      {line.text !== null && <Sql text={line.text} parameters={lead.parameters} />}
      <div className="detail-columns">
        <Facts
          of={[
            [
              "Identity",
              <Narrow key="i" by="identity" value={lead.identity} words={lead.identityName || lead.identity} />,
            ],
            [
              "Identity key",
              <span key="k" className="code quiet">
                {lead.identity}
              </span>,
            ],
            [
              "Account",
              lead.account ? (
                <Narrow key="a" by="account" value={lead.account} words={`${lead.account}@${lead.target}`} />
              ) : (
                ""
              ),
            ],
            ["Task", lead.task ? <Narrow key="t" by="task" value={lead.task} /> : ""],
            ["Operations", lead.operations.join(", ")],
            [
              "Resources",
              lead.resources.length > 0 ? <Resources key="r" of={lead.resources} target={lead.target} /> : "",
            ],
            [
              "Command",
              lead.command ? (
                <span key="c" className="code">
                  {lead.command}
                </span>
              ) : (
                ""
              ),
            ],
            ["Recorded by", lead.source],
          ]}
        />
        <Course line={line} names={names} />
      </div>
      <Ways line={line} />
    </div>
  );
}

function Resources({ of, target }: { readonly of: readonly string[]; readonly target: string }) {
  return (
    <ul>
      {placesOf(of, target).map(({ uri, words }) => (
        <li key={uri}>
          <Narrow by="resource" value={uri} words={<span className="code">{words}</span>} />
        </li>
      ))}
    </ul>
  );
}

/** Every event of the command, in order. */
function Course({ line, names }: EventDetailProps) {
  return (
    <ol className="course">
      {line.rows.map((row) => (
        <li key={row.id}>
          <Moment ms={row.atMs} />
          <span>
            <span className="faint code">{row.type}</span>
            <span className="told">{withNames(storyOf(row.type, row.data), names)}</span>
          </span>
        </li>
      ))}
    </ol>
  );
}

function Ways({ line }: { readonly line: Line }) {
  const { lead } = line;
  const mayRespond = useMay("respond");
  const [raw, setRaw] = useState(false);
  return (
    <>
      <div className="actions ways">
        {lead.session && (
          <Link to={`${address(["sessions", lead.session])}#${lead.command}`}>Replay the session from here</Link>
        )}
        {line.chains.map((chain) => (
          <Link key={chain} to={address(["chains", chain])}>
            Chain {chain.slice(0, 12)}
          </Link>
        ))}
        {lead.identity && mayRespond && (
          <Link to={address(["blocks"], { identity: lead.identity })}>Block this identity</Link>
        )}
        <button type="button" className="link" aria-expanded={raw} onClick={() => setRaw(!raw)}>
          {raw ? "Hide the record" : "Show the record"}
        </button>
      </div>
      {raw && <pre className="sql">{JSON.stringify(line.rows.length === 1 ? lead : line.rows, null, 2)}</pre>}
    </>
  );
}
