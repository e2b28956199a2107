/** A pipeline is proposed when people approve the same chain again and again; it exempts nothing until another person accepts it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadPipelines } from "../../infra/rules/pipeline.ts";
import { limits } from "../../schemas/limits.ts";
import { createCorrelator } from "../../services/correlator/correlator.ts";
import type { Played } from "../correlator/play.ts";
import { clean, copy, extract, night, report, rule } from "./night.ts";

type Proposed = Extract<Played["outputs"][number], { type: "pipeline.proposed" }>["data"];
const zeroMs = Date.UTC(2026, 0, 1);

/** The same night, held and approved. */
function approveNight(played: Played, day: number, by = "olga", kind: "person" | "workload" = "person"): void {
  played.run(`${extract(`${day}d2h`)}\n${copy(`${day}d2h5m`)}`);
  const answer = played.ask(clean(`${day}d2h10m`));
  assert.equal(answer.ruling, "hold");
  const atMs = zeroMs + day * 86_400_000 + 2 * 3_600_000 + 660_000;
  const approval = `approval-${day}-${by}`;
  const empty = { approvers: [], humans: 1, excluded: [], escalate: [], expiresAtMs: 0, because: [], statements: [] };
  const asked = { ...empty, binding: "", sentence: "", resources: [], text: { bytes: 0, hash: "" } };
  const data = { ...asked, approval, chains: answer.enforced };
  played.fold({
    type: "approval.asked",
    id: `${approval}-asked`,
    atMs,
    source: "gateway/rehearsal",
    role: "gateway",
    subject: {},
    data,
  });
  const said = {
    approval,
    binding: "",
    answer: "approve" as const,
    by,
    byName: by,
    kind,
    groups: [],
    reason: "as usual",
  };
  const about = { id: `${approval}-answered`, atMs, source: "api/rehearsal", role: "api" as const };
  played.fold({ type: "approval.answered", ...about, subject: { identity: by }, data: said });
}

function proposalsOf({ outputs }: Played): Proposed[] {
  return outputs.flatMap((output) => (output.type === "pipeline.proposed" ? [output.data] : []));
}

function accept(played: Played, { pipeline, rule: of, text, proposal }: Proposed, by: string, day: number): void {
  const atMs = zeroMs + day * 86_400_000;
  const data = { pipeline, rule: of, text, proposal, by, byName: by, reason: "it is the nightly report" };
  const about = { id: `accepted-${day}-${by}`, atMs, source: "api/rehearsal", role: "api" as const };
  played.fold({ type: "pipeline.accepted", ...about, subject: { identity: by }, data });
}

function rulingOf(played: Played, day: number): string {
  played.run(`${extract(`${day}d2h`)}\n${copy(`${day}d2h5m`)}`);
  return played.ask(clean(`${day}d2h10m`)).ruling;
}

function proposed(): { played: Played; proposal: Proposed } {
  const played = night([], rule(""));
  for (const day of [0, 2, 4]) approveNight(played, day);
  const [proposal] = proposalsOf(played);
  assert.ok(proposal);
  return { played, proposal };
}

describe("a pipeline", () => {
  it("is proposed after the same chain was approved by people three times, as a text that loads", () => {
    const { played, proposal } = proposed();
    assert.equal(proposalsOf(played).length, 1);
    const [one] = loadPipelines(proposal.text, "proposed.yaml");
    assert.deepEqual(
      one?.text.steps.map(({ account, fingerprint, writes }) => [account, fingerprint, writes]),
      report.steps.map(({ account, fingerprint, writes }) => [account, fingerprint, writes ?? []]),
    );
    assert.deepEqual([proposal.times, proposal.approvers], [3, ["olga"]]);
  });

  it("is not proposed for what machines approve, or for chains that differ", () => {
    const machines = night([], rule(""));
    for (const day of [0, 2, 4]) approveNight(machines, day, "bot", "workload");
    assert.deepEqual(proposalsOf(machines), []);
    const { run, ask, ...rest } = night([], rule(""));
    const others = { ...rest, ask, run: (scene: string) => run(scene.replace("bbbb", `b${scene.length}`)) };
    for (const day of [0, 2, 10]) approveNight(others, day);
    assert.deepEqual(proposalsOf(others), []);
  });

  it("exempts nothing before it is accepted, and from the next window on when it is", () => {
    const { played, proposal } = proposed();
    assert.equal(rulingOf(played, 6), "hold");
    accept(played, proposal, "pia", 7);
    assert.equal(rulingOf(played, 8), "allow");
    const data = { pipeline: proposal.pipeline, by: "pia", reason: "no longer" };
    const about = { id: "withdrawn", atMs: zeroMs + 9 * 86_400_000, source: "api/rehearsal", role: "api" as const };
    played.fold({ type: "pipeline.withdrawn", ...about, subject: {}, data });
    assert.equal(rulingOf(played, 10), "hold");
  });

  it("is not accepted by who runs it, nor by who is linked to one who does", () => {
    const { played, proposal } = proposed();
    accept(played, proposal, "svc-clean", 6);
    assert.equal(rulingOf(played, 6), "hold");
    const data = { identities: ["mallory", "svc-report"], strength: "strong" as const, evidence: [] };
    const about = { id: "linked", atMs: zeroMs + 7 * 86_400_000, source: "api/rehearsal", role: "api" as const };
    played.fold({ type: "identity.linked", ...about, subject: {}, data });
    accept(played, proposal, "mallory", 7);
    assert.equal(rulingOf(played, 8), "hold");
  });

  it("is not accepted in place of one that the files declare, nor for another rule", () => {
    const { played, proposal } = proposed();
    const other = { ...proposal, rule: "another" };
    accept(played, other, "pia", 6);
    assert.equal(rulingOf(played, 6), "hold");
    const declared = night([{ ...report, name: proposal.pipeline, steps: report.steps.slice(0, 2) }], rule(""));
    accept(declared, proposal, "pia", 0);
    assert.equal(rulingOf(declared, 1), "hold");
  });

  it("goes on from a snapshot in the middle of a run", () => {
    const { played, proposal } = proposed();
    accept(played, proposal, "pia", 7);
    played.run(`${extract("8d2h")}\n${copy("8d2h5m")}`);
    const said: unknown[] = [];
    const next = createCorrelator({ limits, emit: (output) => said.push(output.data) });
    next.restore([...played.correlator.keep()]);
    next.goLive();
    const before = played.entries.length;
    const there = played.ask(clean("8d2h10m"));
    const intent = played.entries.slice(before).find(({ type }) => type === "command.intended");
    assert.ok(intent);
    next.fold(intent);
    assert.equal(there.ruling, "allow");
    assert.equal((said[0] as { ruling: string }).ruling, "allow");
  });
});
