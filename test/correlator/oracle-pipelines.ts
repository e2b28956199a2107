/**
 * What declared pipelines leave out of the chains (DETECTION §2.9), by the same brute force: a chain is exempt where its last
 * step, and every step that does more than read, belong to one run without deviation. Runs are cut out of all that the
 * pipeline's accounts have done in the window, again at every question.
 */
import type { PipelineStepText, PipelineText } from "../../schemas/pipeline.ts";
import { allChains, type Event, isInside, live, type OracleRule, tagsAt, type World } from "./oracle.ts";

export interface Declared {
  readonly pipelines: readonly PipelineText[];
  /** Log time from which they are in force. */
  readonly sinceMs: number;
}

interface Run {
  readonly members: readonly Event[];
  readonly deviated: boolean;
}

const minuteMs = 60_000;
const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: minuteMs, h: 3_600_000 };
const msOf = (text: string) => Number(text.slice(0, -1)) * (unitsMs[text.slice(-1)] ?? 0);
const has = (some: string | readonly string[], one: string) => [some].flat().includes(one);

/** Every admissible chain that the last event completes and no declared pipeline leaves out. */
export function chainsOf(world: World, rule: OracleRule, last: Event, declared: Declared): Event[][] {
  const runs = declared.pipelines.flatMap((pipeline) => runOf(world, pipeline, declared.sinceMs, last) ?? []);
  const isExempt = (chain: readonly Event[], run: Run) =>
    chain.every((event) => !doesMore(event) || belongs(run, event));
  return allChains(world, rule, last).filter((chain) => !runs.some((run) => isExempt(chain, run)));
}

const doesMore = (event: Event) => event.opaque || live(event).some(({ operation }) => operation !== "read");

/** A COMMIT belongs by the commands that it makes lasting. */
function belongs({ members }: Run, event: Event): boolean {
  const commands = new Set(members.map(({ command }) => command));
  const own = event.commit ? event.parts.filter(({ gone }) => !gone).map(({ of }) => of) : [event.command];
  return own.every((command) => commands.has(command));
}

/** The run that the last event belongs to; null where it belongs to none, or to one that has deviated. */
function runOf(world: World, pipeline: PipelineText, sinceMs: number, last: Event): Run | null {
  const window = windowOf(pipeline, last.atMs, sinceMs);
  if (window === null) return null;
  const accounts = pipeline.steps.map(({ account }) => account);
  const own = [...world.events.filter(({ at }) => at < last.at), last].filter(
    (event) =>
      accounts.includes(event.account) &&
      !event.commit &&
      live(event).length > 0 &&
      windowOf(pipeline, event.atMs, sinceMs) === window,
  );
  const run = cut(world, pipeline, own, pipeline.runs?.max ?? 1).at(-1);
  const first = run?.members[0];
  if (run === undefined || first === undefined || run.deviated || !belongs(run, last)) return null;
  if (last.atMs - first.atMs > msOf(pipeline.longest)) return null;
  // How much the others brought must be known.
  return run.members.every((event) => event === last || event.ran?.late != null) ? run : null;
}

/** When the window began that a moment is in: of several the newest. Those that began before it was in force are none. */
function windowOf({ window }: PipelineText, atMs: number, sinceMs: number): number | null {
  const every = window.cron.startsWith("*/") ? Number(window.cron.slice(2, 3)) : 1;
  const minutes = Array.from({ length: Math.floor(atMs / minuteMs) + 1 }, (_, minute) => minute);
  const begun = minutes.filter((minute) => minute % every === 0).map((minute) => minute * minuteMs);
  const open = begun.filter((startedMs) => atMs < startedMs + msOf(window.for));
  const newest = open.at(-1) ?? null;
  return newest !== null && newest >= sinceMs ? newest : null;
}

/** Runs, one behind the other. @param commands in log order; `left`, how many more may begin */
function cut(world: World, pipeline: PipelineText, commands: readonly Event[], left: number): Run[] {
  const start = commands.findIndex((event) => fits(pipeline, pipeline.steps[0], event));
  if (start === -1 || left === 0) return [];
  const rest = commands.slice(start);
  const soon = rest.filter(({ atMs }) => atMs - (rest[0]?.atMs ?? 0) <= msOf(pipeline.longest));
  const { members, length, complete, overrun } = longest(world, pipeline, soon);
  const next = soon[length];
  const begins = next !== undefined && left > 1 && fits(pipeline, pipeline.steps[0], next);
  const deviated = overrun || (!complete && next !== undefined && !begins);
  return [{ members, deviated }, ...cut(world, pipeline, rest.slice(length), left - 1)];
}

/** As many as are the declared steps in their order, each as often as it may be; looking at the unmarked does not count. */
function longest(world: World, pipeline: PipelineText, commands: readonly Event[]) {
  const { steps } = pipeline;
  const members: Event[] = [];
  let [place, times, length, overrun] = [0, 0, 0, false];
  const most = () => steps[place]?.times?.max ?? 1;
  const complete = () => place === steps.length - 1 && times >= most();
  for (const event of commands) {
    const again = times < most() && fits(pipeline, steps[place], event);
    const next = !again && times > 0 && fits(pipeline, steps[place + 1], event);
    if (overrun || complete() || (!again && !next && !isHarmless(world, event))) break;
    length += 1;
    if (!again && !next) continue;
    [place, times] = next ? [place + 1, 1] : [place, times + 1];
    members.push(event);
    const late = event.ran?.late ?? null;
    overrun = late !== null && (late.outcome === "unknown" || late.rows > (steps[place]?.rows.max ?? 0));
  }
  return { members, length, complete: complete(), overrun };
}

function fits({ addresses }: PipelineText, step: PipelineStepText | undefined, event: Event): boolean {
  if (step === undefined || event.ran === undefined || event.opaque) return false;
  const { account, identity } = event;
  const { address, fingerprint, role } = event.ran;
  const { operation, reads = [], writes = [] } = step;
  const isWithin = (names: readonly string[], declared: readonly string[]) =>
    names.every((name) => declared.some((outer) => isInside(name, outer)));
  const destroys = step.destroys ?? has(operation, "delete");
  return (
    account === step.account &&
    has(step.identity, identity) &&
    addresses.some((network) => isFrom(network, address)) &&
    (role === null || role === (step.role ?? step.account)) &&
    has(step.fingerprint, fingerprint) &&
    live(event).every(
      (effect) =>
        has(operation, effect.operation) &&
        isWithin(effect.reads, reads) &&
        isWithin(effect.writes, writes) &&
        (destroys || !effect.destroys),
    )
  );
}

/** Whole numbers of an address only: /16 and /32. */
function isFrom(network: string, address: string): boolean {
  const [base = "", bits = "32"] = network.split("/");
  const numbers = Number(bits) / 8;
  return base.split(".").slice(0, numbers).join(".") === address.split(".").slice(0, numbers).join(".");
}

const isHarmless = (world: World, event: Event) =>
  !event.opaque &&
  event.parts.every(
    (part) => part.gone || (part.effect.operation === "read" && tagsAt(world, part, event).length === 0),
  );
