/**
 * What an envelope says of who did what to which resources, read the same way when a row is written and when it is shown.
 * Pure. Refuses nothing: what has not the form it should have says nothing.
 */
import type { Envelope } from "../../schemas/event.ts";

export type Data = Readonly<Record<string, unknown>>;

export const isData = (value: unknown): value is Data =>
  typeof value === "object" && value !== null && !Array.isArray(value);
export const word = (value: unknown): string => (typeof value === "string" ? value : "");
export const count = (value: unknown): number =>
  typeof value === "number" && value > 0 ? Math.min(Math.floor(value), Number.MAX_SAFE_INTEGER) : 0;
const words = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
const items = (value: unknown): Data[] => (Array.isArray(value) ? value.filter(isData) : []);
const distinct = (values: readonly string[]): string[] => [...new Set(values.filter((value) => value !== ""))];

export interface Facts {
  readonly data: Data;
  /** By axis; empty where it does not apply. */
  readonly acts: Readonly<Record<"identity" | "account" | "target" | "session" | "task" | "command" | "grant", string>>;
  readonly ruling: string;
  readonly operations: readonly string[];
  readonly resources: readonly string[];
  /** Ids. */
  readonly chains: readonly string[];
}

export function factsOf(envelope: Envelope): Facts {
  const data: Data = isData(envelope.data) ? envelope.data : {};
  const effects = items(data.effects);
  return {
    data,
    acts: {
      identity: envelope.identity || (isData(data.identity) ? word(data.identity.key) : ""),
      account: envelope.account || word(data.account),
      target: envelope.target || word(data.target),
      session: envelope.session ?? "",
      task: envelope.task || (isData(data.task) ? word(data.task.id) : ""),
      command: envelope.command ?? "",
      grant: envelope.grantid || word(data.grant),
    },
    ruling: word(data.ruling),
    operations: distinct(effects.map((effect) => word(effect.operation))),
    resources: resourcesOf(data, effects),
    chains: distinct([...chainsIn(data).map(({ id }) => word(id)), ...words(data.chains), word(data.chain)]),
  };
}

function resourcesOf(data: Data, effects: readonly Data[]): string[] {
  const touched = effects.flatMap((effect) => [...words(effect.reads), ...words(effect.writes)]);
  const columns = items(data.columns).map((column) => word(column.resource));
  const steps = isData(data.chain) ? items(data.chain.steps).flatMap((step) => words(step.resources)) : [];
  return distinct([
    ...touched,
    ...words(data.resources),
    ...words(data.masks),
    word(data.resource),
    ...columns,
    ...steps,
  ]);
}

/** Whole ChainEvidence wherever an event carries it. */
export function chainsIn(data: Data): Data[] {
  const single = isData(data.chain) ? [data.chain] : [];
  const all = [...single, ...items(data.chains), ...items(data.enforced), ...items(data.observed)];
  return all.filter((chain) => word(chain.id) !== "");
}

export function stepCommands(chain: Data): string[] {
  return distinct(items(chain.steps).map((step) => word(step.command)));
}

/** A column is found under its table too. */
export function withTables(resources: readonly string[]): Iterable<string> {
  const all = new Set(resources);
  for (const resource of resources) {
    const hash = resource.indexOf("#");
    if (hash > 0) all.add(resource.slice(0, hash));
  }
  return all;
}
