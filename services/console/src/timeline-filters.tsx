/** The filters above the timeline. They live in the address; choices come from what is shown, rarer ones are typed. */
import { NativeSelect, SegmentedControl, Switch, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";
import type { TimelineRow } from "../../../schemas/api.ts";
import { catalogue } from "../../../schemas/event.ts";
import { refine, usePlace } from "./route.tsx";
import { defaultRange, filterKeys, ranges } from "./timeline-query.ts";

interface Choice {
  readonly value: string;
  readonly label: string;
}

export function TimelineFilters({ rows }: { readonly rows: readonly TimelineRow[] }) {
  const { query } = usePlace();
  const rare = ["session", "task", "resource", "chain"] as const;
  const [more, setMore] = useState(() => [...rare, "type", "since", "until"].some((key) => query.has(key)));
  const custom = query.has("since") || query.has("until");
  return (
    <search className="filters">
      <div className="filter-row">
        <Typed name="text" label="Words in the text" wide />
        <Chosen name="identity" label="Identity" choices={seen(rows, (row) => [row.identity, row.identityName])} />
        <Chosen name="account" label="Account" choices={seen(rows, (row) => [row.account, row.account])} />
        <Chosen name="ruling" label="Ruling" choices={rulingChoices} />
        <SegmentedControl
          size="xs"
          aria-label="Time range"
          value={custom ? "" : (query.get("range") ?? defaultRange)}
          onChange={(range) => refine({ range, since: "", until: "", before: "" })}
          data={ranges.map(({ key, words }) => ({ value: key, label: words }))}
        />
        <button type="button" className="link" aria-expanded={more} onClick={() => setMore(!more)}>
          {more ? "Fewer filters" : "More filters"}
        </button>
      </div>
      {more && (
        <div className="filter-row">
          {rare.map((name) => (
            <Typed key={name} name={name} label={labels[name]} />
          ))}
          <Chosen
            name="type"
            label="Type"
            choices={Object.keys(catalogue).map((type) => ({ value: type, label: type }))}
          />
          <Typed name="since" label="From (local)" type="datetime-local" />
          <Typed name="until" label="Until (local)" type="datetime-local" />
          <Switch
            size="xs"
            label="Every event"
            checked={query.get("every") === "1"}
            onChange={(event) => refine({ every: event.currentTarget.checked ? "1" : "" })}
          />
        </div>
      )}
      <Chips />
    </search>
  );
}

const labels = {
  session: "Session",
  task: "Task",
  resource: "Resource",
  chain: "Chain",
};

const rulingChoices: readonly Choice[] = [
  { value: "allow", label: "allowed" },
  { value: "mask", label: "masked" },
  { value: "hold", label: "held" },
  { value: "block", label: "refused" },
];

function seen(rows: readonly TimelineRow[], of: (row: TimelineRow) => readonly [string, string]): Choice[] {
  const found = new Map(rows.map(of).filter(([value]) => value !== ""));
  return [...found].map(([value, label]) => ({ value, label })).toSorted((a, b) => a.label.localeCompare(b.label));
}

function Chosen({
  name,
  label,
  choices,
}: {
  readonly name: string;
  readonly label: string;
  readonly choices: readonly Choice[];
}) {
  const { query } = usePlace();
  const value = query.get(name) ?? "";
  const known = value === "" || choices.some((choice) => choice.value === value);
  return (
    <NativeSelect
      size="xs"
      aria-label={label}
      value={value}
      onChange={(event) => refine({ [name]: event.currentTarget.value, before: "" })}
      data={[{ value: "", label }, ...choices, ...(known ? [] : [{ value, label: value }])]}
    />
  );
}

interface TypedProps {
  readonly name: string;
  readonly label: string;
  readonly wide?: boolean;
  readonly type?: "datetime-local";
}

/** Asked when the typing stops, not at every key. */
function Typed({ name, label, wide, type }: TypedProps) {
  const { query } = usePlace();
  const current = query.get(name) ?? "";
  const [text, setText] = useState(current);
  useEffect(() => setText(current), [current]);
  useEffect(() => {
    if (text === current) return;
    const timer = setTimeout(() => refine({ [name]: text, before: "" }), 350);
    return () => clearTimeout(timer);
  }, [text, current, name]);
  return (
    <TextInput
      size="xs"
      className={wide ? "wide" : undefined}
      aria-label={label}
      title={label}
      placeholder={label}
      type={type ?? "text"}
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
    />
  );
}

/** What is filtered by beside the visible controls, each with its way out. */
function Chips() {
  const { query } = usePlace();
  const active = filterKeys.filter((key) => query.has(key));
  if (active.length === 0) return null;
  return (
    <ul className="chips" aria-label="Active filters">
      {active.map((key) => (
        <li key={key}>
          <button type="button" onClick={() => refine({ [key]: "" })} aria-label={`Remove filter ${key}`}>
            <span className="faint">{key}</span> {query.get(key)} <span aria-hidden="true">×</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
