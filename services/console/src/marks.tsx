/** Small marks that mean the same on every page: a ruling, an account, a text, a list of facts. */
import type { ReactNode } from "react";
import { useMay } from "./data.ts";
import { address, Link } from "./route.tsx";

export function Ruling({ ruling, words }: { readonly ruling: string; readonly words: string }) {
  return words ? <span className={`ruling ${ruling}`}>{words}</span> : null;
}

const stateRulings: Readonly<Record<string, string>> = {
  held: "hold",
  open: "hold",
  approved: "allow",
  used: "allow",
  refused: "block",
  blocked: "block",
  active: "block",
  expired: "block",
  observed: "mask",
};

/** The state of a chain, an approval or a block, in the colour of the ruling it comes to. */
export function StateMark({ state }: { readonly state: string }) {
  return <Ruling ruling={stateRulings[state] ?? "allow"} words={state} />;
}

export function As({ account, target }: { readonly account: string; readonly target: string }) {
  return (
    <span className="account">
      {account}
      {target && <span className="faint">@{target}</span>}
    </span>
  );
}

interface SqlProps {
  readonly text: string | null;
  readonly parameters?: readonly (string | null)[] | null;
  readonly large?: boolean;
}

/** The text of a command, whole: never cut, whatever its length. */
export function Sql({ text, parameters, large }: SqlProps) {
  if (text === null)
    return <p className="sql erased">The text is not here: its key was erased, or you may not read it.</p>;
  return (
    <>
      <pre className={large ? "sql large" : "sql"}>{text}</pre>
      {parameters && parameters.length > 0 && (
        <ol className="parameters">
          {parameters.map((value, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a bound value is known by its place
            <li key={i} className="code">
              <span className="faint">${i + 1}</span> {value === null ? "NULL" : `'${value}'`}
            </li>
          ))}
        </ol>
      )}
    </>
  );
}

export function Facts({ of }: { readonly of: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="facts">
      {of
        .filter(([, value]) => value !== "" && value !== null)
        .map(([label, value]) => (
          <div className="fact" key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** A value that narrows the timeline to itself when followed. */
export function Narrow({
  by,
  value,
  words,
}: {
  readonly by: string;
  readonly value: string;
  readonly words?: ReactNode;
}) {
  const mayFollow = useMay("investigate");
  if (!value) return null;
  if (!mayFollow) return words ?? value;
  return (
    <Link to={address(["timeline"], { [by]: value })} title={`Timeline with this ${by} only`}>
      {words ?? value}
    </Link>
  );
}

/** To a statement in the replay of its session, for those who may see it. */
export function ToReplay({
  session,
  command,
  children,
}: {
  readonly session: string;
  readonly command: string;
  readonly children: ReactNode;
}) {
  if (!useMay("investigate")) return null;
  return <Link to={`${address(["sessions", session])}#${command}`}>{children}</Link>;
}
