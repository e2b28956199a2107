/**
 * The words of inline tests: what a line of `given` or `when` may say, and what that means. The reader of scenes knows no
 * other, and the page for people (schemas/RULES.md) is made from here.
 */
import type { Operation } from "./command.ts";

/** Of transactions: without resources. */
export const sceneControls = ["begin", "commit", "rollback"] as const;
/** What is done with an approval, whose name stands where a resource would. */
export const sceneApprovals = ["ask", "approve", "refuse"] as const;
export type SceneWord = Operation | (typeof sceneControls)[number] | (typeof sceneApprovals)[number];

/** In SQL's words, and what stands behind the operation. */
export const sceneOperations: Readonly<Record<SceneWord, { readonly form: string; readonly about: string }>> = {
  read: { form: "what is read", about: "SELECT" },
  write: {
    form: "what is written, or `read -> written`",
    about: "INSERT, COPY in, UPDATE (with `destroys=true` where it overwrites)",
  },
  transform: {
    form: "`read -> written`",
    about: "reads one and writes another: INSERT … SELECT, CREATE TABLE AS, COPY to a file of the server",
  },
  delete: { form: "what is deleted from, or `read -> deleted from`", about: "DELETE; with `ends=` TRUNCATE" },
  define: { form: "what is made or changed, or `read -> made`", about: "CREATE, ALTER; with `ends=` DROP" },
  grant: { form: "what is granted", about: "GRANT; with `statement=REVOKE` REVOKE" },
  execute: { form: "nothing, or what it reads, or `read -> written`", about: "CALL, DO, a function" },
  transfer: {
    form: "what is read, or `read -> written`",
    about: "data leaves: COPY to the client, pg_dump, an export",
  },
  connect: { form: "nothing, or a target", about: "a connection, dblink" },
  begin: { form: "nothing", about: "BEGIN: what follows in this session lasts only with its commit" },
  commit: { form: "nothing", about: "COMMIT" },
  rollback: { form: "nothing", about: "ROLLBACK" },
  ask: { form: "a name for the approval", about: "somebody asks for an approval" },
  approve: { form: "the approval's name", about: "somebody answers it with yes" },
  refuse: { form: "the approval's name", about: "somebody answers it with no" },
};

interface SceneKey {
  /** What its value looks like; absent = any text without spaces. */
  readonly form?: { readonly pattern: RegExp; readonly words: string };
  readonly about: string;
  /** Where it may stand: `any` line, one of a `command` and its transaction, one with `effects`, one that has `run`. */
  readonly on: "any" | "command" | "effects" | "run";
}

const truth = { pattern: /^(true|false)$/, words: "true or false" };
const whole = { pattern: /^[0-9]{1,15}$/, words: "a whole number such as 500" };

export const sceneKeys: Readonly<Record<string, SceneKey>> = {
  identity: { on: "any", about: "who; unless said, somebody called as the account is" },
  onbehalfof: { on: "any", about: "identities that it acts for, joined by commas" },
  task: { on: "any", about: "the task it is done for; unless said, none" },
  parent: { on: "any", about: "the task that `task` belongs to" },
  session: { on: "any", about: "the connection; unless said, one per account" },
  address: { on: "any", about: "the client's address" },
  role: { on: "command", about: "the role in force (SET ROLE)" },
  trace: { on: "command", about: "trace id in a comment" },
  statement: {
    on: "command",
    about:
      "words of the SQL, joined by commas, `_` for a space: `GRANT`, `DROP_TABLE`; unless said, the operation in capitals",
  },
  fingerprint: { on: "command", about: "digest of the text" },
  content: {
    on: "effects",
    about: "names of your own for values, joined by commas: what reads shows them, what writes brings them back",
  },
  ends: { on: "effects", about: "which of what it writes is emptied or dropped, joined by commas" },
  destroys: {
    on: "effects",
    form: truth,
    about: "existing content is removed or overwritten; unless said, true for `delete` and where something ends",
  },
  opaque: { on: "effects", form: truth, about: "it could not be read; unless said, false" },
  rows: { on: "run", form: whole, about: "rows returned or changed; unless said, 1, and 0 after an error" },
  bytes: { on: "run", form: whole, about: "bytes returned; unless said, 0" },
  outcome: {
    on: "run",
    form: { pattern: /^(ok|error)$/, words: "ok or error" },
    about: "`error`: what it wrote did not last; unless said, ok",
  },
};
