/** `make pages`: writes what is made from the schemas, so that it is never written by hand. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fieldsPage } from "./fields-page.ts";
import { ruleSchema } from "./rule-schema.ts";
import { rulesPage } from "./rules-page.ts";

const folder = join(import.meta.dirname, "../../schemas");

/** By name in schemas/. */
export const pages: Readonly<Record<string, () => string>> = {
  "FIELDS.md": fieldsPage,
  "RULES.md": rulesPage,
  "rule.schema.json": ruleSchema,
};

if (import.meta.main) for (const [name, make] of Object.entries(pages)) writeFileSync(join(folder, name), make());
