/**
 * Plays a tenant's log through the real correlator, as a gateway would: whatever the rules say must ask is asked first.
 * A chain's last step that is held is refused; everything else that is held is approved (of a chain: by somebody who was
 * taken in), so that what follows is played too. Every record is folded, the correlator's own too.
 */
import { createCatalog, parseCatalog } from "../../infra/catalog.ts";
import type { Entry } from "../../infra/log/entry.ts";
import { gateSteps, type MustAsk } from "../../infra/rules/gate.ts";
import type { Subject } from "../../schemas/event.ts";
import type { CommandFacts, CommittedEffect, EventData } from "../../schemas/event-data.ts";
import type { Identity, Task } from "../../schemas/identity.ts";
import { limits } from "../../schemas/limits.ts";
import type { Ruling } from "../../schemas/verdict.ts";
import { type Correlator, createCorrelator } from "../../services/correlator/correlator.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import type { Output } from "../../services/correlator/outputs.ts";
import { isLasting } from "../../services/correlator/step.ts";
import { Tags } from "../../services/gateway/tags.ts";
import type { Act, CommandAct } from "./act.ts";
import { catalogText, startMs } from "./company.ts";
import { Contents } from "./contents.ts";

export interface Asked {
  /** Null = it did not have to ask. */
  readonly ruling: Ruling | null;
  /** Rules that held it. */
  readonly rules: readonly string[];
  readonly sentence: string;
}

const notAsked: Asked = { ruling: null, rules: [], sentence: "" };
const gateway = { source: "gateway/corpus", role: "gateway" } as const;

/** What a session has done since BEGIN. */
interface Open {
  readonly commits: CommittedEffect[];
  readonly commands: string[];
}

export class Player {
  readonly #correlator: Correlator;
  readonly #tags: Tags;
  readonly #mustAsk: MustAsk;
  readonly #open = new Map<string, Open>();
  readonly #content: Contents;
  #answer: EventData["command.answered"] | null = null;
  #count = 0;
  #atMs = startMs;
  #records = 0;

  /** @param rules files by name, `rules/….yml` */
  constructor(rules: Readonly<Record<string, string>>) {
    this.#correlator = createCorrelator({ limits, emit: (output) => this.#said(output) });
    this.#correlator.goLive();
    const files = { ...rules, "catalog.yaml": catalogText };
    this.#fold({ type: "policy.changed", subject: {}, data: { digest: "", engine: engineVersion, files } });
    const { rules: loaded, problem } = this.#correlator;
    if (loaded === null || problem !== null) throw new Error(problem ?? "no rules");
    this.#mustAsk = gateSteps(loaded);
    const isAsked = loaded.detections.some(({ fields }) => [...fields].some((field) => field.startsWith("content")));
    this.#content = new Contents(
      (entry) => this.#fold(entry),
      () => this.#atMs,
      isAsked,
    );
    this.#tags = new Tags(createCatalog(parseCatalog(catalogText, "catalog.yaml").entries));
  }

  /** @returns what the correlator said of a command; null for anything else */
  play(act: Act): Asked | null {
    this.#atMs = act.atMs;
    if (act.kind === "command") return this.#command(act);
    if (act.kind === "link")
      this.#fold({
        type: "identity.linked",
        subject: {},
        data: { identities: [...act.identities], strength: act.strength, evidence: [`device of ${act.identities[0]}`] },
      });
    else if (act.kind === "untag")
      this.#fold({
        type: "resource.untagged",
        subject: {},
        data: { resource: act.resource, tags: [...act.tags], by: act.by, reason: "aggregated" },
      });
    else this.#opened(act);
    return null;
  }

  #opened({ subject, task, parent }: Act & { kind: "task" }): void {
    const about = { kind: "person", name: "", groups: [], onBehalfOf: subject.onbehalfof?.split(" ") ?? [] };
    const data = {
      wire: "postgres" as const,
      identity: { key: subject.identity, ...about } as unknown as Identity,
      task: { id: task, justification: "", ...(parent === "" ? {} : { parent }) } as Task,
      keyId: "",
      application: "",
      tls: true,
      expiresAtMs: 0,
    };
    this.#fold({ type: "session.opened", subject, data });
  }

  #command(act: CommandAct): Asked {
    const facts = factsOf(act);
    this.#count += 1;
    const subject: Subject = { ...act.subject, command: `c${this.#count}` };
    const session = act.subject.session ?? "";
    const open = this.#open.get(session);
    const commits = facts.transaction.kind === "commit" ? (open?.commits ?? []) : [];
    const content = this.#content.of(act, subject, facts);
    content.bring();
    const asked = this.#ask(facts, subject, commits);
    const isHeld = asked.ruling !== null && asked.ruling !== "allow";
    const refused = isHeld && act.label?.last === true && act.label.plan.decoy === null;
    const ruling: Ruling = refused ? "block" : "allow";
    const intent = asked.ruling === null ? null : `i${this.#count}`;
    this.#fold({ type: "command.decided", subject, data: { ...facts, ruling, approval: isHeld ? "a" : null, intent } });
    if (!refused) content.show();
    if (!refused) this.#finish(act, subject, session, open);
    return asked;
  }

  #ask(facts: CommandFacts, subject: Subject, commits: readonly CommittedEffect[]): Asked {
    if (!this.#mustAsk(facts, subject, this.#tags.of, commits)) return notAsked;
    this.#answer = null;
    this.#fold({ type: "command.intended", subject, data: { ...facts, commits: [...commits] } });
    const answer = this.#answer as EventData["command.answered"] | null;
    if (answer === null) throw new Error("an intent was not answered");
    const rules = [...new Set(answer.enforced.map(({ rule }) => rule))];
    return { ruling: answer.ruling, rules, sentence: answer.sentence };
  }

  #finish(act: CommandAct, subject: Subject, session: string, open: Open | undefined): void {
    const { facts } = act.spoken;
    const { kind } = facts.transaction;
    const command = subject.command ?? "";
    const isEnd = kind === "commit" || kind === "rollback";
    const lasted = kind === "commit" ? (open?.commands ?? []) : open === undefined && !act.failed ? [command] : [];
    const data = {
      outcome: act.failed ? ("error" as const) : ("ok" as const),
      rows: act.failed ? 0 : act.rows,
      bytes: 0,
      tag: "",
      code: null,
      durationUs: 0,
      shown: !act.failed,
      undone: kind === "rollback" ? (open?.commands ?? []) : [],
      lasted,
    };
    this.#fold({ type: "command.finished", subject, data });
    if (kind === "begin") this.#open.set(session, { commits: [], commands: [] });
    else if (isEnd) this.#open.delete(session);
    else if (open !== undefined && !act.failed) {
      open.commands.push(command);
      for (const effect of facts.effects) if (isLasting(effect)) open.commits.push({ command, effect });
    }
  }

  #fold(entry: Pick<Entry, "type" | "subject" | "data">): void {
    this.#records += 1;
    const id = `${entry.type[8]}${this.#records}`;
    const whole = { ...entry, ...gateway, id, atMs: this.#atMs } as Entry;
    if (whole.type === "content.shown") this.#content.fold(whole);
    this.#correlator.fold(whole);
  }

  #said(output: Output): void {
    if (output.type === "command.answered") this.#answer = output.data;
    this.#records += 1;
    const { type, id, subject, data } = output;
    const entry = {
      type,
      id,
      subject,
      data,
      atMs: this.#atMs,
      source: "correlator/corpus",
      role: "correlator",
    } as Entry;
    if (entry.type === "resource.tagged") this.#tags.fold(entry);
    this.#correlator.fold(entry);
  }
}

/** The role in force is the account's, and what the client claims stands beside what was read. */
function factsOf({ spoken: { facts }, subject, trace }: CommandAct): CommandFacts {
  const { statements = [], fingerprint = "" } = facts.details ?? {};
  const details = { statements, fingerprint, role: subject.account ?? "", ...(trace === null ? {} : { trace }) };
  return { ...facts, details };
}
