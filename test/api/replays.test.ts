/** Rules in force, and what one would have held in the log that there is: a job of the api with bounds. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import type { ReplayJob } from "../../services/api/replays.ts";
import { chainRule, play, steps, usual } from "../correlator/play.ts";
import { type House, openHouse } from "./house.ts";

const dayMs = 86_400_000;
const observed = chainRule(`mode: observe\n${usual}`);
const files = [{ name: "rules.yml", text: [steps, observed].join("---\n") }];

const night = `
  0s   extract    read       orders/public.customers
  60s  transform  transform  orders/public.customers -> orders/public.staging
  9m   load       delete     orders/public.staging
`;

const text = { bytes: 0, hash: "" };

/** What a gateway recorded when the rule was not there. */
function recorded(): Entry[] {
  const played = play(chainRule("mode: observe", "", "none").replace("pii_read,", "announced,"));
  played.run(night);
  const own = played.entries.filter(({ role, type }) => role === "gateway" && type !== "policy.changed");
  const rest = { stage: "record", because: [], sentence: "", masks: [], fingerprint: "", statements: [], text };
  const more = { parameters: null, parameterCount: 0, resolution: "", policy: "" };
  return own.map((entry) =>
    entry.type === "command.decided" ? ({ ...entry, data: { ...rest, ...more, ...entry.data } } as Entry) : entry,
  );
}

let house: House;
before(async () => {
  house = await openHouse({ rules: files });
  for (const { source, role: _, id: __, atMs: ___, ...draft } of recorded()) house.log.say(source, draft as never);
});
after(() => house.close());

/** Asks until the replay is over. */
async function finished(ask: Awaited<ReturnType<House["as"]>>, id: unknown) {
  for (;;) {
    const { body } = await ask(`GET /api/replays/${id}`);
    if (body.state !== "running") return body;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("rules in force are listed, and said in words", async () => {
  const ivan = await house.as("ivan");
  const rules = (await ivan("GET /api/rules")).body.rules as { name: string; action: string; mode: string }[];
  assert.deepEqual(
    rules.map(({ name, action, mode }) => [name, action, mode]),
    [
      ["announced", "alert", "enforce"],
      ["chain", "alert", "observe"],
    ],
  );
  const { body } = await ivan("GET /api/rules/chain");
  assert.match((body.words as string[]).join("\n"), /3 events in this order, within/);
  assert.equal((await ivan("GET /api/rules/none")).status, 404);
});

test("a replay says what the rule would have held, were it enforced; asking and reading are on record", async () => {
  const ivan = await house.as("ivan");
  const { status, body } = await ivan("POST /api/replays", { rule: "chain", days: 30 });
  assert.equal(status, 202);
  const page = await finished(ivan, body.replay);
  assert.deepEqual([page.state, page.why, page.hold, page.alert, page.share], ["done", "", 1, 0, 1]);
  const [found] = page.found as { account: string; accounts: string[]; action: string; command: string }[];
  assert.deepEqual([found?.account, found?.action], ["load", "hold"]);
  assert.deepEqual(found?.accounts, ["extract", "transform", "load"]);
  assert.ok(found?.command);
  const reads = house.types("audit.read").filter(({ data }) => data.what === "replay");
  assert.match(JSON.stringify(reads[0]?.data.filter), /"rule":"chain","days":"30"/);
  assert.ok(reads.some(({ data }) => Number(data.rows) === 2));
});

test("who may not read everything starts nothing and sees nothing; rules and days have bounds", async () => {
  const [olga, ivan] = [await house.as("extract"), await house.as("ivan")];
  assert.equal((await olga("POST /api/replays", { rule: "chain", days: 1 })).status, 403);
  assert.equal((await olga("GET /api/replays")).status, 403);
  assert.equal((await ivan("POST /api/replays", { rule: "none", days: 1 })).status, 404);
  assert.equal((await ivan("POST /api/replays", { rule: "chain", days: 91 })).status, 400);
  assert.equal((await ivan("POST /api/replays", { rule: "chain", days: 0 })).status, 400);
});

test("one runs at a time, can be cancelled by who began it, and keeps what it found, in pages", async () => {
  const jobs: ReplayJob[] = [];
  const slow = await openHouse({
    rules: files,
    replayer: (job) => {
      jobs.push(job);
      return new Promise((_, reject) => job.signal.addEventListener("abort", () => reject(job.signal.reason)));
    },
  });
  try {
    const [ivan, nina] = [await slow.as("ivan"), await slow.as("pia")];
    const { body } = await ivan("POST /api/replays", { rule: "chain", days: 2 });
    assert.equal((await ivan("POST /api/replays", { rule: "chain", days: 2 })).status, 409);
    const about = { atMs: slow.clock.nowMs, command: "k", session: "s", identity: "i", account: "a", accounts: ["a"] };
    for (const event of ["1", "2", "3"]) jobs[0]?.found({ ...about, event, action: "hold", sentence: "x" });
    jobs[0]?.progress(10, slow.clock.nowMs - dayMs, 0.5);
    const first = (await ivan(`GET /api/replays/${body.replay}?limit=2`)).body;
    assert.deepEqual([first.state, first.records, first.share, first.next], ["running", 10, 0.5, 2]);
    const rest = (await ivan(`GET /api/replays/${body.replay}?from=2`)).body;
    assert.deepEqual([(rest.found as { event: string }[]).map(({ event }) => event), rest.next], [["3"], null]);
    assert.equal((await nina(`DELETE /api/replays/${body.replay}`)).status, 403);
    const stopped = await ivan(`DELETE /api/replays/${body.replay}`);
    assert.deepEqual([stopped.status, stopped.body.state, stopped.body.hold], [200, "cancelled", 3]);
    assert.equal((await ivan(`DELETE /api/replays/${body.replay}`)).status, 409);
    assert.equal((await ivan("POST /api/replays", { rule: "chain", days: 2 })).status, 202);
  } finally {
    await slow.close();
  }
});
