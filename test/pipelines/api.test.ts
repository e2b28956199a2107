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
    house = await openHouse();
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
      [["one", "proposed"]],
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
