/**
 * A chain as a picture: its steps downwards in time, each in the lane of its account, and between them what ties
 * them, with how much later, by which evidence, and how strong that is. The last step is the one that was asked about.
 */

import { Fragment } from "react";
import type { ChainEvidence, ChainLink, ChainStep } from "../../../schemas/chain.ts";
import { deedWords } from "../../../schemas/held-words.ts";
import { isSaid, strengthWords, tieWords } from "../../../schemas/links.ts";
import { placesOf, placeWords } from "../../../schemas/places.ts";
import { spanWords } from "../../../schemas/story.ts";
import { useMay } from "./data.ts";
import { LaneCell, LaneGap, laneStyle } from "./lane-cell.tsx";
import type { LaneRow } from "./lanes.ts";
import { As, Narrow, ToReplay } from "./marks.tsx";
import { Moment } from "./moment.tsx";
import { LinkOf } from "./reject-link.tsx";
import { address, Link } from "./route.tsx";

interface ChainStoryProps {
  readonly chain: ChainEvidence;
  /** Names for identity keys; a key that is not among them is shown as it is. */
  readonly names: ReadonlyMap<string, string>;
  /** Clear text by command, where the reader may see it. */
  readonly texts: ReadonlyMap<string, string>;
  /** How the last step is coloured: hold, block, or allow. */
  readonly ruling: string;
}

export function ChainStory({ chain, names, texts, ruling }: ChainStoryProps) {
  const accounts = [...new Set(chain.steps.map((step) => step.account))];
  const lanes = chain.steps.map((step) => accounts.indexOf(step.account));
  const last = chain.steps.length - 1;
  const rowOf = (i: number): LaneRow => ({
    lane: lanes[i] ?? null,
    strands: [
      {
        chain: chain.id,
        above: i === 0 ? null : (lanes[i - 1] ?? null),
        below: i === last ? null : (lanes[i] ?? null),
        step: true,
      },
    ],
  });
  return (
    <div className="story" style={laneStyle(accounts.length)}>
      <p className="story-found">
        <span className={chain.strength === "strong" ? "tag chain" : "tag"}>{strengthWords[chain.strength]}</span>{" "}
        <span className="quiet">
          rule <span className="code">{chain.rule}</span>, level {chain.level}
        </span>
      </p>
      <div className="story-head" aria-hidden="true">
        <span className={accounts.length > 4 ? "lane-names narrow" : "lane-names"}>
          {accounts.map((account) => (
            <span key={account} title={account}>
              {account}
            </span>
          ))}
        </span>
      </div>
      <ol>
        {chain.steps.map((step, i) => (
          <Fragment key={step.event}>
            {i > 0 && (
              <li className="story-row ties">
                <LaneGap row={rowOf(i - 1)} lanes={accounts.length} />
                <Ties chain={chain} to={i} />
              </li>
            )}
            <li className="story-row">
              <LaneCell row={rowOf(i)} lanes={accounts.length} ruling={i === last ? ruling : ""} emphasis="" />
              <Step
                step={step}
                number={i + 1}
                name={names.get(step.identity) ?? step.identity}
                text={texts.get(step.command)}
                last={i === last ? ruling : ""}
              />
            </li>
          </Fragment>
        ))}
      </ol>
      {chain.check !== undefined && (
        <p className="story-check">
          <strong>What to check:</strong> {chain.check}
        </p>
      )}
      {chain.deviations?.map(({ pipeline, why }) => (
        <p key={pipeline} className="story-check">
          <strong>Not exempt</strong> as <ToPipeline name={pipeline} />: {why}.
        </p>
      ))}
    </div>
  );
}

/** For those who may read about pipelines. */
function ToPipeline({ name }: { readonly name: string }) {
  const [mayInvestigate, mayRespond] = [useMay("investigate"), useMay("respond")];
  if (!mayInvestigate && !mayRespond) return name;
  return <Link to={address(["pipelines", name])}>{name}</Link>;
}

interface StepProps {
  readonly step: ChainStep;
  readonly number: number;
  readonly name: string;
  readonly text: string | undefined;
  readonly last: string;
}

function Step({ step, number, name, text, last }: StepProps) {
  return (
    <div className={`step-card ${last}`}>
      <div className="step-head">
        <span>
          <span className="step-number">{number}</span> <strong>{name}</strong> as{" "}
          <As account={step.account} target={step.target} />
        </span>
        <Moment ms={step.atMs} show="day" />
      </div>
      {text !== undefined && <pre className="sql">{text}</pre>}
      <div className="step-foot">
        <span>
          {deedWords(step, last !== "hold" && last !== "block")}{" "}
          {placesOf(step.resources, step.target).map(({ uri, words }, i) => (
            <Fragment key={uri}>
              {i > 0 && ", "}
              <Narrow by="resource" value={uri} words={<span className="code">{words}</span>} />
            </Fragment>
          ))}
        </span>
        <ToReplay session={step.session} command={step.command}>
          Replay
        </ToReplay>
      </div>
    </div>
  );
}

function Ties({ chain, to }: { readonly chain: ChainEvidence; readonly to: number }) {
  const before = chain.steps[to - 1];
  const step = chain.steps[to];
  const links = chain.links.filter((link) => link.to === to);
  return (
    <div className="tie">
      {before && step && <span className="faint">{spanWords(Math.max(0, step.atMs - before.atMs))} later</span>}
      {links.map((link) => (
        <Tie key={`${link.from} ${link.by}`} link={link} near={link.from === to - 1} target={step?.target ?? ""} />
      ))}
    </div>
  );
}

/** Links whose evidence is resources; of the others it is a name as it stands. */
const overResources: readonly string[] = ["flow", "lineage", "resource"];

interface TieProps {
  readonly link: ChainLink;
  /** It ties to the step just above. */
  readonly near: boolean;
  readonly target: string;
}

function Tie({ link, near, target }: TieProps) {
  // Two identities are one actor by the word of events; one identity by itself needs none.
  const saidByEvents = link.by === "actor" && link.evidence.every(isSaid);
  const evidence = overResources.includes(link.by) ? placeWords(link.evidence, target) : link.evidence.join(", ");

  return (
    <span>
      <span className="tag chain">
        {link.by}
        {link.strength === "weak" && <span title={strengthWords.weak}> (weak)</span>}
      </span>{" "}
      <span className="quiet">
        {near ? "" : `with step ${link.from + 1}, `}
        {tieWords(link)}
      </span>{" "}
      {saidByEvents ? (
        link.evidence.map((event) => <LinkOf key={event} event={event} />)
      ) : (
        <span className="code">{evidence}</span>
      )}
    </span>
  );
}
