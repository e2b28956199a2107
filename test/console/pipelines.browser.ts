/** Pipelines, rules and a rule's replay as people see them, over the double. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { desk, type Look, openBrowser, openPage, phone, picture } from "./browser.ts";
import { type Double, olga, startDouble } from "./double.ts";
import { heldApproval, heldChain } from "./night.ts";
import { jobsOf } from "./pipelines-double.ts";
import { insidersNight, type Story } from "./story.ts";

let browser: Browser;
let api: Double;
const t0 = (): number => Math.floor(Date.now() / 1_000) * 1_000 - 300_000;
const night = (): Story => insidersNight(t0());
const dark: Look = { ...desk, scheme: "dark" };

before(async () => {
  browser = await openBrowser();
  api = await startDouble(night());
});
beforeEach(() => {
  api.story = night();
  api.jobs = jobsOf(t0());
  api.me = { ...olga, roles: [...olga.roles, "administer"] };
});
after(async () => {
  await browser?.close();
  await api?.close();
});

async function at(path: string, look: Look, visit: (page: Page) => Promise<void>): Promise<void> {
  const { page, close } = await openPage(browser, api.url, look);
  page.setDefaultTimeout(60_000);
  await page.goto(path);
  await visit(page);
  await close();
}

/** Nothing may stick out to the right of the window. */
async function assertFits(page: Page): Promise<void> {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok((wide ?? 0) <= (window ?? 0), `the page is ${wide} wide in a window of ${window}`);
}

const sections = ["Proposed", "In force"] as const;

test("the list shows what waits for a person first, then what is in force, whether it ran, and when it is next", async () => {
  for (const [look, name] of [
    [desk, "pipelines"],
    [dark, "pipelines-dark"],
    [phone, "pipelines-phone"],
  ] as const)
    await at("/pipelines", look, async (page) => {
      await page.getByRole("link", { name: "nightly-report" }).waitFor();
      const labels = await page.locator("section.panel").evaluateAll((all) => all.map((one) => one.ariaLabel));
      assert.deepEqual(labels, sections);
      const row = page.getByRole("row", { name: /nightly-report/ });
      assert.match((await row.textContent()) ?? "", /ran.*read_transform_delete/);
      assert.match((await page.getByRole("region", { name: "Proposed" }).textContent()) ?? "", /waits for a person/);
      await assertFits(page);
      await picture(page, name);
    });
});

test("a pipeline's page says each step, when and from where, what came of its windows, and leads to the hold", async () => {
  for (const [look, name] of [
    [desk, "pipeline"],
    [dark, "pipeline-dark"],
    [phone, "pipeline-phone"],
  ] as const)
    await at("/pipelines/declared%3Anightly-report", look, async (page) => {
      const steps = page.locator(".pipeline-steps > li");
      await steps.first().waitFor();
      assert.equal(await steps.count(), 3);
      assert.match((await steps.nth(1).textContent()) ?? "", /transform-job as transform.*at most 3 in one run/);
      assert.match((await steps.nth(2).textContent()) ?? "", /may destroy/);
      const windows = page.getByRole("region", { name: "Windows" });
      assert.equal(await windows.getByText("did not run").count(), 1);
      const hold = page.getByRole("region", { name: "Deviations" }).getByRole("link");
      assert.equal(await hold.getAttribute("href"), `/chains/${heldChain}`);
      assert.equal(await page.getByRole("button", { name: "Accept" }).count(), 0, "a file is changed in the file");
      await assertFits(page);
      await picture(page, name);
    });
});

test("a proposal is accepted with a reason by somebody who may, and withdrawn again", async () => {
  await at("/pipelines/pr1", desk, async (page) => {
    const accept = page.getByRole("button", { name: "Accept" });
    await accept.waitFor();
    assert.ok(await accept.isDisabled(), "a reason is missing");
    const approval = page.getByRole("link", { name: "approval 1" });
    assert.equal(await approval.getAttribute("href"), `/approvals/${heldApproval}`);
    await page.getByLabel("Reason").fill("the finance team's nightly report");
    await picture(page, "pipeline-proposed");
    await accept.click();
    await page.getByRole("button", { name: "Withdraw" }).waitFor();
    assert.ok(api.asked.includes('POST /api/pipelines/pr1 {"reason":"the finance team\'s nightly report"}'));
    await page.getByLabel("Reason").fill("it has moved");
    await page.getByRole("button", { name: "Withdraw" }).click();
    await page.getByRole("button", { name: "Accept again" }).waitFor();
    assert.ok(api.asked.includes('DELETE /api/pipelines/pr1 {"reason":"it has moved"}'));
  });
});

test("a proposal is declined with a reason, and who has a part in it reads why he may not accept it", async () => {
  const whyNot = "This pipeline runs as you; somebody else must accept it.";
  api.jobs.pipelines = api.jobs.pipelines.map((one) =>
    one.proposal === "pr1" ? { ...one, mayAccept: false, whyNot } : one,
  );
  await at("/pipelines/pr1", phone, async (page) => {
    await page.getByText("This pipeline runs as you").waitFor();
    assert.equal(await page.getByRole("button", { name: "Accept" }).count(), 0);
    await assertFits(page);
    await page.getByLabel("Reason").fill("nobody knows this job");
    await picture(page, "pipeline-answer-phone");
    await page.getByRole("button", { name: "Decline" }).click();
    await page.getByText("declined it").waitFor();
    assert.ok(api.asked.includes('POST /api/pipelines/pr1/decline {"reason":"nobody knows this job"}'));
  });
});

test("who may only investigate reads pipelines and answers none", async () => {
  api.me = { ...olga, roles: ["investigate"] };
  await at("/pipelines/pr1", desk, async (page) => {
    await page.getByText("An administrator accepts or declines it").waitFor();
    assert.equal(await page.getByRole("button", { name: /Accept|Decline/ }).count(), 0);
  });
});

test("a hold that names a deviation, and an approval that led to a proposal, lead to the pipeline", async () => {
  const deviations = [{ pipeline: "nightly-report", why: "step 3 ran statement 77ab01" }];
  const proposal = { proposal: "pr1", pipeline: "proposed-4f1a90c2b7d3", state: "proposed" };
  const { approvals, chains } = api.story;
  api.story = {
    ...api.story,
    chains: chains.map((one) => ({ ...one, chain: { ...one.chain, deviations } })),
    approvals: approvals.map((one) => ({
      ...one,
      proposal,
      chains: one.chains.map((chain) => ({ ...chain, deviations })),
    })),
  };
  await at(`/chains/${heldChain}`, desk, async (page) => {
    const link = page.locator(".story-check").getByRole("link", { name: "nightly-report" });
    assert.equal(await link.getAttribute("href"), "/pipelines/nightly-report");
  });
  await at(`/approvals/${heldApproval}`, desk, async (page) => {
    await page.getByText("Not exempt").waitFor();
    const link = page.getByRole("link", { name: "proposed-4f1a90c2b7d3" });
    assert.equal(await link.getAttribute("href"), "/pipelines/pr1");
    await picture(page, "approval-proposal");
  });
});

test("an alert about a pipeline leads to it", async () => {
  const [alert] = api.story.alerts;
  assert.ok(alert);
  const missed = { ...alert, kind: "pipeline.missed", about: "nightly-report", title: "A pipeline did not run" };
  api.story = { ...api.story, alerts: [missed] };
  await at("/alerts", desk, async (page) => {
    const link = page.getByRole("link", { name: "A pipeline did not run" });
    assert.equal(await link.getAttribute("href"), "/pipelines/nightly-report");
  });
});

test("a rule is read in words; asked what it would have held, it says how far it is, then what it found", async () => {
  await at("/rules", desk, async (page) => {
    await picture(page, "rules");
    await page.getByRole("link", { name: "Customer data read, moved" }).click();
    await page.getByText("unless it is one run of the pipeline nightly-report").waitFor();
    await page.getByText("30 days").click();
    api.jobs.busy = true;
    await page.getByRole("button", { name: "Find out" }).click();
    await page.getByRole("progressbar").waitFor();
    await picture(page, "rule-replay-running");
    api.jobs.busy = false;
    await page.getByText("1 would have been held").waitFor();
    assert.ok(api.asked.includes('POST /api/replays {"rule":"read_transform_delete","days":30}'));
    const row = page.getByRole("row", { name: /load-job as load/ });
    assert.match((await row.textContent()) ?? "", /held.*load deletes from/);
    await picture(page, "rule-replay");
  });
  for (const [look, name] of [
    [dark, "rule-dark"],
    [phone, "rule-phone"],
  ] as const)
    await at("/rules/read_transform_delete", look, async (page) => {
      await page.getByText("1 would have been held").waitFor();
      await assertFits(page);
      await picture(page, name);
    });
});

test("a replay that runs can be cancelled, and another rule waits for it", async () => {
  await at("/rules/read_transform_delete", desk, async (page) => {
    const [rule] = api.jobs.rules;
    assert.ok(rule);
    await page.getByRole("button", { name: "Find out" }).waitFor();
    const about = { rule: "another_rule", by: olga.identity, state: "running" as const };
    api.jobs.replays = [
      {
        ...{ ...about, by: { identity: olga.identity.key, name: olga.identity.name }, replay: "rx", why: "" },
        ...{ startedAtMs: t0(), sinceMs: t0() - 1, records: 1, atMs: 0, share: 0, hold: 0, block: 0, alert: 0 },
        ...{ found: [], next: null, dropped: 0 },
      },
    ];
    await page.getByText("One at a time: Olga Petrova replays another_rule.").waitFor();
    assert.ok(await page.getByRole("button", { name: "Find out" }).isDisabled());
  });
});
