/**
 * The labelled corpus as every contestant reads it: lines of plain events, with the label of what must be noticed. Peers
 * see what a log collector would give them: the event, and tags that a catalog puts on the tables it names. They do
 * not see where data came from, who is whose actor, or which task belongs to which: that is what is compared.
 */
import { type Catalog, createCatalog, parseCatalog } from "../../../infra/catalog.ts";
import { touches } from "../../../infra/rules/field.ts";
import { loadRules } from "../../../infra/rules/load.ts";
import { Matcher } from "../../../infra/rules/matcher.ts";
import type { ChainRule, RuleSet } from "../../../infra/rules/rule-set.ts";
import { makeStep } from "../../../services/correlator/compact.ts";
import { readPlain } from "../../../services/correlator/plain.ts";
import { isLive, rematch, type Step } from "../../../services/correlator/step.ts";
import type { CorpusLabel } from "../../corpus/events.ts";

export interface Line {
  readonly text: string;
  readonly id: string;
  readonly atMs: number;
  readonly label: CorpusLabel | null;
}

/** What somebody says about an event: this rule has been completed here. `atMs`: when it was said, on the log's clock. */
export interface Notice {
  readonly rule: string;
  readonly event: string;
  readonly atMs: number;
}

export interface Peer {
  readonly name: string;
  /** Everything in order. @returns what it noticed */
  run(lines: readonly Line[]): Promise<readonly Notice[]>;
}

/** An event with the detections that it matches, and the values that a rule could group it by. */
export interface Matched {
  readonly step: Step;
  readonly atMs: number;
  readonly hits: readonly number[];
  readonly keys: readonly string[];
}

/** Reads lines and matches them, as a rule engine with a catalog look-up would. */
export class Reader {
  readonly rules: RuleSet;
  readonly #matcher: Matcher;
  readonly #catalog: Catalog;
  #at = 0;

  constructor(rulesText: string, catalogText: string) {
    this.rules = loadRules([{ name: "corpus.yml", text: rulesText }]);
    this.#matcher = new Matcher(this.rules.detections);
    this.#catalog = createCatalog(parseCatalog(catalogText, "catalog.yaml").entries);
  }

  /** Rules that say an order of steps: all that these peers can say. */
  get sequences(): readonly ChainRule[] {
    return this.rules.rules.filter(({ type }) => type === "temporal_ordered");
  }

  read({ text }: Line): Matched {
    this.#at += 2;
    const { step: parts, time } = readPlain(text, this.#at, this.#at);
    const step = makeStep(parts);
    for (const effect of step.effects)
      effect.tags = [...new Set(touches(effect.effect).flatMap((name) => this.#catalog.tagsOf(name)))];
    rematch(step, this.#matcher);
    return { step, atMs: time, hits: isLive(step) ? step.hits : [], keys: keysOf(step) };
  }
}

/** One equality key is all that such rules can have; they get every one that makes sense, and win if one of them finds it. */
function keysOf({ subject, effects }: Step): readonly string[] {
  const tables = effects.flatMap(({ effect }) => touches(effect).map((name) => `table ${name.split("#")[0]}`));
  return [`identity ${subject.identity}`, `task ${subject.task}`, ...new Set(tables)];
}
