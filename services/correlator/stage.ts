/** Plays the lines of a scene as the records that a gateway would write: intents, decisions, finishes, transactions. */
import type { Entry } from "../../infra/log/entry.ts";
import { type Effect, operations, type TransactionControl } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import type { CommandDetails, CommittedEffect, EventData } from "../../schemas/event-data.ts";
import type { IdentityKey, TaskId } from "../../schemas/identity.ts";
import { engineVersion } from "./engine.ts";
import type { SceneLine } from "./scene.ts";
import { isLasting } from "./step.ts";

/** An arbitrary day; rules only measure differences. */
const startMs = Date.UTC(2026, 0, 1);
const source = "gateway/rehearsal";

export class Stage {
  readonly #fold: (entry: Entry) => void;
  /** By session: what its open transaction would make lasting. */
  readonly #open = new Map<string, CommittedEffect[]>();
  /** What was shown, by the test's own names for the values. */
  readonly #shown: { readonly event: string; readonly command: string; readonly values: readonly string[] }[] = [];
  #count = 0;

  constructor(fold: (entry: Entry) => void) {
    this.#fold = fold;
  }

  load(files: Record<string, string>): void {
    const data = { digest: "", engine: engineVersion, files };
    this.#fold({ type: "policy.changed", id: "policy", atMs: startMs, source, role: "gateway", subject: {}, data });
  }

  /** Allowed, and finished at once. */
  run(line: SceneLine): void {
    this.#introduce(line);
    if (this.#ofApproval(line)) return;
    const { facts, subject, atMs } = this.#command(line);
    const session = subject.session ?? "";
    const open = this.#open.get(session);
    this.#bring(line, subject);
    const kind = facts.transaction.kind;
    const decided = { ...facts, ruling: "allow" as const, approval: null, intent: null };
    this.#fold({ type: "command.decided", id: this.#id(), atMs, source, role: "gateway", subject, data: decided });
    this.#show(line, subject);
    const committed = open?.map(({ command }) => command) ?? [];
    const ended = kind === "commit" || kind === "rollback";
    const own = open === undefined && kind === "none" && line.keys.get("outcome") !== "error";
    this.#finish(line, subject, {
      undone: kind === "rollback" ? committed : [],
      lasted: kind === "commit" ? committed : own ? [subject.command ?? ""] : [],
    });
    if (kind === "begin") this.#open.set(session, []);
    else if (ended) this.#open.delete(session);
    else if (line.keys.get("outcome") !== "error")
      for (const effect of facts.effects) if (isLasting(effect)) open?.push({ command: subject.command ?? "", effect });
  }

  /** Only asked. */
  ask(line: SceneLine): void {
    this.#introduce(line);
    if (this.#ofApproval(line)) return;
    const { facts, subject, atMs } = this.#command(line);
    this.#bring(line, subject);
    const commits = facts.transaction.kind === "commit" ? (this.#open.get(subject.session ?? "") ?? []) : [];
    const data = { ...facts, commits };
    this.#fold({ type: "command.intended", id: this.#id(), atMs, source, role: "gateway", subject, data });
  }

  /** @returns whether the line was about an approval: it is asked for, or answered */
  #ofApproval({ account, operation, writes, keys, atMs }: SceneLine): boolean {
    if (operation !== "ask" && operation !== "approve" && operation !== "refuse") return false;
    const identity = keys.get("identity") ?? account;
    const [address, task] = [keys.get("address"), keys.get("task")];
    const subject: Subject = {
      identity,
      ...(operation === "ask" ? { account, session: keys.get("session") ?? account } : {}),
      ...(address === undefined ? {} : { clientaddress: `${address}:1` }),
      ...(task === undefined ? {} : { task }),
    };
    const about = { id: this.#id(), atMs: startMs + atMs, subject };
    const approval = { approval: writes[0] ?? "", binding: "" };
    if (operation === "ask") {
      const text = { bytes: 0, hash: "" };
      const rest = { approvers: [], humans: 1, excluded: [], escalate: [], expiresAtMs: 0, sentence: "", because: [] };
      const more = { chains: [], text, statements: [], resources: [] };
      const data = { ...approval, ...rest, ...more };
      this.#fold({ type: "approval.asked", role: "gateway", source, ...about, data });
    } else {
      const who = { by: identity, byName: identity, kind: "person" as const, groups: [], reason: "" };
      const data = { ...approval, answer: operation, ...who };
      this.#fold({ type: "approval.answered", role: "api", source: "api/rehearsal", ...about, data });
    }
    return true;
  }

  /** For whom somebody acts and to what a task belongs is said when a session opens. */
  #introduce({ account, keys, atMs }: SceneLine): void {
    const [behalf, parent] = [keys.get("onbehalfof"), keys.get("parent")];
    if (behalf === undefined && parent === undefined) return;
    const key = (keys.get("identity") ?? account) as IdentityKey;
    const identity = {
      key,
      kind: "person" as const,
      name: key,
      groups: [],
      onBehalfOf: (behalf?.split(",") ?? []) as IdentityKey[],
    };
    const id = (keys.get("task") ?? "") as TaskId;
    const task = { id, justification: "", ...(parent === undefined ? {} : { parent: parent as TaskId }) };
    const session = keys.get("session") ?? account;
    const data = { wire: "postgres" as const, tls: false, identity, task, keyId: "", application: "", expiresAtMs: 0 };
    const about = { id: this.#id(), atMs: startMs + atMs, source, role: "gateway" as const };
    this.#fold({ type: "session.opened", ...about, subject: { session, identity: key, account }, data });
  }

  #show({ keys, reads, writes, atMs }: SceneLine, subject: Subject): void {
    const values = keys.get("content")?.split(",") ?? [];
    if (values.length === 0 || reads.length === 0 || writes.length > 0) return;
    const event = this.#id();
    this.#shown.push({ event, command: subject.command ?? "", values });
    const about = { id: event, atMs: startMs + atMs, source, role: "gateway" as const, subject };
    this.#fold({ type: "content.shown", ...about, data: { epoch: 0, tags: ["pii"], hashes: "" } });
  }

  /** As if there were enough values under each name to tell. */
  #bring({ keys, writes, atMs }: SceneLine, subject: Subject): void {
    const values = keys.get("content")?.split(",") ?? [];
    if (values.length === 0 || writes.length === 0) return;
    const from = this.#shown
      .filter((shown) => shown.values.some((value) => values.includes(value)))
      .map(({ event, command }) => ({ event, command, shared: 100 }));
    if (from.length === 0) return;
    const about = { id: this.#id(), atMs: startMs + atMs, source, role: "gateway" as const, subject };
    this.#fold({ type: "content.brought", ...about, data: { from, values: 100, tags: ["pii"] } });
  }

  #finish(line: SceneLine, subject: Subject, proof: Pick<EventData["command.finished"], "undone" | "lasted">): void {
    const failed = line.keys.get("outcome") === "error";
    const rows = Number(line.keys.get("rows") ?? (failed ? 0 : 1));
    const outcome = failed ? ("error" as const) : ("ok" as const);
    const bytes = Number(line.keys.get("bytes") ?? 0);
    const data = { outcome, rows, bytes, tag: "", code: null, durationUs: 0, shown: rows > 0 || !failed, ...proof };
    const atMs = startMs + line.atMs;
    this.#fold({ type: "command.finished", id: this.#id(), atMs, source, role: "gateway", subject, data });
  }

  #command({ account, operation, reads, writes, keys, atMs }: SceneLine) {
    const target = [...reads, ...writes][0]?.split("/")[0];
    const identity = keys.get("identity") ?? account;
    const address = keys.get("address");
    const task = keys.get("task");
    const subject: Subject = {
      session: keys.get("session") ?? account,
      command: this.#id(),
      identity,
      account,
      ...(task === undefined ? {} : { task }),
      ...(target === undefined ? {} : { target }),
      ...(address === undefined ? {} : { clientaddress: `${address}:1` }),
    };
    const ends = writes.filter((name) => (keys.get("ends") ?? "").split(",").includes(name));
    const control = operation === "begin" || operation === "commit" || operation === "rollback";
    const transaction: TransactionControl = { kind: control ? operation : "none" };
    const destroys = keys.has("destroys") ? keys.get("destroys") === "true" : operation === "delete" || ends.length > 0;
    const done = operations.find((known) => known === operation);
    const effects: Effect[] = done === undefined ? [] : [{ operation: done, reads, writes, ends, destroys }];
    const opaque = keys.get("opaque") === "true" ? "written so in the test" : null;
    const facts = { kind: "query", effects, opaque, transaction, undoable: true, details: detailsOf(keys, operation) };
    return { facts, subject, atMs: startMs + atMs };
  }

  #id(): string {
    this.#count += 1;
    return `rehearsal-${this.#count}`;
  }
}

/** As the test says; else the operation's own word, so that a rule for a statement says no. */
function detailsOf(keys: SceneLine["keys"], operation: string): CommandDetails {
  const { role, trace } = Object.fromEntries(keys);
  return {
    statements: (keys.get("statement") ?? operation.toUpperCase()).replaceAll("_", " ").split(","),
    fingerprint: keys.get("fingerprint") ?? "",
    ...(role === undefined ? {} : { role }),
    ...(trace === undefined ? {} : { trace }),
  };
}
