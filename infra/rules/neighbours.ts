/**
 * Rules name rules of other files. Of the files beside those that were asked for, the ones that hold such a rule, and what
 * these name in turn; anything else there (a catalog, a compose file, a broken draft) is left alone.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import { rulesNamed } from "./alternatives.ts";
import { type RuleFile, readDocuments } from "./source.ts";

interface Mentions {
  /** Names and ids of its rules. */
  readonly rules: readonly string[];
  readonly names: readonly string[];
}

export interface Needed {
  readonly files: readonly RuleFile[];
  /** Why files were left alone, one line each; null where every rule that is named was found. */
  readonly leftOut: readonly string[] | null;
}

/** @throws ThroughlineError `rule.invalid` when one of `asked` cannot be read */
export function neededOf(asked: readonly RuleFile[], beside: readonly RuleFile[]): Needed {
  const mentions = asked.map(mentionsIn);
  const known = new Set(mentions.flatMap(({ rules }) => rules));
  const wanted = new Set(mentions.flatMap(({ names }) => names));
  const isMissing = () => [...wanted].some((name) => !known.has(name));
  if (!isMissing()) return { files: [], leftOut: null };
  const leftOut: string[] = [];
  const others = new Map<RuleFile, Mentions>();
  for (const file of beside) {
    const found = mentionsOrWhyNot(file);
    if (typeof found === "string") leftOut.push(found);
    else others.set(file, found);
  }
  const files = new Set<RuleFile>();
  for (let before = -1; before < files.size; ) {
    before = files.size;
    for (const [file, { rules, names }] of others) {
      if (files.has(file) || !rules.some((name) => wanted.has(name) && !known.has(name))) continue;
      files.add(file);
      for (const name of names) wanted.add(name);
    }
    for (const file of files) for (const name of others.get(file)?.rules ?? []) known.add(name);
  }
  return { files: beside.filter((file) => files.has(file)), leftOut: isMissing() ? leftOut : null };
}

function mentionsOrWhyNot(file: RuleFile): Mentions | string {
  try {
    const found = mentionsIn(file);
    return found.rules.length > 0 ? found : `${file.name}: holds no rule`;
  } catch (error) {
    if (error instanceof ThroughlineError) return error.message;
    throw error;
  }
}

type Keys = Readonly<Record<string, unknown>>;

function isKeys(value: unknown): value is Keys {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Nothing is checked yet, so anything may stand anywhere. */
function mentionsIn(file: RuleFile): Mentions {
  const rules = readDocuments(file).flatMap(({ value }) =>
    isKeys(value) && ("detection" in value || "correlation" in value) ? [value] : [],
  );
  return {
    rules: rules.flatMap(({ name, id, title }) => texts([name ?? id ?? title, id])),
    names: rules.flatMap(namesIn),
  };
}

function namesIn({ correlation, "x-chain": chain }: Keys): string[] {
  const { rules, condition } = isKeys(correlation) ? correlation : {};
  const { absent, until } = isKeys(chain) ? chain : {};
  const absences = [absent].flat().map((one) => (isKeys(one) ? one.rule : null));
  const said = rules === undefined && typeof condition === "string" ? rulesNamed(condition) : [rules].flat();
  return texts([...said, ...absences, until]);
}

function texts(values: readonly unknown[]): string[] {
  return values.filter((value) => typeof value === "string");
}
