import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { desk, type Look, openBrowser, openPage, phone, picture } from "./browser.ts";
import { type Double, olga, startDouble } from "./double.ts";
import { heldApproval, heldChain, people } from "./night.ts";
import { insidersNight, type Story } from "./story.ts";

let browser: Browser;
let api: Double;
/** The night, ending a minute ago, so that its approval is still open. */
const night = (): Story => insidersNight(Math.floor(Date.now() / 1_000) * 1_000 - 300_000);

before(async () => {
  browser = await openBrowser();
  api = await startDouble(night());
});
beforeEach(() => {
  api.story = night();
  api.me = olga;
  api.failure = null;
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

const dark: Look = { ...desk, scheme: "dark" };
const line = (page: Page, text: string) => page.locator("button.line").filter({ hasText: text });

test("nobody logged in sees only the way in", async () => {
  api.me = null;
  await at("/chains/c1?a=b", desk, async (page) => {
    const way = page.getByRole("link", { name: "Log in" });
    await way.waitFor();
    assert.equal(await way.getAttribute("href"), "/login?to=%2Fchains%2Fc1%3Fa%3Db");
    assert.equal(await page.getByRole("navigation").count(), 0);
    await picture(page, "signed-out");
  });
});

test("logging out leads back to the way in", async () => {
  await at("/alerts", desk, async (page) => {
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("link", { name: "Log in" }).waitFor();
  });
});

test("the timeline shows one line per command in the lane of its account, with the chain through three lanes", async () => {
  await at("/timeline", desk, async (page) => {
    await line(page, "DELETE FROM reporting_customers").waitFor();
    assert.equal(await page.locator("button.line").count(), 8);
    const lanes = await page.locator(".lanes-head, .lane-names > span").allTextContents();
    assert.deepEqual(lanes, ["extract", "analyst", "transform", "load", "people"]);
    const steps = await page.locator("button.line:has(.dot.step)").allTextContents();
    assert.equal(steps.length, 3);
    await picture(page, "timeline");
  });
});

test("a line opens by keyboard to the whole text and leads to its session and chain", async () => {
  await at("/timeline", desk, async (page) => {
    await line(page, "INSERT INTO staging_customers").focus();
    await page.keyboard.press("Enter");
    await page.locator(".detail pre.sql").first().waitFor();
    await page.keyboard.press("ArrowDown");
    assert.match((await page.locator(":focus").textContent()) ?? "", /count\(\*\)/);
    await picture(page, "timeline-open");
    await page.getByRole("link", { name: `Chain ${heldChain.slice(0, 12)}` }).click();
    await page.waitForURL(`**/chains/${heldChain}`);
  });
});

test("filters stand in the address, reach the api, and nothing found says what to do", async () => {
  await at("/timeline?account=load", desk, async (page) => {
    await line(page, "DELETE FROM reporting_customers").waitFor();
    assert.equal(await line(page, "SELECT id, name").count(), 0);
    await page.getByLabel("Words in the text").fill("nothing like this");
    await page.getByText("Nothing matches").waitFor();
    assert.match(page.url(), /account=load.*text=nothing/);
    assert.ok(api.asked.some((ask) => /timeline\?.*account=load.*text=nothing/.test(ask)));
    await page.getByRole("button", { name: "Clear filters" }).click();
    await line(page, "SELECT id, name").first().waitFor();
  });
});

test("what happens now stands on the page by itself", async () => {
  await at("/timeline", desk, async (page) => {
    await line(page, "BEGIN").waitFor();
    const first = api.story.rows[0]!;
    const fresh = {
      ...first,
      id: "e-new",
      command: "c-new",
      position: "000900",
      atMs: Date.now(),
      text: "SELECT 'just now'",
    };
    api.story = { ...api.story, rows: [...api.story.rows, fresh] };
    await line(page, "just now").waitFor();
  });
});

test("a chain is one picture: steps across accounts in order, ties with evidence and strength, and who was turned away", async () => {
  await at(`/chains/${heldChain}`, desk, async (page) => {
    await page.getByRole("heading", { name: "Read, copied, destroyed", exact: true }).waitFor();
    const cards = await page.locator(".step-card .step-head").allTextContents();
    assert.deepEqual(
      cards.map((card) => card.split(" as ")[0]),
      ["1 extract-job", "2 transform-job", "3 load-job"],
    );
    const ties = await page.locator(".tie").allTextContents();
    assert.match(ties[0] ?? "", /1 min 36 s later.*lineage.*public\.customers/);
    assert.match(ties[1] ?? "", /task \(weak\)/);
    await page.getByText("was turned away").waitFor();
    await picture(page, "chain");
  });
});

test("who says that two are one actor is a click away, with what rests on it and a way to reject it", async () => {
  await at(`/chains/${heldChain}`, desk, async (page) => {
    await page.getByText("Who says so?").click();
    const said = page.locator(".link-said");
    await said.getByText("both jobs run under one technician's key, said by Ivan Horvat").waitFor();
    assert.match((await said.textContent()) ?? "", /transform-job and load-job are tied \(weak\)/);
    await picture(page, "link");
    await said.getByLabel("Why they are not the same").fill("the key was split in May");
    await said.getByRole("button", { name: "Reject the link" }).click();
    await said.getByText("Rejected by Olga Petrova: the key was split in May").waitFor();
    assert.ok(api.asked.some((ask) => ask.startsWith("DELETE /api/links/") && ask.includes("split in May")));
  });
});

test("an approver sees the exact text, its chain and who may not answer; an answer needs a reason and is shown", async () => {
  await at("/approvals", desk, async (page) => {
    await picture(page, "approvals");
    await page
      .getByRole("link", { name: /^DELETE/ })
      .first()
      .click();
    await page.waitForURL(`**/approvals/${heldApproval}`);
    assert.equal(await page.locator("pre.sql.large").textContent(), "DELETE FROM reporting_customers");
    await page.getByText("took step 1 of the chain").waitFor();
    await page.getByText("One of data-owners must approve").waitFor();
    await page.getByText(/If nobody answers by \d\d:\d\d:\d\d, it never runs; load-job may ask again/).waitFor();
    await page.getByText("weak evidence: enough to hold, never to block").waitFor();
    await page.getByText("What to check: do the accounts work for one task").waitFor();
    assert.deepEqual(
      (await page.locator(".step-foot > span").allTextContents()).map((words) => words.trim()),
      [
        "read public.customers",
        "copied data between public.customers, public.staging_customers",
        "would delete from public.reporting_customers",
      ],
    );
    const refuse = page.getByRole("button", { name: "Refuse" });
    assert.equal(await refuse.isDisabled(), true);
    await picture(page, "approval");
    await page.getByLabel("Reason").fill("Not in tonight's plan");
    await refuse.click();
    await page.locator(".course").getByText("Not in tonight's plan").waitFor();
    assert.ok(
      api.asked.includes(
        `POST /api/approvals/${heldApproval}/answer {"answer":"refuse","reason":"Not in tonight's plan"}`,
      ),
    );
  });
});

test("who may not answer reads why, and has no button", async () => {
  const story = night();
  const [open, ...rest] = story.approvals;
  api.story = {
    ...story,
    approvals: [{ ...open!, mayAnswer: false, whyNot: "You are step 2 of this chain." }, ...rest],
  };
  await at(`/approvals/${heldApproval}`, desk, async (page) => {
    await page.getByText("You are step 2 of this chain.").waitFor();
    assert.equal(await page.getByRole("button", { name: "Approve once" }).count(), 0);
  });
});

test("an answer that the api refuses is explained with its code", async () => {
  await at(`/approvals/${heldApproval}`, desk, async (page) => {
    await page.getByLabel("Reason").fill("fine");
    api.failure = {
      status: 409,
      code: "command.held",
      detail: "It expired while you read.",
      hint: "Ask for it again.",
    };
    await page.getByRole("button", { name: "Approve once" }).click();
    await page.locator("form").getByText("It expired while you read.").waitFor();
  });
});

test("a session is played statement by statement, and a link leads to one moment of it", async () => {
  await at("/sessions", desk, async (page) => {
    await page.getByRole("link", { name: "Ana Silva" }).waitFor();
    await picture(page, "sessions");
    await page.getByRole("link", { name: "Ana Silva" }).click();
    await page.locator(".statement").nth(1).waitFor();
    await picture(page, "session");
    await page.getByRole("button", { name: "Back" }).click();
    assert.equal(await page.locator(".statement").count(), 1);
    await page.getByRole("button", { name: "Next" }).click();
    assert.equal(await page.locator(".statement.current").count(), 1);
  });
  await at("/sessions/s-ana#c-ana-2", desk, async (page) => {
    await page.locator(".statement.current").getByText("ORDER BY email").waitFor();
  });
});

test("a block is placed from an event and lifted with a reason", async () => {
  await at(`/blocks?identity=${encodeURIComponent(people.load.identity)}`, desk, async (page) => {
    assert.equal(await page.getByLabel("Identity key").inputValue(), people.load.identity);
    await page.getByLabel("Reason").fill("incident 7");
    await page.getByRole("button", { name: "Place the block" }).click();
    await page.getByText("incident 7").waitFor();
    await picture(page, "blocks");
    await page.getByRole("button", { name: "Lift" }).first().click();
    await page.getByLabel("Reason to lift").fill("over");
    await page.getByRole("button", { name: "Lift" }).first().click();
    await page.getByText("over", { exact: false }).first().waitFor();
    assert.ok(api.asked.some((ask) => ask.startsWith("DELETE /api/blocks/b-3")));
  });
});

test("alerts lead to what they are about", async () => {
  await at("/alerts", desk, async (page) => {
    await page.getByRole("link", { name: "Read, copied, destroyed" }).waitFor();
    await picture(page, "alerts");
    await page.getByRole("button", { name: "Acknowledge" }).click();
    await page.getByText("acknowledged by Olga Petrova").nth(1).waitFor();
    await page.getByRole("button", { name: "Resolve" }).first().click();
    await page.getByLabel("What came of it").fill("announced work");
    await page.getByRole("button", { name: "Resolve", exact: true }).first().click();
    await page.getByText("announced work").waitFor();
    await page.getByRole("link", { name: "An answer is needed" }).click();
    await page.waitForURL(`**/approvals/${heldApproval}`);
  });
});

test("an api that fails keeps the old evidence on the page and says so", async () => {
  await at("/timeline", desk, async (page) => {
    await line(page, "BEGIN").waitFor();
    api.failure = {
      status: 403,
      code: "store.unavailable",
      detail: "The store does not answer.",
      hint: "The log keeps everything.",
    };
    await page.getByText("The log keeps everything.").waitFor();
    assert.equal(await line(page, "BEGIN").count(), 1);
  });
});

test("times are the reader's own with UTC beside them", async () => {
  await at("/timeline", desk, async (page) => {
    const time = line(page, "BEGIN").locator("time");
    await time.waitFor();
    assert.match((await time.getAttribute("title")) ?? "", /CES?T\n\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC$/);
  });
});

test("every page fits a phone without scrolling sideways", async () => {
  const pages = [
    "timeline",
    `chains/${heldChain}`,
    "chains",
    "approvals",
    `approvals/${heldApproval}`,
    "sessions",
    "sessions/s-ana",
    "blocks",
    "alerts",
  ];
  for (const path of pages)
    await at(`/${path}`, phone, async (page) => {
      await page.locator("h1").waitFor();
      await page.waitForLoadState("networkidle", { timeout: 1_500 }).catch(() => undefined);
      const wide = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth");
      assert.ok(Number(wide) <= 0, `${path} is ${wide} px too wide`);
      await picture(page, `phone-${path.replaceAll("/", "-")}`);
    });
});

test("dark colours follow the system and can be turned", async () => {
  await at("/timeline", dark, async (page) => {
    await line(page, "BEGIN").waitFor();
    assert.equal(await page.locator("html").getAttribute("data-mantine-color-scheme"), "dark");
    await picture(page, "timeline-dark");
    await page.getByRole("button", { name: "Light colours" }).click();
    assert.equal(await page.locator("html").getAttribute("data-mantine-color-scheme"), "light");
  });
  await at(`/approvals/${heldApproval}`, dark, async (page) => {
    await page.locator(".step-card").first().waitFor();
    await picture(page, "approval-dark");
  });
});
