/** Proposals over the api: read by investigators, accepted by an administrator who has no part in them. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { stringify } from "yaml";
import type { PipelineText } from "../../schemas/pipeline.ts";
import { type House, openHouse } from "../api/house.ts";
import { report } from "./night.ts";

describe("proposed pipelines", () => {
  let house: House;
  const key = (name: string) => `${house.provider.issuer}|${name}`;
  before(async () => {
    house = await openHouse({ pipelines: stringify([report]) });
  });
  after(() => house.close());

  /** @returns the path of a proposal that the correlator makes now */
  function propose(proposal: string, identity: string, approvers: readonly string[]): string {
    const steps = report.steps.map((step) => ({ ...step, identity }));
    const pipeline: PipelineText = { ...report, name: `proposed-${proposal}`, steps };
    house.log.say("correlator/c", {
      type: "pipeline.proposed",
      subject: {},
      data: {
        ...{ proposal, pipeline: pipeline.name, rule: "read_transform_delete", text: stringify([pipeline]), times: 3 },
        ...{ approvals: ["a"], approvers: [...approvers], sentence: "approved three times" },
      },
    });
    return `/api/pipelines/${proposal}`;
  }

  it("are listed, accepted with a reason, once, and withdrawn", async () => {
    const path = propose("one", key("svc"), [key("olga")]);
    const [ivan, pia] = [await house.as("ivan"), await house.as("pia")];
    const listed = (await ivan("GET /api/pipelines")).body.pipelines as { proposal: string; state: string }[];
    assert.deepEqual(
      listed.map(({ proposal, state }) => [proposal, state]),
      [
        ["declared:nightly-report", "declared"],
        ["one", "proposed"],
      ],
    );
    assert.equal((await ivan(`POST ${path}`, { reason: "fine" })).status, 403);
    assert.equal((await pia(`POST ${path}`, {})).status, 400);
    const { status, body } = await pia(`POST ${path}`, { reason: "the nightly report" });
    assert.equal(status, 200);
    assert.deepEqual(
      [body.state, (body.accepted as { by: { identity: string } }).by.identity],
      ["accepted", key("pia")],
    );
    const said = house.types("pipeline.accepted").at(-1)?.data;
    assert.deepEqual([said?.pipeline, said?.rule, said?.by], ["proposed-one", "read_transform_delete", key("pia")]);
    assert.equal((await pia(`POST ${path}`, { reason: "again" })).status, 409);
    assert.equal((await pia(`DELETE ${path}`, { reason: "no more" })).body.state, "withdrawn");
    assert.equal((await pia(`DELETE ${path}`, { reason: "again" })).status, 409);
    assert.equal((await pia("POST /api/pipelines/none", { reason: "x" })).status, 404);
  });

  it("are not accepted by who runs them, even with his name taken out of the text", async () => {
    const pia = await house.as("pia");
    const path = propose("own", key("pia"), [key("olga")]);
    assert.equal((await pia(`POST ${path}`, { reason: "mine" })).status, 403);
    const text = stringify([{ ...report, name: "proposed-own" }]);
    assert.equal((await pia(`POST ${path}`, { reason: "mine", text })).status, 403);
  });

  it("are not accepted by who alone approved the chains", async () => {
    const pia = await house.as("pia");
    const path = propose("alone", key("svc"), [key("pia")]);
    const { status, text } = await pia(`POST ${path}`, { reason: "I know it" });
    assert.equal(status, 403);
    assert.match(text, /You alone approved/);
    const both = propose("both", key("svc"), [key("pia"), key("olga")]);
    assert.equal((await pia(`POST ${both}`, { reason: "Olga knows it too" })).status, 200);
  });

  it("are declined with a reason, and not accepted any more", async () => {
    const path = propose("declined", key("svc"), [key("olga")]);
    const [ivan, pia] = [await house.as("ivan"), await house.as("pia")];
    assert.equal((await ivan(`POST ${path}/decline`, { reason: "x" })).status, 403);
    assert.equal((await pia(`POST ${path}/decline`, {})).status, 400);
    const { body } = await pia(`POST ${path}/decline`, { reason: "this is no pipeline" });
    assert.equal(body.state, "declined");
    assert.equal((await pia(`POST ${path}/decline`, { reason: "again" })).status, 409);
    assert.equal((await pia(`POST ${path}`, { reason: "all the same" })).status, 409);
    const said = house.types("pipeline.declined").at(-1)?.data;
    assert.deepEqual([said?.pipeline, said?.reason], ["proposed-declined", "this is no pipeline"]);
  });

  it("say who may not accept them and why, and are an alert", async () => {
    const path = propose("mine", key("pia"), [key("olga")]);
    const [ivan, pia] = [await house.as("ivan"), await house.as("pia")];
    const own = (await pia(`GET ${path}`)).body;
    assert.deepEqual([own.mayAccept, own.whyNot], [false, "This pipeline runs as you; somebody else must accept it."]);
    assert.equal((await ivan(`GET ${path}`)).body.mayAccept, false);
    const alerts = (await ivan("GET /api/alerts")).body.alerts as { kind: string; about: string }[];
    assert.ok(alerts.some(({ kind, about }) => kind === "pipeline.proposed" && about === "mine"));
    assert.equal((await ivan("GET /api/pipelines/none")).status, 404);
  });

  it("show what came of their windows and which holds name a deviation; a window without a run is an alert", async () => {
    const ivan = await house.as("ivan");
    const startedMs = Date.UTC(2026, 0, 1, 2);
    const about = { pipeline: "nightly-report", commands: 3 };
    const ran = { ...about, startedMs, endedMs: startedMs + 7_200_000, outcome: "ran" as const, runs: 1, why: "" };
    const missed = {
      ...ran,
      startedMs: startedMs + 86_400_000,
      endedMs: startedMs + 93_600_000,
      outcome: "missed" as const,
      runs: 0,
      why: "nothing",
    };
    for (const data of [ran, missed]) house.log.say("correlator/c", { type: "pipeline.ran", subject: {}, data });
    const chain = {
      ...{
        id: "c1",
        rule: "chain",
        title: "A chain",
        level: "high",
        mode: "enforce" as const,
        action: "hold" as const,
      },
      ...{ strength: "strong" as const, steps: [], links: [], sentence: "A chain: x." },
      deviations: [{ pipeline: "nightly-report", why: "step 2 ran statement dddd" }],
    };
    const data = { rule: "chain", chain, ruling: "hold" as const };
    for (let twice = 0; twice < 2; twice += 1)
      house.log.say("correlator/c", { type: "chain.completed", subject: { command: "k" }, data });
    const { body } = await ivan("GET /api/pipelines/nightly-report");
    assert.equal(body.proposal, "declared:nightly-report");
    assert.deepEqual(
      (body.windows as { outcome: string }[]).map(({ outcome }) => outcome),
      ["missed", "ran"],
    );
    assert.deepEqual(
      (body.holds as { chain: string; why: string }[]).map((hold) => [hold.chain, hold.why]),
      [["c1", "step 2 ran statement dddd"]],
    );
    assert.equal((body.declaration as { owner: string }).owner, "data-team");
    assert.equal(new Date(Number(body.nextMs)).getUTCHours(), 2);
    const alerts = (await ivan("GET /api/alerts")).body.alerts as { kind: string; sentence: string }[];
    const told = alerts.filter(({ kind }) => kind === "pipeline.missed").map(({ sentence }) => sentence);
    assert.deepEqual(told, ["nightly-report did not run from 2026-01-02 02:00 to 2026-01-02 04:00 UTC: nothing."]);
    const reads = house.types("audit.read").filter(({ data }) => data.what === "pipeline");
    assert.ok(reads.length > 0);
  });

  it("are accepted as somebody changed them, if that is a pipeline of the same name", async () => {
    const pia = await house.as("pia");
    const path = propose("edited", key("svc"), [key("olga")]);
    assert.equal((await pia(`POST ${path}`, { reason: "x", text: "- name: other" })).status, 400);
    assert.equal((await pia(`POST ${path}`, { reason: "x", text: stringify([report]) })).status, 400);
    const text = stringify([{ ...report, name: "proposed-edited", longest: "5m" }]);
    assert.equal((await pia(`POST ${path}`, { reason: "shorter", text })).status, 200);
    assert.equal(house.types("pipeline.accepted").at(-1)?.data.text, text);
  });
});
