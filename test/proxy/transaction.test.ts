/** The transaction follower: what is proven undone, what lasts, what a COMMIT would make lasting. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CommandId, TransactionControl } from "../../schemas/command.ts";
import { commitReading } from "../../services/gateway/postgres/opaque.ts";
import { type Step, Transaction } from "../../services/gateway/postgres/transaction.ts";
import { effect, reading } from "./doubles.ts";

function step(id: string, control: TransactionControl = { kind: "none" }, partial: Partial<Step> = {}): Step {
  const effects = control.kind === "none" ? [effect("write", `orders/public.${id}`)] : [];
  return { id: id as CommandId, control, effects, opaque: false, undoable: true, approved: null, ...partial };
}
const begin = step("begin", { kind: "begin" });
const commit = step("commit", { kind: "commit" });
const rollback = step("rollback", { kind: "rollback" });
const savepoint = (name: string): Step => step("sp", { kind: "savepoint", name });
const rollbackTo = (name: string): Step => step("to", { kind: "rollback-to", name });
const committed = (transaction: Transaction): string[] => transaction.commits().map(({ command }) => command);

function opened(): Transaction {
  const transaction = new Transaction("I");
  transaction.ran(begin, "BEGIN");
  transaction.ready("T");
  return transaction;
}

test("an autocommitted write lasts at ReadyForQuery, a read has nothing to last", () => {
  const transaction = new Transaction("I");
  assert.deepEqual(transaction.ran(step("w"), "INSERT 0 1"), { undone: [], lasted: [] });
  assert.deepEqual(transaction.ready("I").lasted, ["w"]);
  transaction.ran(step("r", { kind: "none" }, { effects: [effect("read")] }), "SELECT 1");
  assert.deepEqual(transaction.ready("I"), { undone: [], lasted: [] });
});

test("COMMIT makes everything since BEGIN last; ROLLBACK undoes it", () => {
  const one = opened();
  one.ran(step("a"), "INSERT 0 1");
  one.ran(step("b"), "DELETE 1");
  assert.deepEqual(committed(one), ["a", "b"]);
  assert.deepEqual(one.ran(commit, "COMMIT").lasted, ["a", "b"]);
  const other = opened();
  other.ran(step("a"), "INSERT 0 1");
  assert.deepEqual(other.ran(rollback, "ROLLBACK").undone, ["a"]);
});

test("ROLLBACK TO undoes what ran after the savepoint, and the savepoint stays", () => {
  const transaction = opened();
  transaction.ran(step("a"), "INSERT 0 1");
  transaction.ran(savepoint("s"), "SAVEPOINT");
  transaction.ran(step("b"), "INSERT 0 1");
  transaction.ran(savepoint("s2"), "SAVEPOINT");
  transaction.ran(step("c"), "INSERT 0 1");
  assert.deepEqual(transaction.ran(rollbackTo("s"), "ROLLBACK").undone, ["b", "c"]);
  transaction.ran(step("d"), "INSERT 0 1");
  assert.deepEqual(transaction.ran(rollbackTo("s2"), "ROLLBACK").undone, []);
  assert.deepEqual(committed(transaction), ["a", "d"]);
  assert.deepEqual(transaction.ran(rollbackTo("s"), "ROLLBACK").undone, ["d"]);
});

test("a released savepoint's work belongs to the transaction", () => {
  const transaction = opened();
  transaction.ran(savepoint("s"), "SAVEPOINT");
  transaction.ran(step("a"), "INSERT 0 1");
  transaction.ran(step("rel", { kind: "release", name: "s" }), "RELEASE");
  assert.deepEqual(committed(transaction), ["a"]);
});

test("the COMMIT of a failed transaction rolls back, and commits nothing", () => {
  const transaction = opened();
  transaction.ran(step("a"), "INSERT 0 1");
  assert.deepEqual(transaction.failed(step("b")).undone, ["b"]);
  transaction.ready("E");
  assert.deepEqual(transaction.commits(), []);
  assert.deepEqual(transaction.ran(commit, "ROLLBACK"), { undone: ["a"], lasted: [] });
});

test("a COMMIT that fails itself has undone everything", () => {
  const transaction = opened();
  transaction.ran(step("a"), "INSERT 0 1");
  assert.deepEqual(transaction.failed(commit).undone, []);
  assert.deepEqual(transaction.ready("I"), { undone: ["a"], lasted: [] });
});

test("an error in a pipeline undoes what its implicit transaction did before", () => {
  const transaction = new Transaction("I");
  transaction.ran(step("a"), "INSERT 0 1");
  assert.deepEqual(transaction.failed(step("b")).undone, ["b"]);
  assert.deepEqual(transaction.ready("I").undone, ["a"]);
});

test("what ran before BEGIN in one pipeline belongs to the transaction it opens", () => {
  const transaction = new Transaction("I");
  transaction.ran(step("a"), "INSERT 0 1");
  transaction.ran(begin, "BEGIN");
  transaction.ready("T");
  assert.deepEqual(committed(transaction), ["a"]);
});

test("after an opaque command nothing before it is proven: neither undone nor lasting", () => {
  const transaction = opened();
  transaction.ran(step("a"), "INSERT 0 1");
  transaction.ran(step("x", { kind: "none" }, { opaque: true, undoable: false }), "DO");
  transaction.ran(step("b"), "INSERT 0 1");
  assert.deepEqual(committed(transaction), ["a", "x", "b"]);
  assert.deepEqual(transaction.ran(rollback, "ROLLBACK").undone, ["b"]);
  assert.deepEqual(transaction.ready("I"), { undone: [], lasted: [] });
});

test("an approved effect keeps its approval at COMMIT; a repeated reading is one effect", () => {
  const transaction = opened();
  const shared = [effect("write")];
  for (const id of ["a", "b", "c"]) transaction.ran(step(id, { kind: "none" }, { effects: shared }), "INSERT 0 1");
  const approved = { rule: "r", before: ["e1"] };
  transaction.ran(step("d", { kind: "none" }, { effects: shared, approved }), "DELETE 1");
  assert.deepEqual(transaction.commits(), [
    { command: "c", effect: shared[0] },
    { command: "d", effect: shared[0], approved },
  ]);
});

test("commands that differ in the values of their texts only are one effect at COMMIT; any other difference is kept", () => {
  const transaction = opened();
  const ran = (id: string, like: string, resource = "orders/public.t") =>
    transaction.ran(step(id, { kind: "none" }, { effects: [effect("write", resource)], like }), "INSERT 0 1");
  for (let i = 0; i < 1_000; i++) ran(`i${i}`, "insert");
  ran("update", "update");
  ran("elsewhere", "insert", "orders/public.u");
  transaction.ran(savepoint("a"), "SAVEPOINT");
  ran("last", "insert");
  assert.deepEqual(committed(transaction), ["last", "update", "elsewhere"]);
  transaction.ran(rollbackTo("a"), "ROLLBACK");
  assert.deepEqual(committed(transaction), ["i999", "update", "elsewhere"]);
  assert.equal(transaction.ran(commit, "COMMIT").lasted.length, 1_002);
});

test("a COMMIT of very many different effects can be read", () => {
  const commits = Array.from({ length: 200_000 }, (_, i) => ({
    command: `c${i}`,
    effect: effect("write", `orders/t${i}`),
  }));
  assert.equal(commitReading(reading({ transaction: { kind: "commit" } }), commits).effects.length, 200_000);
});

test("every followed write ends exactly once, undone or lasting, whatever the order (law)", () => {
  const act = fc.oneof(
    fc.constant("write"),
    fc.constant("begin"),
    fc.constant("commit"),
    fc.constant("rollback"),
    fc.constant("fail"),
    fc.constantFrom("savepoint a", "savepoint b", "rollback-to a", "rollback-to b", "release a"),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
      const model = new Model();
      for (const [i, name] of acts.entries()) model.play(name, `w${i}`);
      model.play("rollback", "end");
      assert.deepEqual([...model.undone].sort(), [...model.expectedUndone].sort());
      assert.deepEqual([...model.lasted].sort(), [...model.expectedLasted].sort());
    }),
  );
});

/** What PostgreSQL does, said plainly: levels of writes that fall or last together. */
class Model {
  readonly undone: string[] = [];
  readonly lasted: string[] = [];
  readonly expectedUndone: string[] = [];
  readonly expectedLasted: string[] = [];
  readonly #transaction = new Transaction("I");
  #status: "I" | "T" | "E" = "I";
  #levels: { name: string; writes: string[] }[] = [];

  play(act: string, id: string): void {
    const [kind = "", name = ""] = act.split(" ");
    const fails = kind === "fail" || this.#refused(kind, name);
    const control = (kind === "write" || kind === "fail" ? { kind: "none" } : { kind, name }) as TransactionControl;
    const one = step(id, control);
    const tag = kind === "commit" && this.#status === "E" ? "ROLLBACK" : kind.toUpperCase();
    const first = fails ? this.#transaction.failed(one) : this.#transaction.ran(one, tag);
    if (fails) this.#fail(control.kind === "none" ? id : null);
    else this.#act(kind, name, id);
    const second = this.#transaction.ready(this.#status);
    this.undone.push(...first.undone, ...second.undone);
    this.lasted.push(...first.lasted, ...second.lasted);
  }

  #refused(kind: string, name: string): boolean {
    if (this.#status === "E") return !["commit", "rollback", "rollback-to"].includes(kind) || this.#missing(kind, name);
    return this.#missing(kind, name) || (kind === "savepoint" && this.#status === "I");
  }

  #missing(kind: string, name: string): boolean {
    return ["rollback-to", "release"].includes(kind) && !this.#levels.some((level) => level.name === name);
  }

  #fail(id: string | null): void {
    if (id !== null) this.expectedUndone.push(id);
    if (this.#status === "T") this.#status = "E";
  }

  #act(kind: string, name: string, id: string): void {
    const all = this.#levels.flatMap((level) => level.writes);
    const at = this.#levels.findLastIndex((level) => level.name === name);
    if (kind === "write" && this.#status === "I") this.expectedLasted.push(id);
    else if (kind === "write") this.#levels.at(-1)!.writes.push(id);
    else if (kind === "begin" && this.#status === "I") {
      this.#status = "T";
      this.#levels = [{ name: "", writes: [] }];
    } else if (kind === "savepoint") this.#levels.push({ name, writes: [] });
    else if (kind === "rollback-to") {
      this.expectedUndone.push(...this.#levels.slice(at).flatMap((level) => level.writes));
      this.#levels.length = at;
      this.#levels.push({ name, writes: [] });
      this.#status = "T";
    } else if (kind === "release") {
      const kept = this.#levels.slice(at).flatMap((level) => level.writes);
      this.#levels.length = at;
      this.#levels.at(-1)!.writes.push(...kept);
    } else if (kind === "commit" || kind === "rollback") {
      const into = kind === "commit" && this.#status === "T" ? this.expectedLasted : this.expectedUndone;
      into.push(...all);
      this.#levels = [];
      this.#status = "I";
    }
  }
}
