/** What came of a held command, told once and rightly: voided answers, chains found twice, rules that only observe. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ChainInfo, TimelineRow } from "../../schemas/api.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { ask, chainOf, correlator, gateway, subjectOf } from "../store/night.ts";
import { type House, openHouse } from "./house.ts";

const command = "command-a1";
const subject = subjectOf("load", "session-load", command);
const enforced = chainOf("chain-1", [["extract", "s1", "c1"]]);
const again = chainOf("chain-2", [["extract", "s1", "c1"]]);
const observed = { ...chainOf("chain-3", [["load", "s1", "c1"]]), rule: "one_account", mode: "observe" as const };
const chains = [enforced, again, observed];
const completed = (chain: typeof enforced) => ({ rule: chain.rule, chain, ruling: "hold" as const });

const rows = chains.map(
  (chain, i) =>
    ({
      id: `e${i}`,
      position: String(i),
      atMs: i,
      type: "chain.completed",
      command,
      session: "session-load",
      identity: "",
      account: "load",
      data: completed(chain),
    }) as unknown as TimelineRow,
);

let house: House;
before(async () => {
  house = await openHouse({ store: { timeline: async () => rows } });
  for (const chain of chains) house.log.say(correlator, { type: "chain.completed", subject, data: completed(chain) });
  ask(house.log, "a1", { chains: [enforced], excluded: [] });
});
after(() => house.close());

const states = async (): Promise<string[]> => {
  const { body } = await (await house.as("ivan"))("GET /api/chains");
  return (body.chains as ChainInfo[]).map((one) => `${one.chain.id} ${one.state} ${one.approval}`);
};

test("a chain that is found again for the same command shares its answer; an observed one stopped nothing", async () => {
  assert.deepEqual(await states(), ["chain-1 held a1", "chain-2 held a1", "chain-3 observed a1"]);
});

test("one command and one rule are one alert, and a rule that only observes holds nothing", async () => {
  const raised = house.types("alert.raised").map((event) => `${event.data.kind} ${event.data.about}`);
  assert.deepEqual(raised.toSorted(), ["approval.asked a1", "chain.completed chain-3", "chain.held chain-1"]);
});

test("an approval is void when the same command had to be asked again, and can no longer be answered", async () => {
  const olga = await house.as("olga");
  const approve = { answer: "approve", reason: "announced" };
  assert.equal((await olga("POST /api/approvals/a1/answer", approve)).body.state, "approved");
  const asked = house.types("approval.asked")[0]?.data as unknown as EventData["approval.asked"];
  const data = { ...asked, approval: "a2", binding: "other", chains: [again] };
  house.log.say(gateway, { type: "approval.asked", subject, data });
  assert.equal((await olga("GET /api/approvals/a1")).body.state, "void");
  assert.equal((await olga("POST /api/approvals/a2/answer", { answer: "refuse", reason: "no" })).body.state, "refused");
  assert.deepEqual(await states(), ["chain-1 refused a1", "chain-2 refused a2", "chain-3 observed a2"]);
});
