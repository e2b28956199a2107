/** The api process, and the people behind it: they issue Grants, answer approvals, link identities, place and lift blocks. */
import type { Entry } from "../../infra/log/entry.ts";
import type { SharedAppender } from "../../infra/log/shared-appender.ts";
import type { GrantId, Identity, TaskId } from "../../schemas/identity.ts";
import type { Dice } from "../correlator/dice.ts";
import type { Machine } from "./loop.ts";
import type { Act, Job } from "./plan.ts";
import { keysOf, Run, type Stage } from "./process.ts";
import { Disk } from "./spool.ts";

/** The oracle compares identities by name, so the key is the name. */
export function identityOf(name: string, ...groups: string[]): Identity {
  return { key: name as Identity["key"], kind: "person", name, groups, onBehalfOf: [] };
}

export class People {
  readonly machine: Machine;
  readonly disk = new Disk();
  readonly #stage: Stage;
  readonly #sources: readonly string[];
  readonly #dice: Dice;
  #appender: SharedAppender | null = null;
  #count = 0;
  #blocks: string[] = [];

  constructor(stage: Stage, machine: Machine, sources: readonly string[]) {
    this.#stage = stage;
    this.machine = machine;
    this.#sources = sources;
    this.#dice = stage.network.dice("people");
  }

  start(): void {
    this.machine.start();
    this.machine.go(async () => {
      const run = new Run(this.#stage, this.machine, this.disk);
      const appender = run.shared("api");
      const answered = new Set<string>();
      const known = new Map(this.#sources.map((source) => [source, keysOf(source).source]));
      const following = run.follow(known, (entries) => {
        for (const entry of entries) {
          if (entry.type === "approval.answered") answered.add(entry.data.approval);
          if (entry.type === "approval.asked") this.#answer(entry, appender, answered);
        }
      });
      await run.shipped();
      await following.caughtUp();
      appender.append({ type: "service.started", subject: {}, data: { role: "api", version: "", positions: {} } });
      this.#appender = appender;
    });
  }

  crash(): void {
    this.machine.stop();
    this.disk.crash(this.#stage.network.dice("crashes of api"));
    this.#appender = null;
  }

  #answer(
    { data, subject }: Extract<Entry, { type: "approval.asked" }>,
    appender: SharedAppender,
    answered: ReadonlySet<string>,
  ): void {
    const dice = this.#dice;
    const { approval, binding } = data;
    const say = (identity: Identity, afterMs: number, answer: "approve" | "refuse") =>
      this.machine.after(afterMs, () => {
        if (answered.has(approval) && answer === "approve") return;
        const { key: by, name: byName, kind, groups } = identity;
        const about = { approval, binding, answer, by, byName, kind, groups: [...groups], reason: "looked" };
        appender.append({ type: "approval.answered", subject: { identity: by }, data: about });
      });
    if (dice(6) === 0) say(identityOf(subject.identity ?? "", "owners", "x"), 50, "approve");
    if (dice(8) > 0) say(identityOf("olga", "owners", "x"), 100 + dice(3_000), dice(7) === 0 ? "refuse" : "approve");
    if (dice(3) === 0) say(identityOf("otto", "owners", "x"), 100 + dice(6_000), "approve");
  }

  /** @returns the Grant, once the shared log has it; null while the api is down */
  issue({ identity, account, task }: Job): { readonly grant: GrantId; readonly known: Promise<void> } | null {
    const appender = this.#appender;
    if (appender === null) return null;
    this.#count += 1;
    const grant = `grant${this.#count}` as GrantId;
    const issuedAtMs = this.machine.now();
    // Long: what is looked at here is not how Grants end.
    const expiresAtMs = issuedAtMs + 12 * 3_600_000;
    const about = { identity: identityOf(identity), account, target: "t", issuedAtMs, expiresAtMs };
    const data = { grant, ...about, task: { id: task as TaskId, justification: "j" } };
    const ticket = appender.append({ type: "grant.issued", subject: {}, data });
    return { grant, known: appender.synced(ticket) };
  }

  do(act: Exclude<Act, Job>): void {
    const appender = this.#appender;
    if (appender === null) return;
    if (act.kind === "link") {
      const data = { identities: [...act.identities].sort(), strength: "strong" as const, evidence: [] };
      appender.append({ type: "identity.linked", subject: {}, data });
    } else if (act.kind === "block") {
      this.#count += 1;
      const block = `block${this.#count}`;
      this.#blocks.push(block);
      const expiresAtMs = act.forMs === null ? null : this.machine.now() + act.forMs;
      const about = { scope: { account: act.account }, by: "olga", reason: "looked odd", approvers: [] };
      appender.append({ type: "block.placed", subject: {}, data: { block, ...about, expiresAtMs } });
    } else {
      const block = this.#blocks.shift();
      if (block !== undefined)
        appender.append({ type: "block.lifted", subject: {}, data: { block, by: "olga", reason: "fine" } });
    }
  }
}
