/** Places a block: what it names must all match, so that every added line narrows it. */
import { Button, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import type { BlockRequest } from "../../../schemas/api.ts";
import { operations } from "../../../schemas/command.ts";
import { useSay } from "./data.ts";
import { go } from "./route.tsx";
import { Failed } from "./states.tsx";

const fields = [
  ["identity", "Identity key"],
  ["account", "Account"],
  ["session", "Session"],
  ["task", "Task"],
  ["resource", "Resource, with all it contains"],
] as const;

const endings = [
  ["", "Until lifted"],
  ["60", "For an hour"],
  ["480", "For eight hours"],
  ["1440", "For a day"],
] as const;

export function BlockForm({ query }: { readonly query: URLSearchParams }) {
  const [named, setNamed] = useState<Readonly<Record<string, string>>>(() =>
    Object.fromEntries(fields.map(([key]) => [key, query.get(key) ?? ""])),
  );
  const [operation, setOperation] = useState("");
  const [minutes, setMinutes] = useState("");
  const [reason, setReason] = useState("");
  const place = useSay<BlockRequest>(
    "POST",
    () => "/api/blocks",
    () => {
      setNamed({});
      setReason("");
      go("/blocks", "replace");
    },
  );
  const scope = {
    ...Object.fromEntries(fields.flatMap(([key]) => (named[key]?.trim() ? [[key, named[key].trim()]] : []))),
    ...(operation ? { operations: [operation] } : {}),
  };
  const ready = Object.keys(scope).length > 0 && reason.trim() !== "" && !place.pending;
  return (
    <form
      className="answer"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) place.say({ scope, reason: reason.trim(), ...(minutes ? { minutes: Number(minutes) } : {}) });
      }}
    >
      {fields.map(([key, label]) => (
        <TextInput
          key={key}
          size="xs"
          label={label}
          value={named[key] ?? ""}
          onChange={(event) => setNamed({ ...named, [key]: event.currentTarget.value })}
        />
      ))}
      <NativeSelect
        size="xs"
        label="Operation"
        value={operation}
        onChange={(event) => setOperation(event.currentTarget.value)}
        data={[{ value: "", label: "Any" }, ...operations.map((one) => ({ value: one, label: one }))]}
      />
      <NativeSelect
        size="xs"
        label="How long"
        value={minutes}
        onChange={(event) => setMinutes(event.currentTarget.value)}
        data={endings.map(([value, label]) => ({ value, label }))}
      />
      <Textarea
        size="xs"
        label="Reason"
        description="The one who is blocked reads it"
        rows={2}
        maxLength={1_000}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <div className="actions">
        <Button size="xs" color="red" type="submit" disabled={!ready}>
          Place the block
        </Button>
      </div>
      {place.problem && <Failed problem={place.problem} />}
    </form>
  );
}
