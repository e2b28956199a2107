/** Debian's Chromium for tests: found first, with the line that installs it; nothing of it talks to the outside. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

const executablePath = "/usr/bin/chromium";

export async function openBrowser(): Promise<Browser> {
  if (!existsSync(executablePath)) throw new Error("Chromium is missing. On Debian: apt-get install chromium");
  return chromium.launch({
    executablePath,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export interface Look {
  readonly width: number;
  readonly height: number;
  readonly scheme: "light" | "dark";
}

export const desk: Look = { width: 1280, height: 860, scheme: "light" };
export const phone: Look = { width: 390, height: 844, scheme: "light" };

/**
 * A page whose every error, breach of the content policy and foreign request fails the test at `close`.
 * @param also origins that the page may lead to beside its own: the identity provider's
 */
export async function openPage(
  browser: Browser,
  url: string,
  look: Look,
  also: readonly string[] = [],
): Promise<{ page: Page; close(): Promise<void> }> {
  const context = await browser.newContext({
    viewport: { width: look.width, height: look.height },
    colorScheme: look.scheme,
    locale: "en-GB",
    timezoneId: "Europe/Zagreb",
    baseURL: url,
  });
  const page = await context.newPage();
  const wrong: string[] = [];
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("console", (message) => {
    // a refusal that the page is meant to show is no error of the page
    if (message.type() === "error" && !/status of 4\d\d/.test(message.text())) wrong.push(message.text());
  });
  page.on("request", (request) => {
    if (![url, ...also].some((origin) => request.url().startsWith(origin))) wrong.push(`asked ${request.url()}`);
  });
  return {
    page,
    async close() {
      await context.close();
      assert.deepEqual(wrong, []);
    },
  };
}

/** Keeps a picture when `$SCREENSHOTS` names a folder: for the README, and for eyes. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
