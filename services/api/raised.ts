/** Alerts as the log has them, and what would be one and has not been raised yet. Ids are hashes, so once is once. */
import { createHash } from "node:crypto";
import type { Entry } from "../../infra/log/entry.ts";
import type { AlertInfo } from "../../schemas/api.ts";
import type { Subject } from "../../schemas/event.ts";
import type { EventData } from "../../schemas/event-data.ts";

export type Alert = EventData["alert.raised"];

export interface DueAlert {
  readonly alert: Alert;
  readonly subject: Subject;
}

const keptMax = 5_000;

export class Raised {
  readonly #raised = new Set<string>();
  readonly #due = new Map<string, DueAlert>();
  readonly #newest: AlertInfo[] = [];

  fold(entry: Entry): void {
    if (entry.type === "alert.raised") {
      this.#raised.add(entry.data.alert);
      this.#due.delete(entry.data.alert);
      this.#newest.unshift({ ...entry.data, atMs: entry.atMs });
      if (this.#newest.length > keptMax) this.#newest.pop();
      return;
    }
    const alert = alertFor(entry);
    if (alert && !this.#raised.has(alert.alert) && !this.#due.has(alert.alert))
      this.#due.set(alert.alert, { alert, subject: entry.subject });
  }

  /** Takes what has to be raised now. */
  takeDue(): readonly DueAlert[] {
    const due = [...this.#due.values()];
    for (const { alert } of due) this.#raised.add(alert.alert);
    this.#due.clear();
    return due;
  }

  /** Newest first. */
  all(): readonly AlertInfo[] {
    return this.#newest;
  }
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
  if (entry.type === "log.gap") {
    const sentence = `${entry.data.count} record(s) of ${entry.data.source} are missing`;
    return alertOf("log.gap", entry.id, "high", "Records are missing", sentence);
  }
  return null;
}

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
