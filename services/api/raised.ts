/**
 * Alerts as the log has them, what people said about them, and what would be one and has not been raised yet. Ids are
 * hashes, so once is once.
 */
import { createHash } from "node:crypto";
import type { Entry } from "../../infra/log/entry.ts";
import type { People } from "../../infra/policy/people.ts";
import type { AlertInfo } from "../../schemas/api.ts";
import type { ChainEvidence } from "../../schemas/chain.ts";
import type { Subject } from "../../schemas/event.ts";
import type { EventData } from "../../schemas/event-data.ts";

export type Alert = EventData["alert.raised"];

export interface DueAlert {
  readonly alert: Alert;
  readonly subject: Subject;
}

/** What somebody said about an alert. */
interface Said {
  readonly by: string;
  readonly reason: string;
  readonly atMs: number;
}

interface Known {
  readonly alert: Alert;
  readonly atMs: number;
  /** Identities whose doings it is about. */
  readonly concerns: readonly string[];
  acknowledged: Said | null;
  resolved: Said | null;
}

const keptMax = 5_000;

export class Raised {
  readonly #raised = new Set<string>();
  readonly #due = new Map<string, DueAlert>();
  /** By id, oldest first. */
  readonly #kept = new Map<string, Known>();
  /** Alert → identities, of those that were not raised yet or are kept. */
  readonly #concerns = new Map<string, readonly string[]>();

  fold(entry: Entry): void {
    if (entry.type === "alert.raised") this.#raise(entry);
    else if (entry.type === "alert.acknowledged") this.#say(entry, "acknowledged", "");
    else if (entry.type === "alert.resolved") this.#say(entry, "resolved", entry.data.reason ?? "");
    else this.#look(entry);
  }

  #raise({ data, atMs, subject }: Extract<Entry, { type: "alert.raised" }>): void {
    const { alert: id } = data;
    this.#raised.add(id);
    this.#due.delete(id);
    if (this.#kept.has(id)) return;
    const concerns = this.#concerns.get(id) ?? identitiesOf(subject);
    this.#kept.set(id, { alert: data, atMs, concerns, acknowledged: null, resolved: null });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size <= keptMax || oldest === undefined) return;
    this.#kept.delete(oldest);
    this.#concerns.delete(oldest);
  }

  /** The first to say it is who said it. */
  #say(
    entry: Extract<Entry, { type: "alert.acknowledged" | "alert.resolved" }>,
    what: "acknowledged" | "resolved",
    reason: string,
  ): void {
    const known = this.#kept.get(entry.data.alert);
    if (known) known[what] ??= { by: entry.data.by, reason, atMs: entry.atMs };
  }

  #look(entry: Entry): void {
    const alert = alertFor(entry);
    if (alert === null) return;
    this.#concerns.set(alert.alert, concernsOf(entry));
    if (!this.#raised.has(alert.alert) && !this.#due.has(alert.alert))
      this.#due.set(alert.alert, { alert, subject: entry.subject });
  }

  /** Raises what has to be raised now. What `raise` throws for, and what comes after it, stays due. */
  raiseDue(raise: (due: DueAlert) => void): void {
    for (const due of [...this.#due.values()]) {
      raise(due);
      this.#raised.add(due.alert.alert);
      this.#due.delete(due.alert.alert);
    }
  }

  /** Newest first, at most so many. */
  newest(max: number, people: People): AlertInfo[] {
    return [...this.#kept.values()]
      .slice(-max)
      .reverse()
      .map((known) => infoOf(known, people));
  }

  get(id: string, people: People): AlertInfo | null {
    const known = this.#kept.get(id);
    return known ? infoOf(known, people) : null;
  }

  /** Identities whose doings it is about: they must not be the ones who close it. */
  concerns(id: string): readonly string[] {
    return this.#kept.get(id)?.concerns ?? [];
  }
}

function infoOf({ alert, atMs, acknowledged, resolved }: Known, people: People): AlertInfo {
  const said = (one: Said | null) => one && { by: people.named(one.by), reason: one.reason, atMs: one.atMs };
  const state = resolved ? "resolved" : acknowledged ? "acknowledged" : "open";
  return { ...alert, atMs, state, acknowledged: said(acknowledged), resolved: said(resolved) };
}

function identitiesOf({ identity = "", onbehalfof = "" }: Subject): string[] {
  return [identity, ...onbehalfof.split(" ")].filter((one) => one !== "");
}

function concernsOf(entry: Entry): string[] {
  const chains: readonly ChainEvidence[] =
    entry.type === "chain.completed" ? [entry.data.chain] : entry.type === "approval.asked" ? entry.data.chains : [];
  const steps = chains.flatMap((chain) => chain.steps.map((step) => String(step.identity)));
  return [...new Set([...identitiesOf(entry.subject), ...steps])].filter((one) => one !== "");
}

function alertFor(entry: Entry): Alert | null {
  if (entry.type === "chain.completed") {
    const { chain, ruling } = entry.data;
    const stopped = chain.mode === "enforce" && (ruling === "hold" || ruling === "block");
    const kind = stopped ? "chain.held" : "chain.completed";
    // Found again as the approved command runs, or asked again after a change: the same story, told once.
    const once = entry.subject.command ? `${chain.rule} ${entry.subject.command}` : chain.id;
    return alertOf(kind, chain.id, chain.level, chain.title, chain.sentence, once);
  }
  if (entry.type === "approval.asked") {
    const { approval, sentence, chains, approvers } = entry.data;
    const level = chains[0]?.level ?? "medium";
    return alertOf("approval.asked", approval, level, `Approval asked of ${approvers.join(", ")}`, sentence);
  }
  if (entry.type === "target.bypassed") {
    const { sessions } = entry.data;
    const sentence = `${sessions.length} session(s) at ${entry.subject.target ?? "a target"} did not come through the gateway`;
    return alertOf("target.bypassed", entry.id, "high", "Target reached round the gateway", sentence);
  }
  if (entry.type === "pipeline.proposed") {
    const { proposal, sentence } = entry.data;
    return alertOf("pipeline.proposed", proposal, "low", "A pipeline is proposed", sentence);
  }
  if (entry.type === "pipeline.ran" && (entry.data.outcome === "missed" || entry.data.outcome === "unfinished")) {
    const { pipeline, startedMs, endedMs, why } = entry.data;
    const window = `${utc(startedMs)} to ${utc(endedMs)} UTC`;
    const sentence = `${pipeline} did not run from ${window}: ${why}.`;
    return alertOf(
      "pipeline.missed",
      pipeline,
      "medium",
      "A pipeline did not run",
      sentence,
      `${pipeline} ${startedMs}`,
    );
  }
  if (entry.type === "log.gap") {
    const sentence = `${entry.data.count} record(s) of ${entry.data.source} are missing`;
    return alertOf("log.gap", entry.id, "high", "Records are missing", sentence);
  }
  return null;
}

const utc = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace("T", " ");

/** @param once what must be the same for two to be one alert */
function alertOf(
  kind: Alert["kind"],
  about: string,
  level: string,
  title: string,
  sentence: string,
  once = about,
): Alert {
  const hash = createHash("sha256")
    .update(JSON.stringify([kind, once]))
    .digest("hex");
  return { alert: hash.slice(0, 32), kind, level, title, sentence, about };
}
