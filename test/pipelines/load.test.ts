/** `pipelines.yaml` as it is read: from beside the catalog into the log, and refused where it could exempt what nobody meant. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { stringify } from "yaml";
import { loadPipelines } from "../../infra/rules/pipeline.ts";
import { parseSchedule, windowAt } from "../../infra/rules/schedule.ts";
import { runRules } from "../../services/correlator/offline.ts";
import { testRules } from "../../services/correlator/rehearse.ts";
import { readPolicyFiles } from "../../services/main-policy.ts";
import { steps } from "../correlator/play.ts";
import { report, rule } from "./night.ts";

const load = (changes: object) => () => loadPipelines(stringify([{ ...report, ...changes }]), "pipelines.yaml");
const step = (changes: object) => load({ steps: [{ ...report.steps[0], ...changes }] });

describe("a declaration", () => {
  it("is refused with file, line and key", () => {
    assert.throws(
      load({ window: { cron: "0 25 * * *", for: "2h" } }),
      /pipelines\.yaml:\d+: 0\.window\.cron: the hour "25"/,
    );
    assert.throws(load({ window: { cron: "0 2 * *", for: "2h" } }), /window\.cron: has five fields/);
    assert.throws(load({ window: { cron: "0 2 * * *", for: "25h" } }), /window\.for: at most 24h/);
    assert.throws(load({ adresses: ["10.0.0.0/8"] }), /unknown key/);
    assert.throws(load({ addresses: ["10.0.0.1/8"] }), /addresses\.0: .*has bits after/);
    assert.throws(load({ addresses: [] }), /addresses/);
    assert.throws(step({ rows: undefined }), /steps\.0/);
    assert.throws(step({ reads: ["orders/public.*"] }), /steps\.0\.reads\.0: .*without \*/);
    assert.throws(step({ reads: ["orders"] }), /steps\.0\.reads\.0/);
    assert.throws(step({ reads: [], writes: [] }), /neither what it reads/);
    assert.throws(load({ steps: [report.steps[0], report.steps[0]] }), /steps\.1\.fingerprint: .*times/);
    assert.throws(() => loadPipelines(stringify([report, report]), "p.yaml"), /p\.yaml:\d+: 1\.name: .*twice/);
  });

  it("stands in the policy of the log, and a rule names only what is declared", async () => {
    const folder = await mkdtemp(join(tmpdir(), "throughline-pipelines-"));
    const at = { policy: join(folder, "policy.cedar"), catalog: join(folder, "catalog.yaml"), rules: folder };
    try {
      await writeFile(at.policy, "permit (principal, action, resource);");
      await writeFile(at.catalog, "[]");
      await writeFile(join(folder, "pipelines.yaml"), stringify([report]));
      const rules = join(folder, "rules");
      await mkdir(rules);
      await writeFile(join(rules, "a.yml"), `${steps}---\n${rule()}`);
      const { texts } = await readPolicyFiles({ ...at, rules });
      assert.equal(texts["pipelines.yaml"], stringify([report]));
      await rm(join(folder, "pipelines.yaml"));
      await assert.rejects(
        readPolicyFiles({ ...at, rules }),
        /x-chain\.unless: pipelines\.yaml declares no "nightly-report"/,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("may stand in the inline tests of a rule", () => {
    const inline = `tests:
  - name: the pipeline itself
    pipelines: ${JSON.stringify([{ ...report, window: { cron: "0 0 * * *", for: "2h" } }])}
    given: |
      0s report read orders/public.customers identity=svc-report fingerprint=aaaa address=10.2.0.1
      1m report transform orders/public.customers -> orders/public.report identity=svc-report fingerprint=bbbb address=10.2.0.1
    when: 2m clean delete orders/public.report identity=svc-clean fingerprint=cccc address=10.2.0.1
    expect: allow
  - name: the same by hand
    given: |
      0s report read orders/public.customers
      1m report transform orders/public.customers -> orders/public.report
    when: 2m clean delete orders/public.report
    expect: hold
`;
    const text = `${steps}---\n${rule()}${inline}`;
    assert.deepEqual(
      testRules([{ name: "a.yml", text }]).map(({ test, found }) => [test, found]),
      [
        ["the pipeline itself", "allow"],
        ["the same by hand", "hold"],
      ],
    );
  });
});

describe("plain events", () => {
  it("know no pipeline, and rules run says so", async () => {
    const warnings: string[] = [];
    const files = [{ name: "a.yml", text: `${steps}---\n${rule()}` }];
    const events = (async function* () {})();
    for await (const _ of runRules({ rules: files, catalog: null, events, warn: (line) => warnings.push(line) })) break;
    assert.deepEqual(warnings, ["nothing is exempt here, where no pipeline is declared: chain"]);
  });
});

describe("a schedule", () => {
  const at = (text: string, moment: string, hours = 2) => {
    const startedMs = windowAt(parseSchedule(text), Date.parse(moment), hours * 3_600_000);
    return startedMs === null ? null : new Date(startedMs).toISOString().slice(0, 16);
  };

  it("is cron's, in UTC", () => {
    assert.equal(at("0 2 * * *", "2026-03-29T03:59:59.999Z"), "2026-03-29T02:00");
    assert.equal(at("0 2 * * *", "2026-03-29T04:00:00Z"), null);
    assert.equal(at("0 2 * * *", "2026-03-29T01:59:59Z"), null);
    assert.equal(at("30 23 * * *", "2026-01-02T00:30:00Z"), "2026-01-01T23:30");
    assert.equal(at("*/20 * * * *", "2026-01-01T10:45:00Z"), "2026-01-01T10:40");
    assert.equal(at("0 2 * * 1-5", "2026-01-03T02:30:00Z"), null, "a Saturday");
    assert.equal(at("0 2 * * 0", "2026-01-04T02:30:00Z"), at("0 2 * * 7", "2026-01-04T02:30:00Z"));
    assert.equal(at("0 2 1 * 1", "2026-01-05T02:30:00Z"), "2026-01-05T02:00", "either day, where both are limited");
    assert.equal(at("0 2 29 2 *", "2028-02-29T02:00:00Z"), "2028-02-29T02:00");
  });

  it("refuses what it does not understand", () => {
    for (const text of [
      "",
      "@daily",
      "0 2 * * MON",
      "60 * * * *",
      "5-1 * * * *",
      "*/0 * * * *",
      "0 0 0 * *",
      "0 0 * * 8",
    ])
      assert.throws(() => parseSchedule(text), Error, text);
  });
});
