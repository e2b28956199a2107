/** The page for people who write rules: an example that is tried, every key of ours, and the notation of inline tests. */
import { type LinkKind, linkKinds } from "../../schemas/chain.ts";
import { chainKeySchema, inlineTestsSchema } from "../../schemas/rule.ts";
import { sceneKeys, sceneOperations } from "../../schemas/scene.ts";

/** Four rules in one file, tried by test/rules/pages.test.ts. */
export const example = `title: Customers read
name: customers_read
logsource: { product: throughline, category: command }
detection:
  selection: { operation: read, tags: pii }
  condition: selection
---
title: Customers written to a file
name: customers_to_file
logsource: { product: throughline, category: command }
detection:
  selection: { operation: transfer, tags: pii }
  condition: selection
---
title: A table dropped
name: table_dropped
logsource: { product: throughline, category: command }
detection:
  selection: { "ends|exists": true }
  condition: selection
---
title: Customers read, written to a file and dropped by three accounts
name: read_file_drop
level: high
correlation:
  type: temporal_ordered
  rules: [customers_read, customers_to_file, table_dropped]
  timespan: 2h
x-chain:
  links:
    - { from: customers_read, to: customers_to_file, by: [lineage, task] }
    - { from: customers_to_file, to: table_dropped, by: [lineage, task] }
  distinct: { field: account, min: 3 }
  gate: { action: hold, approvers: [data-owners], wait: 15m }
tests:
  - name: three accounts
    given: |
      0s   analyst  read      orders/public.customers  rows=500
      20m  backup   transfer  orders/public.customers -> bucket/exports.customers
    when: 1h  cleaner  define  orders/public.customers  ends=orders/public.customers
    expect: hold
  - name: two accounts
    given: |
      0s   analyst  read      orders/public.customers
      20m  backup   transfer  orders/public.customers
    when: 1h  backup  define  orders/public.customers  ends=orders/public.customers
    expect: allow
  - name: too late
    given: |
      0s   analyst  read      orders/public.customers
      20m  backup   transfer  orders/public.customers
    when: 3h  cleaner  define  orders/public.customers  ends=orders/public.customers
    expect: allow
`;

export const catalogExample = `- { resource: "*/public.customers", tags: [pii] }
`;
export const eventsExample = `{"id":"e1","time":"2026-01-01T10:00:00Z","account":"analyst","operation":"read","reads":["orders/public.customers"],"rows":500}
{"id":"e2","time":"2026-01-01T10:20:00Z","account":"backup","operation":"transfer","reads":["orders/public.customers"]}
{"id":"e3","time":"2026-01-01T11:00:00Z","account":"cleaner","operation":"define","writes":["orders/public.customers"],"ends":["orders/public.customers"]}
`;
export const firingExample = `{"rule":"read_file_drop","event":"e3","action":"hold","chain":["e1","e2","e3"]}`;

const links: Readonly<Record<LinkKind, string>> = {
  flow: "the later one touches what the earlier one wrote, or a place where that has gone since",
  lineage: "both touch data that comes from the same tagged place",
  resource: "they touch the same table, or one contains the other, tagged or not",
  actor:
    "one person or program: the same identity, one that acts for the other, one private key, or a link by a person (`throughline links`)",
  task: "the same task, or one belongs to the other",
  account: "the same account",
  identity: "the same identity",
  trace: "the same trace id in a comment of the statement; weak",
  address: "the same client address, unless many share it; weak",
  content: "tagged values that one was shown came in with the other; weak",
};

interface Described {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

const cell = (text: string) => text.replaceAll("|", "\\|");

function keyRows(properties: Readonly<Record<string, unknown>>, before = ""): string[] {
  return Object.entries(properties).flatMap(([key, value]) => {
    const { description = "", properties: inside = {} } = value as Described;
    const below = key === "gate" ? keyRows(inside, `${before}${key}.`) : [];
    return [`| \`${before}${key}\` | ${cell(description)} |`, ...below];
  });
}

const table = (head: string, rows: readonly string[]) => [head, head.replaceAll(/[^|]+/g, "---"), ...rows, ""];

export function rulesPage(): string {
  const tests = (inlineTestsSchema as unknown as { items: { properties: Readonly<Record<string, unknown>> } }).items;
  return [
    "# Writing a rule",
    "",
    "Made from [rule.ts](rule.ts) and [scene.ts](scene.ts) by `make pages`. A rule file holds Sigma rules, one YAML document each, with `---` between them. Save this as",
    "`read-file-drop.yml` and run `throughline rules test read-file-drop.yml`:",
    "",
    "```yaml",
    `${example}\`\`\``,
    "",
    "The first three are steps: Sigma detections over one command each ([every field](FIELDS.md)). `tags` are what `catalog.yaml` says of the data, and travel with it: here a",
    "resource called `*/public.customers` is `pii`. The last is a Sigma correlation, whose `type` is `temporal_ordered`, `temporal`, `event_count`, `value_count`, `value_sum`,",
    "`value_avg` or `value_percentile`. A rule that another names as a step does not fire by itself (`generate: true` lets it). `throughline rules explain FILE` says a rule in words.",
    "To put it in force, copy the file into the folder that `rules:` of the configuration names and send SIGHUP; `throughline rules replay FILE --since 30d` says before what it would have held.",
    "",
    "## x-chain",
    "",
    "What Sigma cannot say. Counting correlations take `mode`, `gate`, `unless` and `group-by-null` only.",
    "",
    ...table("| key | what it says |", keyRows(chainKeySchema.properties)),
    "A duration is a number and s, m, h, d, w, M or y. Under `by` of a link:",
    "",
    ...table(
      "| by | two steps are tied when |",
      linkKinds.map((kind) => `| \`${kind}\` | ${links[kind]} |`),
    ),
    "Under `group-by` of the correlation all steps agree in a field; `chain.lineage` there is one tagged place that the data of all of them comes from, `chain.actor` one actor. Evidence that is",
    "weak (also whatever goes by way of a command that could not be read) may hold, never block.",
    "",
    "## Tests",
    "",
    "`tests:` stands in the rule that is to fire. Each is played by itself, with all rules of the files but only this rule's answer counted:",
    "",
    ...table("| key | what it says |", keyRows(tests.properties)),
    "A line of `given`, and the one of `when`, is one command:",
    "",
    "```",
    "time  account  operation  [resources]  [-> resources]  [key=value …]",
    "",
    "0s    extract    read       orders/public.customers                            rows=500",
    "60s   transform  transform  orders/public.customers -> orders/public.staging   task=t1",
    "1h5m  load       delete     orders/public.staging,orders/public.old            task=t1 identity=mallory",
    "```",
    "",
    "- `time` counts from the start: `0s`, `90s`, `1h30m`, `2d`. It never goes back.",
    "- A resource is `target/schema.table`, or `target/schema.table#column`; several are joined by commas. A name has no spaces.",
    "- Keys stand behind the resources, without quotes and without spaces. A line that begins with `#` is a comment.",
    "- What stands under `given` was allowed and has finished at once. What stands under `when` is only asked, so `rows`, `bytes` and `outcome` are not known of it yet; a condition on them counts as true there, and a `value_*` over them counts what has run.",
    "- One mistake in a line, and the test has failed: it says file, line and what to write.",
    "",
    ...table(
      "| operation | resources | such as |",
      Object.entries(sceneOperations).map(([word, { form, about }]) => `| \`${word}\` | ${form} | ${about} |`),
    ),
    ...table(
      "| key | what it says |",
      Object.entries(sceneKeys).map(
        ([key, { form, about }]) => `| \`${key}=\` | ${form === undefined ? "" : `${form.words}: `}${cell(about)} |`,
      ),
    ),
    "## On events of your own",
    "",
    "`throughline rules run read-file-drop.yml --catalog catalog.yaml events.ndjson` asks the same rules about a file, one event a line in the order of time, with nothing running. `catalog.yaml`",
    "says what is tagged (`*` stands for anything), of the events any [field](FIELDS.md) may be there; each was allowed and has finished.",
    "",
    "```yaml",
    `${catalogExample}\`\`\``,
    "",
    "```json",
    `${eventsExample}\`\`\``,
    "",
    `prints \`${firingExample}\`, and with \`rules explain read-file-drop.yml --catalog catalog.yaml --events events.ndjson --event e3\` why, or what an event misses.`,
    "",
  ].join("\n");
}
