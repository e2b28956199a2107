/** The page of all fields that a rule can name, made from schemas/fields.ts. */
import { type Field, fields, type Knowledge } from "../../schemas/fields.ts";

const types: Readonly<Record<Field["type"], string>> = {
  text: "text",
  texts: "list of texts",
  number: "number",
  boolean: "true, false",
  time: "date and time",
};

const known: readonly (readonly [Knowledge, string, string])[] = [
  ["intent", "Known before the command runs", "A condition on these decides before anything happens."],
  [
    "late",
    "Known when the command has finished",
    "Until then a condition on these counts as true: a step that asks for `rows` is held as if there were enough.",
  ],
  ["plain", "Only in plain events", "What `throughline rules run` reads from a file, beside every field above."],
];

function section([when, title, about]: (typeof known)[number]): string[] {
  const rows = (fields as readonly Field[])
    .filter((field) => field.known === when)
    .map(({ name, type, from, about: what, values }) => {
      const closed = values === undefined || type === "boolean" ? "" : `: ${values.join(", ")}`;
      return `| \`${name}\` | ${types[type]} | ${`${what}${closed}`.replaceAll("|", "\\|")} | ${from} |`;
    });
  return [`## ${title}`, "", about, "", "| field | type | what | from |", "|---|---|---|---|", ...rows, ""];
}

export function fieldsPage(): string {
  return [
    "# Fields that a Sigma rule can name",
    "",
    "Made from [fields.ts](fields.ts) by `make pages`. Over live events any other name is refused when the rule is loaded, because it could never",
    "match. In `throughline rules run` every field of a line counts by its name (objects inside become dotted names), and lines of other products",
    "need no `operation`.",
    "",
    "- Texts are compared without regard to case unless the rule says `cased`. Of a list one value that matches is enough; `all` asks for several.",
    "- Case is taken off letter by letter, and a capital Σ at the end of a word becomes ς: `contains: 'ΟΔΟΣ'` does not find it inside a longer word.",
    "- Of an object in a plain event only its dotted names are fields: `exists` asks for one of these. `$` in an expression is the very end of the text.",
    "- A missing field matches nothing but `null`, `exists: false` and what is negated (`not`, `neq`). An empty text is not missing.",
    "- A command has one or more effects; `operation`, `reads`, `writes`, `ends`, `destroys`, `resource` and `tags` are those of one effect, and a rule",
    "  matches when one effect answers all of it.",
    "- Of an opaque command (one that could not be read) these may have any value, and `tags` those of all that it may touch (of a plain event: of what its",
    "  line names): a condition on them may be true, never for certain.",
    "- `time` takes `hour`, `day`, `week` … : `time|hour|gte: 22`.",
    "- A keyword (a list without a field) is looked for in the texts known before a command runs, ids left out, and in the further fields of a plain event.",
    "- `chain.lineage` and `chain.actor` tie several events: they stand under `group-by` of a correlation, not in a detection.",
    "- Statement text and parameters are no fields: they are kept encrypted, and rules match what a statement does.",
    "",
    "How a rule, its chain and its tests are written: [RULES.md](RULES.md).",
    "",
    "An editor with a YAML language server completes and checks these names, modifiers and keys: write as the first line of a rule file",
    "`# yaml-language-server: $schema=<path or URL of schemas/rule.schema.json>`, or map `rules/*.yml` to that schema in the editor's settings.",
    "What the schema cannot say (names of other rules, conditions, regular expressions) `throughline rules test` says with file, line and key.",
    "",
    ...known.flatMap(section),
  ].join("\n");
}
