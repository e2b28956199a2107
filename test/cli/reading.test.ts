import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Double, startDouble } from "../console/double.ts";
import { actorLink, heldApproval, heldChain, sentence } from "../console/night.ts";
import { insidersNight } from "../console/story.ts";
import { type Desk, openDesk, t0 } from "./terminal.ts";

process.env.TZ = "UTC";
let api: Double;
let desk: Desk;
before(async () => {
  api = await startDouble(insidersNight(t0));
  desk = await openDesk();
  assert.equal((await desk.login(api.url)).code, 0);
});
after(async () => {
  await desk.close();
  await api.close();
});

const clock = (seconds: number): string => new Date(t0 + seconds * 1_000).toISOString().slice(0, 19).replace("T", " ");

test("the timeline is one aligned line per command, oldest first, across accounts", async () => {
  const { out, code } = await desk.run("timeline");
  assert.equal(code, 0);
  const lines = out.split("\n");
  assert.equal(lines[0], "TIME                 RULING   WHO            AS                WHAT");
  assert.equal(
    lines[1],
    `${clock(0)}  masked   extract-job    extract@orders    SELECT id, name, email, card, region FROM customers WHERE region = 'emea' → SELECT 5000 in 16 ms`,
  );
  assert.match(
    lines[6] ?? "",
    /^\S+ \S+ {2}held {5}load-job {7}load@orders {7}DELETE FROM reporting_customers → Held: load-job/,
  );
  assert.equal(lines.length, 9);
});

test("every filter reaches the api as it was typed, and moments are counted back from now", async () => {
  await desk.run("timeline", "--account", "load", "--ruling", "hold", "--text", "reporting", "--since", "4m");
  assert.equal(
    api.asked.findLast((one) => one.includes("/timeline")),
    `GET /api/timeline?account=load&ruling=hold&text=reporting&story=true&sinceMs=${t0 + 300_000 - 240_000}&limit=200`,
  );
});

test("a hold whose answer the filters leave out is shown with what came of it", async () => {
  const story = api.story;
  const chains = story.chains.map((one) => ({ ...one, state: "refused" as const }));
  api.story = { ...story, chains };
  const { out } = await desk.run("timeline", "--ruling", "hold");
  api.story = story;
  assert.match(out, / held, refused {2}load-job/);
});

test("--json gives one event per line, whole", async () => {
  const { out } = await desk.run("--json", "timeline", "--session", "s-load");
  const rows = out.split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(
    rows.map((row) => row.session),
    rows.map(() => "s-load"),
  );
  assert.ok(rows[0].atMs <= rows.at(-1).atMs);
});

test("--follow prints what comes once, and ends when it is told to", async () => {
  const ending = new AbortController();
  const fresh = { ...insidersNight(t0).rows[0]!, id: "e-new", atMs: t0 + 290_000, text: "SELECT 'new'" };
  let polls = 0;
  const wait = async (): Promise<void> => {
    polls += 1;
    if (polls === 1) api.story = { ...api.story, rows: [...api.story.rows, fresh] };
    if (polls === 3) ending.abort();
  };
  const parts = desk.parts;
  desk.parts = { ...parts, wait, signal: ending.signal };
  const { out } = await desk.run("timeline", "--follow");
  desk.parts = parts;
  api.story = insidersNight(t0);
  assert.equal(out.split("\n").filter((line) => line.includes("SELECT 'new'")).length, 1);
});

test("a session is replayed statement by statement with masks, refusals and results", async () => {
  const { out } = await desk.run("replay", "s-ana");
  assert.match(out, /^Ana Silva as analyst on orders\ntask +Quarterly region report/);
  assert.match(out, /1 {2}\d\d:\d\d:\d\d\.000 {5}\+6\.0 s {2}allow {3}SELECT region/);
  assert.match(out, /2 .* block {3}SELECT email FROM customers[\s\S]*no mask covers\.\n +never reached the target/);
  assert.match(out, /The session is still open\.$/);
});

test("--speed 10 waits a tenth of what the client waited", async () => {
  desk.waits.length = 0;
  await desk.run("replay", "s-ana", "--speed", "10");
  assert.deepEqual(desk.waits, [9_000]);
});

test("a chain is told as its sentence, its steps in order across accounts, and what ties them", async () => {
  const { out } = await desk.run("chains", heldChain);
  assert.match(out, /^Read, copied, destroyed\nload-job would destroy/);
  assert.match(out, / {2}1 {2}\S+ \S+ {2}extract-job as extract {6}read public\.customers\n/);
  assert.match(
    out,
    / {2}2 .* as transform {2}copied data between[^\n]*\n {7}1 min 36 s later, tied to step 1 by lineage \(strong\): both carry data of public\.customers/,
  );
  assert.match(out, / {7}tied to step 1 by task \(weak\)/);
  assert.match(out, /turned away +\S+ \S+ load-job: You asked for this command yourself\./);
});

test("chains are listed with their state and the accounts they cross", async () => {
  const { out } = await desk.run("chains");
  assert.match(out, /held {6}ch_4d1f09c2b7 {2}extract > transform > load {2}Read, copied, destroyed: load-job/);
});

test("what waits for a human is listed, and shown with its exact text and who may not answer", async () => {
  assert.match(
    (await desk.run("approvals")).out,
    /open {3}ap_01k9f3z8 {2}load-job as load@orders {2}in 14 min {2}DELETE/,
  );
  const { out } = await desk.run("approvals", "show", heldApproval);
  assert.match(out, /^held: it has not reached the target, and waits 14 min more\n/);
  assert.match(out, /\n {4}DELETE FROM reporting_customers\n/);
  assert.match(out, /may not answer {2}extract-job: took step 1 of the chain/);
});

test("a held command is explained by any id of it: the approval's, the chain's or its beginning, the command's", async () => {
  const { out: approval } = await desk.run("approvals", "show", heldApproval);
  assert.equal((await desk.run("explain", heldApproval)).out, approval);
  assert.equal((await desk.run("explain", "c-load-2")).out, approval);
  const { out: chain } = await desk.run("chains", heldChain);
  assert.equal((await desk.run("explain", heldChain)).out, chain);
  assert.equal((await desk.run("explain", heldChain.slice(0, 9))).out, chain);
  assert.match((await desk.run("explain", "c-ana-2")).out, /^refused: it never reached the target\n.*no mask covers/);
  const { code, err } = await desk.run("explain", "nothing-here");
  assert.equal(code, 1);
  assert.match(err, /^error not\.found: No approval, chain or command has the id nothing-here\./);
});

test("the explanation of a held command is this text, word for word", async () => {
  const { out } = await desk.run("explain", heldApproval);
  assert.equal(out, explained);
});

test("a link is shown with who says it, what rests on it, and how to reject it", async () => {
  const { out } = await desk.run("links", "show", actorLink);
  assert.match(
    out,
    /^transform-job and load-job are tied \(weak: may hold, never block\)\nsaid +\S+ \S+ by Ivan Horvat\n/,
  );
  assert.match(out, /to reject {2}throughline links reject api\/one\/0{15}5 --reason <why>/);
  assert.match(out, /Without it these would not have been held:\n {2}open {2}ap_01k9f3z8\n {4}load-job would destroy/);
});

test("on a terminal of 100 columns nothing is wider, prose breaks between words, and nothing of it is lost", async () => {
  const parts = desk.parts;
  desk.parts = { ...parts, terminal: { ...parts.terminal, tty: true, columns: 100 } };
  const colours = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, "g");
  const seen: string[] = [];
  for (const words of [["timeline"], ["chains"], ["chains", heldChain], ["approvals", "show", heldApproval]]) {
    const out = (await desk.run(...words)).out.replaceAll(colours, "");
    for (const line of out.split("\n")) assert.ok(line.length <= 100, `${words.join(" ")}: ${line}`);
    assert.ok(out.split("\n").length <= 40, `${words.join(" ")}: ${out.split("\n").length} lines`);
    seen.push(out);
  }
  desk.parts = parts;
  assert.match(seen[0] ?? "", /^2\S+\nTIME {6}RULING {3}WHO/);
  assert.match(seen[0] ?? "", /DELETE FROM reporting_customers\n {4}Held: load-job would destroy reporting_customers/);
  for (const out of seen.slice(1)) assert.ok(out.replaceAll(/\s+/g, " ").includes(sentence));
});

test("foreign text cannot steer the terminal of the one who reads it", async () => {
  const evil = "SELECT 1 \u001b]0;owned\u0007 \u202e drowssap";
  api.story = { ...api.story, rows: api.story.rows.map((row) => (row.text ? { ...row, text: evil } : row)) };
  const { out } = await desk.run("timeline");
  api.story = insidersNight(t0);
  for (const mark of ["\u001b", "\u0007", "\u202e"]) assert.ok(!out.includes(mark));
  assert.match(out, /\\x1b\]0;owned\\x07 \\x202e drowssap/);
});

/** Of the night in test/console/night.ts. */
const explained = `held: it has not reached the target, and waits 14 min more
load-job would destroy reporting_customers 4 min after transform-job copied what extract-job had read from customers.

    DELETE FROM reporting_customers

asked by        load-job as load on orders, 2026-09-21 14:16:50
task            Nightly refresh of the reporting tables (nightly-2026-10-04)
session         s-load
who decides     One of data-owners must approve: people who took no part in it and are linked to nobody who did.
otherwise       If nobody answers by 2026-09-21 14:31:50, it never runs; load-job may ask again. Only where everybody in data-owners took part does it go to security-on-call.
turned away     2026-09-21 14:17:04 load-job: You asked for this command yourself.
may not answer  load-job: asked for it
may not answer  transform-job: took step 2 of the chain
may not answer  extract-job: took step 1 of the chain
you             may answer: throughline approvals approve|refuse ap_01k9f3z8 --reason <why>

rule read_transform_delete, level high, weak evidence: enough to hold, never to block, chain ch_4d1f09c2b7

  1  2026-09-21 14:13:20  extract-job as extract      read public.customers
  2  2026-09-21 14:14:56  transform-job as transform  copied data between public.customers, public.staging_customers
       1 min 36 s later, tied to step 1 by lineage (strong): both carry data of public.customers
  3  2026-09-21 14:16:50  load-job as load            would delete from public.reporting_customers
       1 min 54 s later, tied to step 2 by flow (strong): the data went on to public.staging_customers, public.reporting_customers
       tied to step 2 by actor (weak): perhaps the same actor; who says so: throughline links show api/one/0000000000000005
       tied to step 1 by task (weak): the same task nightly-2026-10-04

What to check: do the accounts work for one task that somebody asked for?`;
