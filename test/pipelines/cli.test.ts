/** `throughline pipelines`: the proposed text as a file that can be edited and accepted. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import { loadPipelines } from "../../infra/rules/pipeline.ts";
import type { PipelineInfo } from "../../schemas/pipeline-info.ts";
import { type Desk, openDesk, t0 } from "../cli/terminal.ts";
import { type Double, startDouble } from "../console/double.ts";
import { insidersNight } from "../console/story.ts";
import { report } from "./night.ts";

let api: Double;
let desk: Desk;
const asked: { readonly line: string; readonly body: unknown }[] = [];
const text = stringify([{ ...report, name: "proposed-one" }]);
const olga = { identity: "i|olga", name: "Olga" };
const pia = { identity: "i|pia", name: "Pia" };
const proposed: PipelineInfo = {
  ...{ proposal: "p1", pipeline: "proposed-one", rule: "read_transform_delete", text, sentence: "approved 3 times" },
  ...{
    times: 3,
    approvers: [olga],
    approvals: ["a"],
    proposedAtMs: t0,
    state: "proposed",
    accepted: null,
    declined: null,
  },
  ...{ withdrawn: null, nextMs: null, last: null, deviations: 0 },
};

before(async () => {
  api = await startDouble(insidersNight(t0));
  desk = await openDesk();
  const openBrowser = (url: string): void => {
    const back = new URL(new URL(url).searchParams.get("redirect_uri") ?? "");
    void fetch(`${back}?code=c1`);
  };
  desk.parts = { ...desk.parts, openBrowser };
  await desk.run("login", "--url", api.url);
  const inner = desk.parts.fetch;
  const answer = (line: string): unknown => {
    if (line.startsWith("GET")) return { pipelines: [proposed] };
    if (line.endsWith("/decline"))
      return { ...proposed, state: "declined", declined: { by: pia, reason: "no", atMs: t0 } };
    return { ...proposed, state: "accepted", accepted: { by: pia, reason: "known", atMs: t0 } };
  };
  const fake: typeof fetch = async (input, init) => {
    const { pathname } = new URL(String(input));
    if (!pathname.startsWith("/api/pipelines")) return inner(input, init);
    const line = `${init?.method ?? "GET"} ${pathname}`;
    asked.push({ line, body: typeof init?.body === "string" ? JSON.parse(init.body) : null });
    return Response.json(answer(line));
  };
  desk.parts = { ...desk.parts, fetch: fake };
});
after(async () => {
  await desk.close();
  await api.close();
});

test("lists what was proposed, how often it was approved and by whom", async () => {
  const { code, out } = await desk.run("pipelines");
  assert.equal(code, 0);
  assert.match(out, /p1\s+read_transform_delete\s+3 times by Olga/);
});

test("prints the proposal as a file that loads as it is", async () => {
  const { code, out } = await desk.run("pipelines", "propose");
  assert.equal(code, 0);
  assert.match(out, /^# approved 3 times\n# Nothing is exempt until somebody else accepts it/);
  assert.equal(loadPipelines(out, "out.yaml")[0]?.name, "proposed-one");
  const { code: other, err } = await desk.run("pipelines", "propose", "p9");
  assert.equal(other, 1);
  assert.match(err, /No pipeline was proposed as p9/);
});

test("accepts with a reason, as it is or as it was edited", async () => {
  assert.equal((await desk.run("pipelines", "accept", "p1")).code, 2);
  const file = join(desk.folder, "edited.yaml");
  await writeFile(file, text);
  const { code, out } = await desk.run("pipelines", "accept", "p1", "--reason", "known", "--file", file);
  assert.equal(code, 0);
  assert.match(out, /Runs of proposed-one are no chain of read_transform_delete from its next window on/);
  assert.deepEqual(asked.at(-1), { line: "POST /api/pipelines/p1", body: { reason: "known", text } });
});

test("withdraws what was accepted", async () => {
  const { code } = await desk.run("pipelines", "withdraw", "p1", "--reason", "gone");
  assert.equal(code, 0);
  assert.deepEqual(asked.at(-1), { line: "DELETE /api/pipelines/p1", body: { reason: "gone" } });
});

test("declines with a reason", async () => {
  const { code, out } = await desk.run("pipelines", "decline", "p1", "--reason", "not ours");
  assert.equal(code, 0);
  assert.match(out, /proposed-one is declined/);
  assert.deepEqual(asked.at(-1), { line: "POST /api/pipelines/p1/decline", body: { reason: "not ours" } });
});
