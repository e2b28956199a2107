/** The notation of inline tests: lines that an analyst writes without help → what happened. */
import { type Operation, operations, type ResourceUri } from "../../schemas/command.ts";
import { ThroughlineError } from "../../schemas/errors.ts";

export interface SceneLine {
  readonly atMs: number;
  readonly account: string;
  readonly operation: Operation | (typeof controls)[number] | (typeof approvals)[number];
  readonly reads: readonly ResourceUri[];
  readonly writes: readonly ResourceUri[];
  readonly keys: ReadonlyMap<string, string>;
}

const controls = ["begin", "commit", "rollback"] as const;
/** What is done with an approval, which stands where a resource would. */
const approvals = ["ask", "approve", "refuse"] as const;
const words = [...operations, ...controls, ...approvals];
const keysKnown = new Set([
  ...["identity", "onbehalfof", "task", "parent", "session", "address", "role"],
  ...["statement", "fingerprint", "trace", "content", "ends", "destroys", "opaque", "rows", "bytes", "outcome"],
]);
const reading: ReadonlySet<string> = new Set(["read", "transfer", "execute", "connect"]);
const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** @throws ThroughlineError `rule.invalid` with the line */
export function readScene(text: string): SceneLine[] {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const scene = lines.map(readLine);
  for (const [index, { atMs }] of scene.entries())
    if (atMs < (scene[index - 1]?.atMs ?? 0)) throw wrong(lines[index] ?? "", "its time goes back");
  return scene;
}

function wrong(line: string, what: string): ThroughlineError {
  return new ThroughlineError("rule.invalid", `tests: "${line}": ${what}`);
}

function readLine(line: string): SceneLine {
  const [time = "", account = "", word = "", ...rest] = line.split(/\s+/);
  const operation = words.find((known) => known === word);
  if (operation === undefined || account === "")
    throw wrong(line, `write: time account operation resources; operations: ${words.join(", ")}`);
  const names: ResourceUri[][] = [[]];
  const keys = new Map<string, string>();
  for (const part of rest) {
    const equals = part.indexOf("=");
    if (part === "->") names.push([]);
    else if (equals > 0) keys.set(part.slice(0, equals), part.slice(equals + 1));
    else
      names.at(-1)?.push(
        ...part
          .split(",")
          .filter((name) => name !== "")
          .map((name) => name as ResourceUri),
      );
  }
  for (const key of keys.keys())
    if (!keysKnown.has(key)) throw wrong(line, `${key} is not known; keys: ${[...keysKnown].join(", ")}`);
  const [first = [], second] = names;
  if (names.length > 2) throw wrong(line, "one -> only");
  const isReading = second !== undefined || reading.has(operation);
  return {
    atMs: timeMs(time, line),
    account,
    operation,
    reads: isReading ? first : [],
    writes: second ?? (isReading ? [] : first),
    keys,
  };
}

/** `90s`, `1h30m`, `2d` */
function timeMs(text: string, line: string): number {
  if (!/^([0-9]+(ms|s|m|h|d))+$/.test(text)) throw wrong(line, "the time is written 0s, 90s, 1h30m, 2d");
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/([0-9]+)(ms|s|m|h|d)/g))
    sum += Number(number) * (units[unit ?? ""] ?? 0);
  return sum;
}
