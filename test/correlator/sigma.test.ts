/** The correlations of the public Sigma specification 2.1, each with events on both sides. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runRules } from "../../services/correlator/offline.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Events of another product, so many seconds after midnight; named e0, e1, … @returns `rule event chain` per firing */
async function fired(rules: string, ...events: readonly (readonly [number, Fields])[]): Promise<string[]> {
  const lines = events.map(([second, fields], index) =>
    JSON.stringify({ id: `e${index}`, time: Date.UTC(2026, 0, 1) + second * 1000, ...fields }),
  );
  const found: string[] = [];
  for await (const { rule, event, chain } of runRules({
    rules: [{ name: "r.yml", text: rules }],
    catalog: null,
    events: lines,
  }))
    found.push(`${rule} ${event} ${chain.join(",")}`);
  return found;
}

const detection = (name: string, selection: string, head = "") =>
  `title: ${name}\nname: ${name}\n${head}logsource: { product: windows, service: security }\ndetection:\n  selection: ${selection}\n  condition: selection\n`;

const correlation = (name: string, body: string, head = "") =>
  `title: ${name}\nname: ${name}\n${head}correlation:\n${body
    .trim()
    .split("\n")
    .map((line) => `  ${line.trim()}\n`)
    .join("")}`;

const files = (...documents: string[]) => documents.join("---\n");
const failedLogin = detection("failed_login", "{ EventID: [529, 4625] }", "id: 53ba33fd-3a50-4468-a5ef-c583635cfa92\n");
const goodLogin = detection("successful_login", "{ EventID: [528, 4624] }");

const fail = (User: string, more: Fields = {}): Fields => ({ EventID: 4625, User, ...more });
const times = (count: number, every: number, make: (index: number) => Fields): [number, Fields][] =>
  Array.from({ length: count }, (_, index) => [index * every, make(index)]);

test("event_count: a hundred failed logins to one computer within an hour, by rule id", async () => {
  const rules = files(
    failedLogin,
    correlation(
      "many",
      `type: event_count\nrules: [53ba33fd-3a50-4468-a5ef-c583635cfa92]\ngroup-by: [ComputerName]\ntimespan: 1h\ncondition: { gte: 100 }`,
    ),
  );
  const on = (computer: string) => (index: number) => fail(`u${index}`, { ComputerName: computer });
  const found = await fired(rules, ...times(101, 36, on("srv1")));
  // The hundredth; and the hundred-and-first exactly one hour after the first, which still counts.
  assert.deepEqual(
    found.map((line) => line.split(" ").slice(0, 2).join(" ")),
    ["many e99", "many e100"],
  );
  assert.equal(found[1]?.split(" ")[2]?.split(",").length, 101);
  assert.deepEqual(await fired(rules, ...times(101, 37, on("srv1"))), []);
  assert.deepEqual(await fired(rules, ...times(150, 1, (index) => on(`srv${index % 2}`)(index))), []);
  assert.deepEqual(await fired(rules, ...times(150, 1, (index) => fail(`u${index}`))), []);
});

test("value_count: more than two different users per computer and workstation in a day", async () => {
  const rules = files(
    failedLogin,
    correlation(
      "wide",
      `type: value_count\nrules: [failed_login]\ngroup-by: [ComputerName, WorkstationName]\ntimespan: 1d\ncondition: { field: User, gt: 2 }`,
    ),
  );
  const at = (user: string, workstation = "w") => fail(user, { ComputerName: "c", WorkstationName: workstation });
  assert.deepEqual(await fired(rules, [0, at("a")], [1, at("b")], [2, at("b")], [3, at("c")]), ["wide e3 e0,e1,e2,e3"]);
  assert.deepEqual(await fired(rules, [0, at("a")], [1, at("b")], [2, at("c", "other")]), []);
  assert.deepEqual(await fired(rules, [0, at("a")], [1, at("b")], [86_401, at("c")]), []);
});

test("value_count over several fields counts their combinations", async () => {
  const rules = files(
    failedLogin,
    correlation(
      "pairs",
      `type: value_count\nrules: [failed_login]\ntimespan: 1h\ngroup-by: [C]\ncondition: { field: [User, Host], gte: 3 }`,
    ),
  );
  const pair = (User: string, Host?: string) => fail(User, { C: 1, ...(Host ? { Host } : {}) });
  assert.deepEqual(await fired(rules, [0, pair("a", "x")], [1, pair("a", "y")], [2, pair("b", "x")]), [
    "pairs e2 e0,e1,e2",
  ]);
  assert.deepEqual(await fired(rules, [0, pair("a", "x")], [1, pair("a", "y")], [2, pair("b")]), []);
});

const recon = files(
  ...["a", "b", "c"].map((letter) => detection(`recon_cmd_${letter}`, `{ CommandLine|contains: ${letter}.exe }`)),
);
const run = (letter: string, user = "u") => ({ CommandLine: `C:\\${letter}.exe /all`, ComputerName: "c", User: user });

test("temporal: three commands in any order within five minutes on one computer by one user", async () => {
  const rules = files(
    recon,
    correlation(
      "recon",
      `type: temporal\nrules: [recon_cmd_a, recon_cmd_b, recon_cmd_c]\ngroup-by: [ComputerName, User]\ntimespan: 5m`,
    ),
  );
  assert.deepEqual(await fired(rules, [0, run("c")], [10, run("a")], [300, run("b")]), ["recon e2 e1,e2,e0"]);
  assert.deepEqual(await fired(rules, [0, run("c")], [10, run("a")], [301, run("b")]), []);
  assert.deepEqual(await fired(rules, [0, run("c")], [10, run("a", "v")], [20, run("b")]), []);
});

test("temporal_ordered: the same, in order; and the same as a condition that names all", async () => {
  const body = `type: temporal_ordered\nrules: [recon_cmd_a, recon_cmd_b, recon_cmd_c]\ngroup-by: [ComputerName, User]\ntimespan: 5m`;
  for (const condition of ["", "\ncondition: recon_cmd_a AND recon_cmd_b AND recon_cmd_c"]) {
    const rules = files(recon, correlation("recon", body + condition));
    assert.deepEqual(await fired(rules, [0, run("a")], [0, run("b")], [0, run("c")]), ["recon e2 e0,e1,e2"]);
    assert.deepEqual(await fired(rules, [0, run("c")], [1, run("a")], [2, run("b")]), []);
  }
});

test("value_sum: more than a million bytes sent per address and user within an hour", async () => {
  const rules = files(
    detection("website_access", "{ category: proxy }").replace("{ product: windows, service: security }", "{}"),
    correlation(
      "exfiltration",
      `type: value_sum\nrules: [website_access]\ngroup-by: [SourceIP, User]\ntimespan: 1h\ncondition: { field: bytes_sent, gt: 1000000 }`,
    ),
  );
  const sent = (bytes_sent: unknown, User = "u") => ({ category: "proxy", SourceIP: "10.0.0.1", User, bytes_sent });
  assert.deepEqual(await fired(rules, [0, sent(600_000)], [1, sent("400000")], [2, sent(0.5)]), [
    "exfiltration e2 e0,e1,e2",
  ]);
  assert.deepEqual(await fired(rules, [0, sent(600_000)], [1, sent(400_000)], [2, sent("many")]), []);
  assert.deepEqual(await fired(rules, [0, sent(600_000)], [1, sent(600_000, "v")], [3_601, sent(600_000)]), []);
});

test("value_avg: more than five hundred bytes on average", async () => {
  const rules = files(
    detection("traffic", "{ EventID: 1 }", "id: 0e95725d-7320-415d-80f7-004da920fc13\n"),
    correlation(
      "average",
      `type: value_avg\nrules: [0e95725d-7320-415d-80f7-004da920fc13]\ngroup-by: [SourceIP, User]\ntimespan: 24h\ncondition: { field: BytesOut, gt: 500 }`,
    ),
  );
  const out = (BytesOut?: number) => ({ EventID: 1, SourceIP: "s", User: "u", ...(BytesOut ? { BytesOut } : {}) });
  assert.deepEqual(await fired(rules, [0, out(400)], [1, out(600)], [2, out(501)]), ["average e2 e0,e1,e2"]);
  assert.deepEqual(await fired(rules, [0, out(400)], [1, out(600)], [2, out()]), []);
});

test("value_percentile: a process name that is at most one per cent of a computer's processes in a day", async () => {
  const rules = files(
    detection("process_creation", "{ EventID: 1 }"),
    correlation(
      "rare",
      `type: value_percentile\nrules: [process_creation]\ngroup-by: [ComputerName]\ntimespan: 24h\ncondition: { field: Image, lte: 1 }`,
    ),
  );
  const process = (Image: string) => ({ EventID: 1, ComputerName: "c", Image });
  const usual = times(99, 1, () => process("explorer.exe"));
  const found = await fired(rules, ...usual, [100, process("odd.exe")]);
  assert.deepEqual(
    found.map((line) => line.split(" ")[1]),
    ["e99"],
  );
  assert.deepEqual(await fired(rules, ...usual.slice(1), [100, process("odd.exe")]), []);
});

test("value_percentile with `percentile`: the median, between the two in the middle", async () => {
  const rule = (bound: string) =>
    files(
      detection("traffic", "{ EventID: 1 }"),
      correlation(
        "median",
        `type: value_percentile\nrules: [traffic]\ngroup-by: [User]\ntimespan: 24h\ncondition: { field: Bytes, percentile: 50, ${bound} }`,
      ),
    );
  const events = [10, 40, 20, 30].map((Bytes, index): [number, Fields] => [index, { EventID: 1, User: "u", Bytes }]);
  assert.deepEqual(await fired(rule("eq: 25"), ...events), ["median e1 e0,e1", "median e3 e0,e1,e2,e3"]);
  assert.deepEqual(await fired(rule("eq: 20"), ...events), ["median e2 e0,e1,e2"]);
});

test("aliases: the inner address of one event is the outer address of the other", async () => {
  const rules = files(
    detection("internal_error", "{ http.response.status_code: 500 }"),
    detection("new_network_connection", "{ event.category: network, event.type: connection, event.outcome: success }"),
    correlation(
      "back",
      `type: temporal\nrules: [internal_error, new_network_connection]\ngroup-by: [internal_ip, remote_ip]\ntimespan: 10s
       aliases: { internal_ip: { internal_error: destination.ip, new_network_connection: source.ip }, remote_ip: { internal_error: source.ip, new_network_connection: destination.ip } }`,
    ),
  );
  const error = { "http.response.status_code": 500, "source.ip": "1.1.1.1", "destination.ip": "10.0.0.1" };
  const to = (destination: string): Fields => ({
    event: { category: "network", type: "connection", outcome: "success" },
    source: { ip: "10.0.0.1" },
    destination: { ip: destination },
  });
  assert.deepEqual(await fired(rules, [0, error], [9, to("1.1.1.1")]), ["back e1 e0,e1"]);
  assert.deepEqual(await fired(rules, [0, to("1.1.1.1")], [10, error]), ["back e1 e1,e0"]);
  assert.deepEqual(await fired(rules, [0, error], [9, to("2.2.2.2")], [11, to("1.1.1.1")]), []);
});

const many = correlation(
  "multiple_failed_login",
  `type: event_count\nrules: [failed_login]\ngroup-by: [User]\ntimespan: 10m\ncondition: { gte: 10 }`,
);
const chained = correlation(
  "guessed",
  `type: temporal_ordered\nrules: [multiple_failed_login, successful_login]\ngroup-by: [User]\ntimespan: 10m`,
  "level: high\n",
);
const login = (User: string): Fields => ({ EventID: 4624, User });

test("a chain of correlations: ten failed logins, then a successful one of the same user; the inner one does not fire alone", async () => {
  const rules = files(chained, many, failedLogin, goodLogin);
  const guesses = times(12, 1, () => fail("u"));
  assert.deepEqual(await fired(rules, ...guesses, [20, login("u")], [30, login("u")]), [
    "guessed e12 e11,e12",
    "guessed e13 e11,e13",
  ]);
  assert.deepEqual(await fired(rules, ...guesses.slice(3), [20, login("u")]), []);
  assert.deepEqual(await fired(rules, ...guesses, [20, login("v")]), []);
  assert.deepEqual(await fired(rules, ...guesses, [612, login("u")]), []);
  assert.equal((await fired(rules, ...guesses, [611, login("u")])).length, 1);
});

test("generate: the rules that a correlation refers to fire by themselves as well", async () => {
  const guesses = times(10, 1, () => fail("u"));
  const alone = chained.replace("level: high\n", "level: high\ngenerate: true\n");
  const found = await fired(files(alone, many, failedLogin, goodLogin), ...guesses, [20, login("u")]);
  assert.deepEqual(
    found.map((line) => line.split(" ").slice(0, 2).join(" ")),
    ["multiple_failed_login e9", "guessed e10", "successful_login e10"],
  );
});

test("a rule that another refers to, with a gate of its own, still holds", async () => {
  const gated = `${many}x-chain:\n  gate: { action: hold, approvers: [x] }\n`;
  const found = await fired(files(chained, gated, failedLogin, goodLogin), ...times(10, 1, () => fail("u")));
  assert.deepEqual(
    found.map((line) => line.split(" ")[0]),
    ["multiple_failed_login"],
  );
});

const condition = (type: string, text: string) =>
  files(
    recon,
    correlation(
      "c",
      `type: ${type}\nrules: [recon_cmd_a, recon_cmd_b, recon_cmd_c]\ngroup-by: [User]\ntimespan: 5m\ncondition: ${text}`,
    ),
  );

test("a condition over rules: and, or, not within the time frame", async () => {
  const rules = condition(
    "temporal",
    "recon_cmd_a and (recon_cmd_b or recon_cmd_c) and not (recon_cmd_b and recon_cmd_c)",
  );
  assert.deepEqual(await fired(rules, [0, run("a")], [1, run("b")]), ["c e1 e0,e1"]);
  assert.deepEqual(await fired(rules, [0, run("c")], [1, run("a")]), ["c e1 e1,e0"]);
  assert.deepEqual(await fired(rules, [0, run("b")], [1, run("c")], [2, run("a")]), []);
  // What must not have happened happened to somebody else, or before the time frame.
  assert.deepEqual(await fired(rules, [0, run("b", "v")], [1, run("c")], [2, run("a")]), ["c e2 e2,e1"]);
  assert.deepEqual(await fired(rules, [0, run("b")], [299, run("c")], [301, run("a")]), ["c e2 e2,e1"]);
});

test("a condition over rules in order: what comes after counts, what must not happen may not", async () => {
  const rules = condition("temporal_ordered", "recon_cmd_a and not recon_cmd_b and recon_cmd_c");
  assert.deepEqual(await fired(rules, [0, run("a")], [2, run("c")]), ["c e1 e0,e1"]);
  assert.deepEqual(await fired(rules, [0, run("a")], [1, run("b")], [2, run("c")]), []);
  assert.deepEqual(await fired(rules, [0, run("c")], [2, run("a")]), []);
});

test("a number of rules: at least two of three, exactly two of three, a range", async () => {
  const [a, b, c] = [
    [0, run("a")],
    [1, run("b")],
    [2, run("c")],
  ] as const;
  assert.deepEqual(await fired(condition("temporal", "{ gte: 2 }"), a, b, c), ["c e1 e0,e1", "c e2 e1,e2"]);
  assert.deepEqual(await fired(condition("temporal", "{ eq: 2 }"), a, b, c), ["c e1 e0,e1"]);
  assert.deepEqual(await fired(condition("temporal", "{ gt: 1, lte: 2 }"), a, b, c), ["c e1 e0,e1"]);
  assert.deepEqual(await fired(condition("temporal", "{ neq: 2 }"), a, b, c), ["c e0 e0", "c e2 e0,e1,e2"]);
});

test("a range of counts, and the units of a timespan", async () => {
  const rule = (span: string, bounds: string) =>
    files(
      failedLogin,
      correlation(
        "n",
        `type: event_count\nrules: [failed_login]\ngroup-by: [User]\ntimespan: ${span}\ncondition: ${bounds}`,
      ),
    );
  const found = await fired(rule("1h", "{ gt: 2, lte: 4 }"), ...times(6, 1, () => fail("u")));
  assert.deepEqual(
    found.map((line) => line.split(" ")[1]),
    ["e2", "e3"],
  );
  const spans = [
    ["30s", 30],
    ["2m", 120],
    ["1h", 3_600],
    ["2d", 172_800],
    ["1w", 604_800],
    ["1M", 2_629_746],
    ["1y", 31_556_952],
  ] as const;
  for (const [span, seconds] of spans) {
    assert.equal((await fired(rule(span, "{ gte: 2 }"), [0, fail("u")], [seconds, fail("u")])).length, 1, span);
    assert.equal((await fired(rule(span, "{ gte: 2 }"), [0, fail("u")], [seconds + 1, fail("u")])).length, 0, span);
  }
});
