/**
 * What happens when a part fails: the table of the README, row by row, each with the tests that make it happen.
 * `node test/failures/table.ts` prints it as it must stand there.
 */
export interface Row {
  readonly part: string;
  /** With the log on one machine, or shared by many. */
  readonly on: "one" | "many" | "both";
  /** What users see, and what is refused. */
  readonly users: string;
  readonly goesOn: string;
  /** What the log says afterwards. */
  readonly log: string;
  readonly tests: readonly Shown[];
}

/** Where it is shown. */
export interface Shown {
  readonly file: string;
  /** The test's name begins with it. */
  readonly title: string;
}

const one = (title: string): Shown => ({ file: "test/failures/one.test.ts", title });
const many = (title: string): Shown => ({ file: "test/failures/many.kafka.test.ts", title });
const full = (title: string): Shown => ({ file: "test/bad-input/full-disk.test.ts", title });

export const rows: readonly Row[] = [
  {
    part: "gateway process killed",
    on: "one",
    users:
      "connections end (57P01 or a closed socket); after the restart new sessions work, held commands must be sent again",
    goesOn: "console and timelines; open approvals can still be answered and used",
    log: "nothing acknowledged is lost; a missing finish means: outcome unknown",
    tests: [{ file: "test/demo/crash.test.ts", title: "after a restart the open session's client is told" }],
  },
  {
    part: "one gateway killed",
    on: "many",
    users: "its connections end; the same Grant opens a session at another gateway at once",
    goesOn: "everything at the other gateways; what brings tags waits 6 s for the dead one",
    log: "what was acknowledged stands in its spool and is shipped when it is back",
    tests: [many("a gateway killed")],
  },
  {
    part: "disk of the log full",
    on: "one",
    users: "new commands and sessions are refused with 53100",
    goesOn: "what runs can finish and be recorded; work goes on by itself when there is room",
    log: "`sink.failed` and `sink.recovered` of `log`, with the number refused; no record is dropped",
    tests: [full("a full disk"), full("with space again")],
  },
  {
    part: "disk of a gateway's spool full",
    on: "many",
    users: "that gateway refuses new commands with 53100",
    goesOn: "the other gateways, for everybody; the full one when there is room again",
    log: "`sink.failed` and `sink.recovered` of `log` by `log/<gateway>`",
    tests: [many("a gateway's disk is full")],
  },
  {
    part: "disk fails a sync",
    on: "both",
    users: "that gateway's process ends (exit 70), its connections with it; what was not durable reached no target",
    goesOn: "the other gateways; on one machine nothing until a restart",
    log: "everything that was acknowledged",
    tests: [one("disk fails a sync"), many("a gateway's disk fails a sync")],
  },
  {
    part: "Kafka away for a moment, or DNS or network between a gateway and Kafka",
    on: "many",
    users: "what touches tags, moves data or may be a step waits, and answers when Kafka is back",
    goesOn: "the rest, without waiting",
    log: "`sink.failed` and `sink.recovered` of `shared log`",
    tests: [many("cut off from Kafka for a moment")],
  },
  {
    part: "one gateway cut off from Kafka for longer than 5 s: its feed is stale",
    on: "many",
    users:
      "it refuses every command that reads data, and what writes or changes the tagged, with 42501 and “The shared log cannot be reached …”; a Grant that was issued meanwhile is unknown there (28P01)",
    goesOn:
      "new sessions with Grants it knows, statements that read nothing, plain writes to untagged tables; the other gateways fully, and what brings tags there waits until this one no longer counts (6 s)",
    log: "`sink.failed` and `sink.recovered` of `shared log` by `log/<gateway>`; what it let through, once it is back",
    tests: [many("a gateway cut off from Kafka for long")],
  },
  {
    part: "Kafka dead",
    on: "many",
    users:
      "as above, at every gateway; no Grant is issued, no approval takes effect, no timeline is shown (503 `log.lost_connection` after 10 s; an answer that was given arrives when Kafka is back)",
    goesOn: "what goes on at a gateway that is cut off; logging in to the console; every process can be stopped",
    log: "nothing is lost, nothing twice; each source's outage with from and until",
    tests: [many("Kafka dead")],
  },
  {
    part: "one correlator dead",
    on: "many",
    users: "nothing but a short delay",
    goesOn: "everything: the others answer the same, the first answer counts",
    log: "each answer once; `service.started` of the one that is back",
    tests: [{ file: "test/cluster/cluster.kafka.test.ts", title: "one correlator killed" }],
  },
  {
    part: "all correlators dead",
    on: "many",
    users:
      "what may complete a chain is held or refused after 2 s, as its rule says (`unavailable`); what brings tags or redefines names waits",
    goesOn: "reads, also of tagged data, and work that completes nothing",
    log: "holds because of `correlator.unavailable`; after the return chains over everything that happened",
    tests: [many("no correlator"), { file: "test/cluster/cluster.kafka.test.ts", title: "one correlator killed" }],
  },
  {
    part: "projector and api",
    on: "both",
    users: "nobody can answer, log in or get a Grant until it is back; console logins begin again",
    goesOn: "commands; what is held waits as long as its hold allows and can be answered after the return",
    log: "nothing is missing, nothing twice; timelines catch up",
    tests: [
      one("projector and api dead"),
      many("projector and api dead"),
      { file: "test/bad-input/running.test.ts", title: "the store's process killed" },
    ],
  },
  {
    part: "ClickHouse away, read-only or slow",
    on: "both",
    users: "timelines, sessions and search say 503 `store.unavailable`, or are late",
    goesOn: "commands, holds, approvals, Grants, blocks, alerts",
    log: "`sink.failed` and `sink.recovered` of `store`; timelines become whole, nothing twice",
    tests: [
      one("ClickHouse away"),
      { file: "test/store/failure.test.ts", title: "takes the rows but answers too late" },
    ],
  },
  {
    part: "identity provider",
    on: "both",
    users: "no new login; when it is back with new keys, tokens under its old ones are refused",
    goesOn:
      "open sessions, Grants, new sessions with a Grant, tokens and console logins until they end; new keys are believed within ten seconds",
    log: "nothing: nobody logged in",
    tests: [one("identity provider away")],
  },
  {
    part: "approver absent",
    on: "both",
    users: "the command waits as long as its hold allows, then is refused with 42501 and where to ask",
    goesOn: "the session; the same command runs once when it is sent again after an approval",
    log: "`command.held`, `approval.asked`, and `approval.answered` or `approval.expired`",
    tests: [one("approver absent")],
  },
  {
    part: "target away, or restarted under a session",
    on: "both",
    users: "open sessions end (57P01 or 08006), new ones are refused with 08006 until it is back",
    goesOn: "other targets; the gateway",
    log: "`session.closed`; a command that ran has no finish: outcome unknown",
    tests: [one("target away")],
  },
  {
    part: "receiver of alerts",
    on: "both",
    users: "the SOC hears late",
    goesOn: "everything; each alert waits for the receiver in the log, under the same id",
    log: "`alert.raised` at once; after four tries `sink.failed`, then `sink.recovered`",
    tests: [
      one("receiver of alerts away"),
      { file: "test/alerts/alerts.test.ts", title: "each receiver has its own way" },
    ],
  },
  {
    part: "object storage (session keys, blobs)",
    on: "both",
    users:
      "no new session (58030); a command whose text is over 8 KiB is not run and ends its session (58000); timelines are late",
    goesOn: "open sessions, and every command with a shorter text",
    log: "`session.refused`; `sink.failed` and `sink.recovered` of `store`; no text is missing when the storage is back",
    tests: [one("object storage away")],
  },
  {
    part: "clock jumps",
    on: "both",
    users: "nothing; a gateway whose clock jumped ahead refuses tagged work for a heartbeat (1 s)",
    goesOn:
      "everything; the log's own time never goes back; staleness and liveness are measured by clocks that nobody sets",
    log: "a jump ahead by over a minute is an alert (`clock.jumped`) on one machine; with many the brokers' clock counts",
    tests: [one("the clock jumps"), many("a gateway's clock jumps ahead"), many("Kafka dead")],
  },
];

const onWords = { one: "one machine", many: "many", both: "both" } as const;

/** As it stands in README.md, line ends included. */
export function readmeTable(): string {
  const lines = rows.map(({ part, on, users, goesOn, log, tests }) => {
    const files = [...new Set(tests.map(({ file }) => `\`${file.replace(/^test\//, "")}\``))].join(", ");
    return `| ${part} | ${onWords[on]} | ${users} | ${goesOn} | ${log} | ${files} |`;
  });
  return [
    "| part | on | what users see, what is refused | what goes on | what the log says afterwards | in `test/` |",
    "|---|---|---|---|---|---|",
    ...lines,
    "",
  ].join("\n");
}

if (import.meta.main) process.stdout.write(readmeTable());
