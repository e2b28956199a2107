/**
 * Whatever happens in whatever order, an approval never runs anything but the exact command that entitled people
 * approved, and that once. The log is judged afterwards by rules of its own, which share no code with the gate.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Identity } from "../../schemas/identity.ts";
import type { Judgement } from "../../services/gateway/gate.ts";
import type { Session } from "../../services/gateway/session.ts";
import { answerAs, command, createWorld, deletes, evidence, person, type World, workload } from "./world.ts";

const load = workload("load", "owners");
const extract = workload("extract", "owners");
const requesters = [load, extract];
const approvers: Identity[] = [
  person("olga", "owners"),
  person("otto", "owners"),
  person("ivan"),
  workload("bot", "owners"),
  load,
  extract,
  person("twin", "owners"),
];
const texts = ["DELETE a", "DELETE b"];
const runs = Number(process.env.APPROVAL_RUNS ?? 300);

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("again" as const), of: fc.nat(30) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("judge" as const),
      who: fc.nat(1),
      text: fc.nat(1),
      resolution: fc.nat(1),
      parameter: fc.nat(1),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("answer" as const),
      of: fc.nat(30),
      by: fc.oneof(fc.constant(0), fc.nat(approvers.length - 1)),
      yes: fc.nat(4).map((one) => one > 0),
      binding: fc.nat(9),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(1_000, 61_000, 601_000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("giveUp" as const), of: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("link" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Ran {
  readonly at: number;
  readonly exact: string;
  readonly approval: string;
}

interface Held {
  readonly exact: string;
  readonly judgement: Judgement;
}

/** What the test itself knows: which exact command each approval was asked for, and what ran. */
class Play {
  world = chained();
  sessions: Session[] = [];
  readonly held: Held[] = [];
  readonly exactOf = new Map<string, string>();
  readonly ran: Ran[] = [];
  linkedAt = Number.POSITIVE_INFINITY;

  async open(): Promise<void> {
    this.sessions = [];
    for (const one of requesters) this.sessions.push(await this.world.session(one));
  }

  async do(one: Step): Promise<void> {
    if (one.kind === "judge") this.#judge(one);
    else if (one.kind === "again") {
      const [who, text, resolution, parameter] = JSON.parse(this.#pick(one.of)?.exact ?? "[0,0,0,0]");
      this.#judge({ kind: "judge", who, text, resolution, parameter });
    } else if (one.kind === "answer") this.#answer(one);
    else if (one.kind === "pass") {
      this.world.pass(one.ms);
      this.world.gate.tick();
    } else if (one.kind === "giveUp") this.#pick(one.of)?.judgement.held?.giveUp();
    else if (one.kind === "link") this.#link();
    else {
      this.world = chained(this.world.log.kept, this.world.now());
      await this.open();
    }
  }

  #judge({ who, text, resolution, parameter }: Extract<Step, { kind: "judge" }>): void {
    const session = this.sessions[who] as Session;
    const one = command(session, texts[text] ?? "", deletes(`r${resolution}`), { parameters: [`p${parameter}`] });
    const exact = JSON.stringify([who, text, resolution, parameter]);
    const judgement = this.world.judge(session, one);
    if (judgement.held) {
      this.held.push({ exact, judgement });
      const before = this.exactOf.get(judgement.held.approval);
      assert.ok(before === undefined || before === exact, "one approval, one exact command");
      this.exactOf.set(judgement.held.approval, exact);
    }
    if (judgement.verdict.ruling !== "allow") return;
    const decided = this.world.log.of("command.decided").at(-1);
    this.ran.push({ at: this.world.log.kept.length, exact, approval: decided?.data.approval ?? "none" });
  }

  #answer({ of, by, yes, binding }: Extract<Step, { kind: "answer" }>): void {
    const approval = this.#pick(of)?.judgement.held?.approval ?? "none";
    const asked = this.world.log.of("approval.asked").find((one) => one.data.approval === approval);
    const claimed = binding === 0 ? "another" : (asked?.data.binding ?? "");
    answerAs(this.world, approval, claimed, approvers[by] as Identity, yes ? "approve" : "refuse");
  }

  #link(): void {
    const identities = [person("twin").key, load.key];
    this.world.api.append({
      type: "identity.linked",
      subject: {},
      data: { identities, strength: "strong", evidence: [] },
    });
    this.linkedAt = Math.min(this.linkedAt, this.world.log.kept.length);
  }

  #pick(of: number): Held | undefined {
    return this.held.length === 0 ? undefined : this.held[of % this.held.length];
  }

  /** Reads the log from its start, by the letter of the promise. */
  check(): void {
    const seen = new Set<string>();
    for (const { approval, exact, at } of this.ran) {
      assert.equal(this.exactOf.get(approval), exact, "it ran what was approved");
      assert.equal(seen.has(approval), false, "once");
      seen.add(approval);
      assert.ok(
        this.#entitled(approval, exact, at),
        "somebody entitled said yes, in time, and nobody entitled said no",
      );
    }
  }

  #entitled(approval: string, exact: string, at: number): boolean {
    const entries = this.world.log.kept.slice(0, at).map(({ entry }) => entry);
    const asked = entries.find((entry) => entry.type === "approval.asked" && entry.data.approval === approval);
    if (asked?.type !== "approval.asked") return false;
    const requester = requesters[(JSON.parse(exact) as number[])[0] ?? 0] as Identity;
    const humans = ["olga", "otto", ...(requester === load && at > this.linkedAt ? [] : ["twin"])];
    const may = new Set(humans.map((name) => person(name).key as string));
    const answers = entries.flatMap((entry) =>
      entry.type === "approval.answered" &&
      entry.data.approval === approval &&
      entry.data.binding === asked.data.binding &&
      entry.atMs <= asked.data.expiresAtMs &&
      may.has(entry.data.by)
        ? [entry.data.answer]
        : [],
    );
    const over = entries.some((entry) => entry.type === "approval.expired" && entry.data.approval === approval);
    return answers[0] === "approve" && !over;
  }
}

function chained(log?: World["log"]["kept"], nowMs?: number): World {
  const world = createWorld({ ...(log ? { log } : {}), ...(nowMs ? { nowMs } : {}) });
  const chains = { enforced: [evidence("chain", "e1")], excluded: [] };
  world.answer = () => ({ ruling: "hold", ...chains, sentence: "chain" });
  return world;
}

describe("an approval, under random acts of everybody", () => {
  it("runs exactly what was approved, once", async () => {
    let used = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const play = new Play();
        await play.open();
        for (const one of steps) await play.do(one);
        play.check();
        used += play.ran.length;
      }),
      { numRuns: runs },
    );
    assert.ok(used > runs / 10, `only ${used} approvals were used: this test has seen too little`);
  });
});
