/**
 * What rules would have held, had they been in force: the recorded log folded again under them (DETECTION §2.13). What
 * correlators said at the time is left out and said anew; what people and gateways did stays as it was, so a command that
 * would have been held counts as the step that it became. Writes nothing.
 */
import type { Entry } from "../../infra/log/entry.ts";
import { loadRules } from "../../infra/rules/load.ts";
import { formsOf, type RuleSet } from "../../infra/rules/rule-set.ts";
import type { ChainEvidence } from "../../schemas/chain.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import { createCorrelator } from "./correlator.ts";
import { engineVersion } from "./engine.ts";
import type { Output } from "./outputs.ts";

/** A chain that was completed: the command that did, and what the rule would have done about it. */
export interface Completed {
  readonly atMs: number;
  readonly event: string;
  readonly command: string;
  readonly identity: string;
  readonly account: string;
  readonly chain: ChainEvidence;
}

/** What correlators say, which other rules would say otherwise; and the rules of the time. */
function isReplaced({ type, role }: Entry): boolean {
  return type === "policy.changed" || type === "policy.part" || (role === "correlator" && !kept.has(type));
}
const kept: ReadonlySet<string> = new Set(["clock.ticked", "service.started", "service.stopped"]);

export class Retrospect {
  readonly #correlator: ReturnType<typeof createCorrelator>;
  readonly #tell: (completed: Completed) => void;
  readonly #told = new Set<string>();
  #atMs = 0;
  #asked: Entry | null = null;

  /**
   * @param files as `policy.changed` carries them: `catalog.yaml`, `rules/<name>`
   * @param tell hears of each chain of each command once, in log order
   * @param only the name of one rule, which then acts as if it were enforced; null = all, as they are written
   * @throws ThroughlineError `rule.invalid` when the rules cannot be taken over
   */
  constructor(
    files: Readonly<Record<string, string>>,
    tell: (completed: Completed) => void,
    only: string | null = null,
  ) {
    this.#tell = tell;
    const load = (texts: Parameters<typeof loadRules>[0]) =>
      only === null ? loadRules(texts) : enforcedAlone(loadRules(texts), only);
    this.#correlator = createCorrelator({ limits, load, emit: (output) => this.#said(output) });
    this.#correlator.goLive();
    const data = { digest: "", engine: engineVersion, files };
    const about = { id: "replay/policy", atMs: 0, source: "gateway/replay", role: "gateway", subject: {} } as const;
    this.#correlator.fold({ ...about, type: "policy.changed", data });
    const { problem, rules } = this.#correlator;
    if (problem !== null) throw new ThroughlineError("rule.invalid", problem);
    if (rules === null || rules.rules.length === 0)
      throw new ThroughlineError("rule.invalid", "these files hold no rule");
  }

  /** In log order. */
  fold(entry: Entry): void {
    if (isReplaced(entry)) return;
    this.#atMs = Math.max(this.#atMs, entry.atMs);
    this.#asked = entry;
    this.#correlator.fold(entry);
  }

  #said(output: Output): void {
    const asked = this.#asked;
    if (output.type === "command.answered" && asked !== null)
      for (const chain of [...output.data.enforced, ...output.data.observed]) this.#completed(asked, chain);
    if (output.type === "chain.completed" && asked !== null)
      this.#completed(completing(output, asked), output.data.chain);
    const said = { ...output, atMs: this.#atMs, source: "correlator/replay", role: "correlator" };
    this.#correlator.fold(said as Entry);
  }

  #completed({ id, subject }: Pick<Entry, "id" | "subject">, chain: ChainEvidence): void {
    const command = subject.command ?? chain.steps.at(-1)?.command ?? "";
    const key = `${chain.rule} ${command}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    const { identity = "", account = "" } = subject;
    this.#tell({ atMs: this.#atMs, event: id, command, identity, account, chain });
  }
}

/** One rule alone, which may be a step of no other; what it is made from is still there. */
function enforcedAlone(all: RuleSet, name: string): RuleSet {
  const rule = all.rules.find((one) => one.name === name);
  if (rule === undefined) throw new ThroughlineError("rule.invalid", `no rule is called ${name}`);
  const mode = "enforce" as const;
  const alone = { ...rule, mode, index: 0, variants: rule.variants.map((form) => ({ ...form, mode, index: 0 })) };
  return { ...all, rules: [alone], forms: [...all.forms, ...formsOf(alone)] };
}

/** The event that completed a chain; when a command finishes, others after it may be what did. */
function completing(
  { subject, data }: Extract<Output, { type: "chain.completed" }>,
  asked: Entry,
): Pick<Entry, "id" | "subject"> {
  if (asked.type !== "command.finished") return asked;
  const step = data.chain.steps.findLast(({ command }) => command === subject.command);
  return { id: step?.event ?? asked.id, subject };
}
