/**
 * The console against the real product: two processes, a real PostgreSQL, real logins at the development provider's form,
 * and a DELETE that hangs in the gateway while people look at it. The order is the story's; the last test answers.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { refusalOf, seenByTarget } from "../demo/cast.ts";
import { type Stage, setStage } from "../demo/play.ts";
import { answer, chainSteps, type HeldStatement, held } from "../demo/play-chain.ts";
import { startWorld, type World } from "../demo/world.ts";
import { desk, type Look, openBrowser, openPage, phone, picture } from "./browser.ts";

const sql = "DELETE FROM reporting_customers\n  WHERE region IN ('north', 'south', 'east', 'west')";
/** The nights in which nothing is held yet. */
const quietSteps = 3;

let folder: string;
let browser: Browser;
let world: World;
let stage: Stage;
let hold: HeldStatement;

before(async () => {
  browser = await openBrowser();
  folder = await mkdtemp(join(tmpdir(), "throughline-console-"));
  world = await startWorld({ folder, holdSeconds: 300 });
  stage = await setStage(world, "shop");
  for (const step of chainSteps.slice(0, quietSteps)) await step.run(stage);
  hold = await held(stage, stage.actors.load, sql);
});
after(async () => {
  await browser?.close();
  await stage?.leave();
  await world?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Goes to a page of the console as somebody who is not logged in, through the provider's form, and lands there. */
async function as(login: string, path: string, look: Look, visit: (page: Page) => Promise<void>): Promise<void> {
  const { page, close } = await openPage(browser, world.api, look, [world.issuer]);
  page.setDefaultTimeout(60_000);
  await page.goto(path);
  await page.getByRole("link", { name: "Log in" }).click();
  await page.locator('input[name="login"]').fill(login);
  await page.locator('input[name="password"]').fill(world.secrets.people[login] ?? "");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${world.api}${path}`);
  await visit(page);
  await close();
}

const line = (page: Page, text: string) => page.locator("button.line").filter({ hasText: text });
const goTo = (page: Page, name: string) => page.getByRole("navigation").getByRole("link", { name }).click();
const names = (page: Page, selector: string) => page.locator(selector).allTextContents();

/** Keys are for machines; where a name is known, a page shows the name. */
async function assertNoKeys(page: Page): Promise<void> {
  const shown = (await page.locator("main").textContent()) ?? "";
  assert.ok(!shown.includes(`${world.issuer}|`), "an identity's key is shown");
}

test("Ivan sees the held DELETE on the timeline, with its chain through three accounts", async () => {
  await as("ivan", "/timeline", desk, async (page) => {
    await line(page, "DELETE FROM reporting_customers").filter({ hasText: "held" }).waitFor();
    assert.deepEqual((await names(page, ".lane-names > span")).slice(0, 3), ["extract", "transform", "load"]);
    await page.locator("button.line:has(.dot.step)").nth(2).waitFor();
    assert.equal(await page.locator("button.line.waits").count(), 1, "exactly one command waits");
    await assertNoKeys(page);
    await picture(page, "real-timeline");
  });
});

test("Ivan asks what the rule would have held, and the recorded log answers: the DELETE that waits", async () => {
  await as("ivan", "/rules/read_transform_delete", desk, async (page) => {
    await page.getByRole("button", { name: "Find out" }).click();
    await page.getByRole("row", { name: /as load/ }).waitFor({ timeout: 60_000 });
    await assertNoKeys(page);
    await picture(page, "real-rule");
  });
});

test("Ivan reads the chain: steps of three people in order, ties with evidence, and that it waits", async () => {
  const [chain] = hold.approval.chains;
  await as("ivan", "/chains", desk, async (page) => {
    await page
      .getByRole("link", { name: chain?.title ?? "no chain" })
      .first()
      .click();
    await page.locator(".step-card").nth(2).waitFor();
    const heads = await names(page, ".step-card .step-head > span");
    assert.deepEqual(heads, [
      "1 extract job as extract@orders",
      "2 transform job as transform@orders",
      "3 load job as load@orders",
    ]);
    assert.match((await names(page, ".tie")).join(" "), /lineage.*shop\.customers \(card, email\)/);
    assert.equal(await page.locator(".step-card pre.sql").nth(2).textContent(), sql);
    await page.getByText("It has not reached the target").waitFor();
    await assertNoKeys(page);
    await picture(page, "real-chain");
  });
});

test("Ivan may read the question but not answer it, and replays the session to the statement that hangs", async () => {
  await as("ivan", `/approvals/${hold.approval.approval}`, desk, async (page) => {
    await page.getByText("You may not answer this one").waitFor();
    assert.equal(await page.getByRole("button", { name: "Approve once" }).count(), 0);
    await page.getByRole("link", { name: "Replay its session" }).click();
    const current = page.locator(".statement.current");
    await current.getByText("waits, has not reached the target").waitFor();
    assert.equal(await current.locator("pre.sql").textContent(), sql);
    await page.getByRole("button", { name: "Back" }).click();
    assert.equal(await page.locator(".statement").count(), 1);
    await assertNoKeys(page);
    await picture(page, "real-replay");
    await page.locator("aside").getByRole("link", { name: "load job" }).click();
    await page.reload();
    await line(page, "INSERT INTO reporting_customers").waitFor();
    assert.equal(await line(page, "staging_customers SELECT").count(), 0, "only what load did");
    await goTo(page, "Sessions");
    await page.getByRole("link", { name: "Ana (analyst)" }).click();
    await page.locator(".statement").getByText("refused").waitFor();
    await goTo(page, "Blocks");
    await page.getByText("You may look.").waitFor();
    await goTo(page, "Alerts");
    await page.getByRole("link", { name: "Approval asked of data-owners" }).waitFor();
  });
});

test("nobody on load's own side can answer, and a person without a role sees nothing to answer", async () => {
  const { approval } = hold.approval;
  for (const name of ["load", "extract", "transform"] as const)
    assert.equal(await answer(stage.players[name], approval, "approve"), 403, `${name} must not approve`);
  await as("ana", `/approvals/${approval}`, desk, async (page) => {
    await page.getByRole("alert").getByText("No approval that you may see").waitFor();
    assert.equal(await page.getByRole("button", { name: "Approve once" }).count(), 0);
    assert.deepEqual(await names(page, ".rail nav a"), ["Approvals"]);
  });
});

test("every page with real data fits a phone", async () => {
  const { approval, session, chains } = hold.approval;
  const paths = ["/timeline", "/chains", `/chains/${chains[0]?.id}`, `/approvals/${approval}`, `/sessions/${session}`];
  await as("ivan", "/sessions", phone, async (page) => {
    for (const path of [...paths, "/approvals", "/blocks", "/alerts", "/sessions"]) {
      await page.goto(path);
      await page.locator("h1").waitFor();
      await page.locator(".panel").first().waitFor();
      const wide = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth");
      assert.ok(Number(wide) <= 0, `${path} is ${wide} px too wide`);
      await picture(page, `real-phone${path.slice(0, 12).replaceAll("/", "-")}`);
    }
  });
});

test("Olga, sent there by a link, reads all of it and refuses: the client gets 42501, the target saw nothing", async () => {
  await as("olga", `/approvals/${hold.approval.approval}`, desk, async (page) => {
    await page.getByRole("heading", { name: "load job asks to run DELETE shop.reporting_customers" }).waitFor();
    assert.equal(await page.locator("pre.sql.large").textContent(), sql);
    await page.getByText("step 1 of the chain").waitFor();
    assert.equal(await page.locator(".course").getByText("was turned away").count(), 3);
    await assertNoKeys(page);
    await page.getByLabel("Reason").fill("Nobody announced this");
    await picture(page, "real-approval");
    await page.getByRole("button", { name: "Refuse" }).click();
    await page.locator(".course").getByText("Nobody announced this").waitFor();
    const refusal = await refusalOf(hold.running);
    assert.equal(refusal.code, "42501");
    assert.equal(await seenByTarget(world, "WHERE region IN ('north'"), 0);
    await page.getByRole("link", { name: "The chain" }).click();
    await page.getByText("it never reached the target").waitFor();
  });
});
