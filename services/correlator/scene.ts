/**
 * The notation of inline tests (schemas/RULES.md): lines that an analyst writes without help → what happened. What is not
 * meant as it stands is refused: a line that is read otherwise lets `expect: allow` pass for nothing.
 */
import type { TextLine } from "../../infra/rules/source.ts";
import { nearest } from "../../infra/rules/spelling.ts";
import type { ResourceUri } from "../../schemas/command.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { type SceneWord, sceneApprovals, sceneControls, sceneKeys, sceneOperations } from "../../schemas/scene.ts";

export interface SceneLine extends TextLine {
  readonly atMs: number;
  readonly account: string;
  readonly operation: SceneWord;
  readonly reads: readonly ResourceUri[];
  readonly writes: readonly ResourceUri[];
  readonly keys: ReadonlyMap<string, string>;
}

/** A line that cannot be played. */
export class SceneMistake extends ThroughlineError {
  readonly line: TextLine;

  constructor({ text, at }: TextLine, what: string) {
    super("rule.invalid", `"${text}": ${what}`);
    this.line = { text, at };
  }
}

const words = Object.keys(sceneOperations) as SceneWord[];
const controls: ReadonlySet<string> = new Set(sceneControls);
const approvals: ReadonlySet<string> = new Set(sceneApprovals);
/** Without an arrow, what stands there is read. */
const reading: ReadonlySet<string> = new Set(["read", "transfer", "execute", "connect"]);
/** With an arrow too they would be something else. */
const oneSided: ReadonlySet<string> = new Set(["read", "grant", "connect"]);
/** A target itself may be made, granted or connected to, or be all that is known; otherwise such a name is a table's, cut short. */
const wholeTarget: ReadonlySet<string> = new Set(["define", "grant", "connect"]);
const withoutResources: ReadonlySet<string> = new Set(["execute", "connect", "define", "grant", ...controls]);
/** What people write who think of the statement. */
const ofSql: Readonly<Record<string, string>> = {
  select: "read",
  insert: "write, or transform for INSERT … SELECT",
  update: "write",
  merge: "transform",
  copy: "transfer (to the client), transform (to a file of the server) or write (in)",
  create: "define, or transform for CREATE TABLE AS",
  alter: "define",
  drop: "define with ends=",
  truncate: "delete with ends=",
  revoke: "grant with statement=REVOKE",
  call: "execute",
  export: "transfer",
  dump: "transfer",
};
const timeForm = /^([0-9]+(ms|s|m|h|d))+$/;
const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** @throws SceneMistake at the first line that is wrong by itself */
export function readScene(text: string): SceneLine[] {
  return text
    .split("\n")
    .map((line, at) => ({ text: line.trim(), at }))
    .filter((line) => line.text !== "" && !line.text.startsWith("#"))
    .map(readLine);
}

/** What no line shows by itself. @param before lines that were played already. @throws SceneMistake */
export function checkOrder(lines: readonly SceneLine[], before: readonly SceneLine[] = []): void {
  const open = new Set<string>();
  let lastMs = 0;
  for (const line of [...before, ...lines]) {
    const { operation, account, keys, atMs } = line;
    if (atMs < lastMs) throw new SceneMistake(line, "its time is before the line above; times count from the start");
    lastMs = atMs;
    const session = keys.get("session") ?? account;
    if (operation === "begin" && open.has(session))
      throw new SceneMistake(line, `the transaction of ${session} has begun already`);
    if (operation === "begin") open.add(session);
    else if (controls.has(operation) && !open.delete(session))
      throw new SceneMistake(line, `${session} has no open transaction: write a line with begin before`);
  }
}

/** Of what is only asked nothing is known that comes when it has run. @throws SceneMistake */
export function checkAsked(line: SceneLine): void {
  const late = [...line.keys.keys()].find((key) => sceneKeys[key]?.on === "run");
  if (late !== undefined)
    throw new SceneMistake(line, `${late} is not known before it runs: leave it out, or move the line to given`);
}

function readLine(line: TextLine): SceneLine {
  const parts = line.text.replaceAll(/\s*,\s*/g, ",").split(/\s+/);
  const [time = "", account = "", word = "", ...rest] = parts;
  const atMs = timeMs(line, time);
  const operation = words.find((known) => known === word);
  if (operation === undefined) throw new SceneMistake(line, unknownWord(word));
  if (account.includes("=") || account.includes("/"))
    throw new SceneMistake(line, `the account stands there, and ${account} is none`);
  const second = rest.find((part) => timeForm.test(part));
  if (second !== undefined)
    throw new SceneMistake(line, `${second} begins a second command: write \`given: |\` and each on a line of its own`);
  const { sides, keys } = readRest(line, rest);
  checkKeys(line, operation, keys);
  const placed = { ...line, atMs, account, operation, keys, ...placesOf(line, operation, sides) };
  checkPlaces(placed);
  return placed;
}

function unknownWord(word: string): string {
  const lower = word.toLowerCase();
  const meant = ofSql[lower] ?? words.find((known) => known === lower) ?? nearest(word, words);
  const what = word === "" ? "the operation is missing" : `${word} is no operation`;
  const form = `write: time account operation resources; operations: ${words.join(", ")}`;
  return meant === null ? `${what}; ${form}` : `${what}: write ${meant}`;
}

interface Rest {
  /** Before and after the arrow. */
  readonly sides: readonly (readonly ResourceUri[])[];
  readonly keys: ReadonlyMap<string, string>;
}

function readRest(line: TextLine, parts: readonly string[]): Rest {
  const sides: ResourceUri[][] = [[]];
  const keys = new Map<string, string>();
  const torn = parts.findIndex((part) => part.startsWith("=") || part.endsWith("="));
  if (torn !== -1)
    throw new SceneMistake(line, `${parts[torn]}: write key=value, without spaces around =; a value is not empty`);
  for (const part of parts) {
    const equals = part.indexOf("=");
    if (part.includes('"')) throw new SceneMistake(line, `${part}: no quotes here, and no spaces in a value`);
    if (equals > 0) {
      const key = part.slice(0, equals);
      if (keys.has(key)) throw new SceneMistake(line, `${key}= stands there twice; join several values by commas`);
      keys.set(key, part.slice(equals + 1));
    } else if (keys.size > 0)
      throw new SceneMistake(line, `${part} stands after the keys: resources come before, and a value has no spaces`);
    else if (part === "->") sides.push([]);
    else {
      const side = sides.at(-1);
      const names = part.split(",");
      if (side === undefined || side.length > 0)
        throw new SceneMistake(line, `${part}: join several resources by commas; a resource has no spaces`);
      if (names.includes("")) throw new SceneMistake(line, `${part}: a resource is missing beside the comma`);
      side.push(...names.map((name) => name as ResourceUri));
    }
  }
  if (sides.length > 2) throw new SceneMistake(line, "one -> only: a line is one command");
  return { sides, keys };
}

function checkKeys(line: TextLine, operation: SceneWord, keys: Rest["keys"]): void {
  for (const [name, value] of keys) {
    const key = Object.hasOwn(sceneKeys, name) ? sceneKeys[name] : undefined;
    if (key === undefined) {
      const meant = nearest(name, Object.keys(sceneKeys));
      throw new SceneMistake(
        line,
        `${name}= is not known${meant === null ? `; keys: ${Object.keys(sceneKeys).join(", ")}` : `: write ${meant}=`}`,
      );
    }
    const isOff =
      (approvals.has(operation) && key.on !== "any") || (controls.has(operation) && !/^(any|command)$/.test(key.on));
    if (isOff) throw new SceneMistake(line, `${name}= says nothing of ${operation}: leave it out`);
    if (key.form !== undefined && !key.form.pattern.test(value))
      throw new SceneMistake(line, `${name}=${value}: write ${key.form.words}`);
  }
  if (keys.has("parent") && !keys.has("task"))
    throw new SceneMistake(line, "parent= says what a task belongs to: write task= as well");
}

function placesOf(line: TextLine, operation: SceneWord, sides: Rest["sides"]): Pick<SceneLine, "reads" | "writes"> {
  const [first = [], second] = sides;
  if (second === undefined) return reading.has(operation) ? { reads: first, writes: [] } : { reads: [], writes: first };
  const isBare = oneSided.has(operation) || controls.has(operation) || approvals.has(operation);
  if (isBare)
    throw new SceneMistake(line, `${operation} has no ->; what reads one and writes another is transform or transfer`);
  if (first.length === 0 || second.length === 0)
    throw new SceneMistake(line, "a resource is missing beside ->: write what is read -> what is written");
  return { reads: first, writes: second };
}

function checkPlaces(line: SceneLine): void {
  const { operation, reads, writes, keys } = line;
  const places = [...reads, ...writes];
  const isOpaque = keys.get("opaque") === "true";
  if (approvals.has(operation)) {
    if (places.length !== 1) throw new SceneMistake(line, `${operation} is about one approval: write its name`);
    return;
  }
  if (controls.has(operation) && places.length > 0)
    throw new SceneMistake(line, `${operation} has no resources: it is about the whole transaction`);
  if (operation === "transform" && reads.length === 0)
    throw new SceneMistake(line, "transform reads one and writes another: write what is read -> what is written");
  if (places.length === 0 && !withoutResources.has(operation) && !isOpaque)
    throw new SceneMistake(line, `what does it ${operation}? Write a resource such as orders/public.customers`);
  for (const place of places) {
    if (place.includes("*")) throw new SceneMistake(line, `${place}: a line names one resource; * is for the catalog`);
    if (!place.includes("/") && !wholeTarget.has(operation) && !isOpaque)
      throw new SceneMistake(line, `${place}: write target/schema.table, such as orders/public.${place}`);
  }
  const stray = (keys.get("ends")?.split(",") ?? []).find((name) => !writes.some((place) => place === name));
  if (stray !== undefined)
    throw new SceneMistake(
      line,
      `ends=${stray}: what ends is one of what it writes: ${writes.join(", ") || "nothing"}`,
    );
}

/** `90s`, `1h30m`, `2d` */
function timeMs(line: TextLine, text: string): number {
  if (!timeForm.test(text))
    throw new SceneMistake(line, `${text}: write the time since the start first: 0s, 90s, 1h30m, 2d`);
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/([0-9]+)(ms|s|m|h|d)/g))
    sum += Number(number) * (units[unit ?? ""] ?? 0);
  return sum;
}
