/** The company of the corpus: its tables, what is tagged, and the DDL that makes them in a real PostgreSQL. No people here. */

export const target = "shop";
/** When its log begins. */
export const startMs = Date.UTC(2026, 0, 1);
const entities =
  "customers contacts addresses payments cards employees salaries candidates patients visits policies claims loans accounts" +
  " transfers donors members students grades tenants leases drivers trips guests bookings voters citizens passports" +
  " devices tokens subscriptions invoices tickets messages leads suppliers partners insurers witnesses heirs";

/** Original tables with tagged columns, in schema public. */
export const tagged: readonly string[] = entities.split(" ");
/** Those that a nightly pipeline copies to staging and mart, under the same name. */
export const managed: readonly string[] = tagged.slice(0, 20);
/** Original tables in which nothing is tagged. */
export const plain: readonly string[] = Array.from(
  { length: 40 },
  (_, index) => `app_${String(index).padStart(2, "0")}`,
);
/** Tables in schema scratch: anybody may make them; the catalog of the corpus knows all names from the start. */
export const scratchTables = 2_500;

export function scratchName(index: number): string {
  return `scratch.w${String(index % scratchTables).padStart(4, "0")}`;
}

/** What a person would write into catalog.yaml: columns of original tables, and nothing of their copies. */
export const catalogText = tagged
  .flatMap((table, index) => [
    `- { resource: "${target}/public.${table}#email", tags: [pii.email] }`,
    `- { resource: "${target}/public.${table}#secret", tags: [${index % 8 === 3 ? "card" : "pii.id"}] }`,
  ])
  .join("\n");

const columns = "id bigint PRIMARY KEY, name text, email text, secret text, note text, changed timestamptz";

/** Statements that make every name that any text of the corpus uses. */
export function ddl(): string {
  const table = (name: string) => `CREATE TABLE ${name} (${columns});`;
  const schemas = ["staging", "mart", "scratch"].map((schema) => `CREATE SCHEMA ${schema};`);
  const originals = [...tagged, ...plain].map((name) => table(`public.${name}`));
  const shadows = tagged.map((name) => table(`public.${name}_new`));
  const copies = managed.flatMap((name) => [table(`staging.${name}`), table(`mart.${name}`)]);
  const scratch = `DO $$ BEGIN FOR i IN 0..${scratchTables - 1} LOOP
    EXECUTE format('CREATE TABLE scratch.w%s (id bigint, name text, email text, secret text, note text, changed timestamptz)', lpad(i::text, 4, '0'));
    END LOOP; END $$;`;
  const code = "CREATE FUNCTION public.tidy(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN trim($1); END $$;";
  return [...schemas, ...originals, ...shadows, ...copies, code, scratch].join("\n");
}
