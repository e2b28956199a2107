/**
 * `make prove`: breaks the code that keeps a promise, in a copy, and demands that the promise's tests fail. A promise
 * whose tests pass on broken code is not kept by them.
 *
 * Each entry says which promise (README, "What is promised"), what is broken, and which tests must notice.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const waitMsMax = 45_000;

interface Break {
  readonly promise: string;
  readonly what: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly tests: string;
}

const breaks: readonly Break[] = [
  {
    promise: "1 no effect without a record",
    what: "results leave before their record is durable",
    file: "services/gateway/postgres/withhold.ts",
    from: "if (!this.#parts.isDurable(piece.ticket)) break;",
    to: "",
    tests: "test/proxy/record.test.ts",
  },
  {
    promise: "1 no effect without a record",
    what: "everything is forwarded before its record is durable",
    file: "services/gateway/postgres/judged.ts",
    from: "if (!reading.undoable) return false;",
    to: "return true;",
    tests: "test/proxy/record.test.ts",
  },
  {
    promise: "2 unknown means everything",
    what: "what the grammar refuses is harmless",
    file: "services/gateway/effects/sql.ts",
    from: "if (refused !== null) return opaqueReading(text, refused, bodies, names, bounds);",
    to: "if (refused !== null) return finish(new ReadingDraft(), bodies.catalog, names, '', bounds);",
    tests: "test/effects/meaning.test.ts",
  },
  {
    promise: "2 unknown means everything",
    what: "a command that cannot be read is let through",
    file: "services/gateway/deny.ts",
    from: "if (reading.opaque !== null) return strictest(verdict, opaqueVerdict(parts, session, reading.opaque));",
    to: "if (reading.opaque !== null) return verdict;",
    tests: "test/gate/deny.test.ts",
  },
  {
    promise: "2 unknown means everything",
    what: "an UPDATE moves nothing that is said",
    file: "services/gateway/effects/assignments.ts",
    from: "env.effect.flow(from, sinkOf(relation, name, env));",
    to: "",
    tests: "test/effects/arrivals.test.ts",
  },
  {
    promise: "3 refused means untouched",
    what: "a refused command is sent all the same",
    file: "services/gateway/postgres/judged.ts",
    from: "return refuse(talk, request.type, refusal(judgement.command, judgement.verdict));",
    to: "return run(talk, request, judgement);",
    tests: "test/proxy/refusal.test.ts",
  },
  {
    promise: "4 an approval is one command, once",
    what: "an approval is for any text",
    file: "services/gateway/approve.ts",
    from: "const exact = [text, parameters, parameterTypes, uses, reading.resolution, lasting];",
    to: "const exact = [lasting];",
    tests: "test/gate/approve.test.ts",
  },
  {
    promise: "4 an approval is one command, once",
    what: "those in the chain may answer",
    file: "services/gateway/approvals.ts",
    from: "if (this.#people.linkedTo([...asked.excluded, asked.identity]).includes(data.by))",
    to: "if (asked.identity === 'nobody')",
    tests: "test/gate/approvers.test.ts",
  },
  {
    promise: "7 the log never un-masks",
    what: "passwords in texts are recorded",
    file: "services/gateway/record.ts",
    from: "const sealed = this.#seal(session, withoutPasswords(text));",
    to: "const sealed = this.#seal(session, text);",
    tests: "test/gate/record.test.ts",
  },
  {
    promise: "7 the log never un-masks",
    what: "masked columns leave as they are",
    file: "services/gateway/mask.ts",
    from: 'return shown.filter(({ answer }) => answer.ruling !== "allow").map(({ resource }) => resource);',
    to: "return [];",
    tests: "test/gate/deny.test.ts",
  },
  {
    promise: "8 same log, same answers",
    what: "a hunt in the store follows data one copy far and no further",
    file: "infra/hunt/lineage-sql.ts",
    from: "HAVING known.best = 0 OR first < known.best",
    to: "HAVING 0",
    tests: "test/store/hunt.test.ts",
  },
  {
    promise: "8 same log, same answers",
    what: "a state that differs from its digest is taken",
    file: "services/correlator/outputs.ts",
    from: "return made === recorded ? null : ",
    to: "return made !== '' ? null : ",
    tests: "test/correlator/replay.test.ts",
  },
  {
    promise: "6 secrets stay inside",
    what: "a key that was given up signs what comes after it",
    file: "infra/log/sources.ts",
    from: "upTo <= until[stream]",
    to: "stream in until",
    tests: "test/keys/rotation.test.ts",
  },
  {
    promise: "5 loss is an event",
    what: "the projector goes on behind records that the store did not take",
    file: "services/projector/project.ts",
    from: "if (!isAway(error)) throw error;",
    to: "if (!isAway(error)) break;",
    tests: "test/store/projector.test.ts",
  },
  {
    promise: "5 loss is an event",
    what: "a store says that records are in whose axes are not",
    file: "infra/store/rows.ts",
    from: "].filter(({ rows }) => rows > 0);",
    to: "].filter(({ rows }) => rows > 0).reverse();",
    tests: "test/store/failure.test.ts",
  },
  {
    promise: "tenants",
    what: "a store takes records of another tenant",
    file: "infra/store/clickhouse.ts",
    from: "if (foreign) throw new ThroughlineError(",
    to: "if (foreign && !tenant) throw new ThroughlineError(",
    tests: "test/store/failure.test.ts",
  },
];

const root = join(import.meta.dirname, "..", "..");
const copy = mkdtempSync(join(tmpdir(), "throughline-prove-"));
let unproven = 0;
try {
  for (const folder of ["schemas", "infra", "services", "test", "package.json", "tsconfig.json"]) {
    cpSync(join(root, folder), join(copy, folder), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  for (const one of breaks) if (!prove(one)) unproven += 1;
} finally {
  rmSync(copy, { recursive: true });
}
console.log(
  unproven === 0 ? `prove: ${breaks.length} broken, ${breaks.length} noticed` : `prove: ${unproven} not noticed`,
);
process.exitCode = unproven === 0 ? 0 : 1;

function prove({ promise, what, file, from, to, tests }: Break): boolean {
  const path = join(copy, file);
  const text = readFileSync(path, "utf8");
  if (text.split(from).length !== 2) {
    console.log(`  ✗ ${promise}: ${file} no longer has exactly one "${from.slice(0, 60)}"`);
    return false;
  }
  writeFileSync(
    path,
    text.replace(from, () => to),
  );
  const words = ["--test", "--test-timeout=5000", tests];
  const run = spawnSync(process.execPath, words, { cwd: copy, encoding: "utf8", timeout: waitMsMax });
  writeFileSync(path, text);
  // A test that waits for ever has noticed too; a file that cannot even be loaded has noticed nothing.
  const loads = !/SyntaxError|ERR_MODULE_NOT_FOUND/.test(run.stdout + run.stderr);
  const failed = loads && run.status !== 0;
  console.log(`  ${failed ? "✓" : "✗"} ${promise}: ${what} → ${tests} ${failed ? "fails" : "DOES NOT FAIL"}`);
  return failed;
}
