/**
 * What the clients of a run do: in lot after lot, decoys, then the first two steps of a chain by different accounts through
 * different gateways, then many tries to take the last one, plain, prepared, in transactions, at both gateways at once; some
 * approved by a person, most not. What a client has been answered is all it goes by.
 */
import { hash } from "node:crypto";
import type { GatewayName } from "../cluster/files.ts";
import type { Dice } from "../correlator/dice.ts";
import type { Asked, Attempt } from "./evidence.ts";
import type { Seat, Statement } from "./wire.ts";

export type Account = "extract" | "transform" | "load";
const gateways: readonly GatewayName[] = ["gw-a", "gw-b"];

export interface Crew {
  readonly seats: Record<Account, Record<GatewayName, Seat>>;
  readonly dice: Dice;
  readonly newMark: () => string;
  readonly keep: (attempt: Attempt) => void;
  /** A person says yes. @returns false when it could not be said */
  readonly approve: (approval: string) => Promise<boolean>;
  /** Of 100 tries that may be approved, how many are. */
  readonly approvedOf100: number;
  readonly isOver: () => boolean;
}

/** The rest of a run's time is left to whoever checks. @param tries of the last step per lot */
export async function playLots(crew: Crew, next: () => string | null, tries: number): Promise<void> {
  while (!crew.isOver()) {
    const lot = next();
    if (lot === null) return;
    await new Lot(crew, lot).play(tries);
  }
}

type Ran = Awaited<ReturnType<Seat["run"]>>;

const unguarded = { completing: false, shared: false, strict: false, relaxed: false };
const guarded = { ...unguarded, shared: true };

class Lot {
  readonly #crew: Crew;
  readonly #name: string;
  /** Both first steps were answered to their clients: from here on every destroying command completes a chain. */
  #isRipe = false;
  /** What was approved is asked again when its burst is over: a connection has one command at a time. */
  #again: (() => Promise<unknown>)[] = [];

  constructor(crew: Crew, name: string) {
    this.#crew = crew;
    this.#name = name;
  }

  async play(tries: number): Promise<void> {
    const { dice } = this.#crew;
    for (let count = dice(3); count > 0; count -= 1) await this.#decoy();
    const opening = dice(10);
    if (opening < 6) await this.#inTurn();
    else if (opening < 8) await this.#racing();
    else await this.#lateCommit();
    while (!this.#isRipe && !this.#crew.isOver()) await this.#inTurn();
    for (let left = tries; left > 0 && !this.#crew.isOver(); ) {
      const burst = Math.min(left, 1 + dice(6));
      left -= burst;
      await this.#burst(burst);
    }
  }

  async #run(account: Account, gateway: GatewayName, statement: Omit<Statement, "lot">): Promise<Ran> {
    const ran = await this.#crew.seats[account][gateway].run({ ...statement, lot: this.#name });
    const { rows: _, held: __, ...attempt } = ran;
    if (attempt.outcome !== "unsent") this.#crew.keep(attempt);
    return ran;
  }

  #gateway(): GatewayName {
    return gateways[this.#crew.dice(2)]!;
  }

  /** The mark in a comment, or as the one parameter of a statement that stays prepared. */
  #statement(kind: Omit<Asked, "mark" | "lot">, text: string, where = ""): Omit<Statement, "lot"> {
    const mark = this.#crew.newMark();
    if (this.#crew.dice(3) > 0) return { ...kind, mark, text: `${text}${where} /* ${mark} */` };
    const parametrised = `${text}${where === "" ? " WHERE" : `${where} AND`} $1::text <> ''`;
    const name = this.#crew.dice(2) === 0 ? { name: hash("sha256", parametrised).slice(0, 16) } : {};
    return { ...kind, mark, text: parametrised, values: [mark], ...name };
  }

  async #decoy(): Promise<void> {
    const { dice, newMark } = this.#crew;
    const account = (["extract", "transform", "load"] as const)[dice(3)]!;
    const gateway = this.#gateway();
    const lot = this.#name;
    const write = { ...unguarded, strict: true };
    switch (dice(6)) {
      case 0:
        await this.#run(account, gateway, this.#statement(unguarded, `SELECT count(*) FROM ${lot}.marks`));
        return;
      case 1: {
        const mark = newMark();
        const text = `INSERT INTO ${lot}.marks VALUES ('${mark}')`;
        await this.#run(account, gateway, { ...write, mark, text });
        return;
      }
      case 2: {
        const mark = newMark();
        await this.#run(account, gateway, { ...unguarded, mark, text: `SELECT 1/0 /* ${mark} */` });
        return;
      }
      case 3:
        await this.#inTransaction(account, gateway);
        return;
      case 4:
        await this.#run(
          "load",
          gateway,
          this.#statement({ ...guarded, strict: true }, `DELETE FROM ${lot}.marks`, " WHERE mark = ''"),
        );
        return;
      default:
        // Destroys what nobody has brought anything to yet: no chain, and it must not become one unseen.
        if (!this.#isRipe)
          await this.#run("load", gateway, this.#statement({ ...guarded, strict: true }, `DELETE FROM ${lot}.staging`));
    }
  }

  async #inTransaction(account: Account, gateway: GatewayName): Promise<void> {
    const { dice, newMark, seats } = this.#crew;
    const [begin, insert, end] = [newMark(), newMark(), newMark()];
    const relaxed = { ...unguarded, relaxed: true };
    if ((await this.#run(account, gateway, { ...relaxed, mark: begin, text: `BEGIN /* ${begin} */` })).outcome !== "ok")
      return;
    const text = `INSERT INTO ${this.#name}.marks VALUES ($1)`;
    await this.#run(account, gateway, { ...relaxed, mark: insert, text, values: [insert] });
    if (!seats[account][gateway].isConnected) return;
    const commit = dice(3) > 0;
    await this.#run(account, gateway, {
      ...unguarded,
      strict: commit,
      relaxed: !commit,
      mark: end,
      text: `${commit ? "COMMIT" : "ROLLBACK"} /* ${end} */`,
    });
  }

  async #read(): Promise<boolean> {
    const { dice, newMark, seats } = this.#crew;
    const gateway = this.#gateway();
    const read = this.#statement(guarded, `SELECT * FROM ${this.#name}.customers`);
    if (dice(4) > 0) return (await this.#run("extract", gateway, read)).outcome === "ok";
    // A transaction that is rolled back has read all the same.
    const [begin, end] = [newMark(), newMark()];
    await this.#run("extract", gateway, { ...unguarded, relaxed: true, mark: begin, text: `BEGIN /* ${begin} */` });
    const { outcome } = await this.#run("extract", gateway, read);
    if (seats.extract[gateway].isConnected)
      await this.#run("extract", gateway, { ...unguarded, relaxed: true, mark: end, text: `ROLLBACK /* ${end} */` });
    return outcome === "ok";
  }

  async #copy(account: Account): Promise<boolean> {
    const { dice, newMark, seats } = this.#crew;
    const gateway = this.#gateway();
    const copy = this.#statement(
      { ...guarded, strict: true },
      `INSERT INTO ${this.#name}.staging SELECT * FROM ${this.#name}.customers`,
    );
    if (dice(3) > 0) return (await this.#run(account, gateway, copy)).outcome === "ok";
    const [begin, end] = [newMark(), newMark()];
    const first = await this.#run(account, gateway, {
      ...unguarded,
      relaxed: true,
      mark: begin,
      text: `BEGIN /* ${begin} */`,
    });
    if (first.outcome !== "ok") return false;
    const { outcome } = await this.#run(account, gateway, { ...copy, strict: false });
    if (outcome !== "ok") {
      await this.#rollback(account, gateway);
      return false;
    }
    if (!seats[account][gateway].isConnected) return false;
    const last = await this.#run(account, gateway, {
      ...guarded,
      strict: true,
      mark: end,
      text: `COMMIT /* ${end} */`,
    });
    return last.outcome === "ok";
  }

  async #inTurn(): Promise<void> {
    if (!(await this.#read()) || !(await this.#copy(this.#crew.dice(2) === 0 ? "transform" : "load"))) return;
    this.#isRipe = true;
    await this.#look();
  }

  /** Who reads the copy right after it came, through either gateway, sees masks. */
  async #look(): Promise<void> {
    const account = this.#crew.dice(2) === 0 ? "transform" : "load";
    await this.#run(account, this.#gateway(), this.#statement(guarded, `SELECT * FROM ${this.#name}.staging`));
  }

  /** All three at once: what came of it, only the order of the log can say. */
  async #racing(): Promise<void> {
    const destroy = this.#statement({ ...guarded, strict: true }, `DELETE FROM ${this.#name}.staging`);
    await Promise.all([this.#read(), this.#copy("transform"), this.#run("load", this.#gateway(), destroy)]);
  }

  /** DELETE first, then the accomplices, then COMMIT. */
  async #lateCommit(): Promise<void> {
    const { newMark, seats } = this.#crew;
    const gateway = this.#gateway();
    const [begin, end] = [newMark(), newMark()];
    const first = await this.#run("load", gateway, {
      ...unguarded,
      relaxed: true,
      mark: begin,
      text: `BEGIN /* ${begin} */`,
    });
    if (first.outcome !== "ok") return;
    const destroyed = await this.#run("load", gateway, this.#statement(guarded, `DELETE FROM ${this.#name}.staging`));
    const ripe = (await this.#read()) && (await this.#copy("transform"));
    if (seats.load[gateway].isConnected) {
      // A COMMIT of nothing matters to nobody.
      const shared = destroyed.outcome === "ok";
      const commit = {
        ...unguarded,
        shared,
        strict: shared,
        relaxed: !shared,
        completing: ripe && shared,
        mark: end,
        text: `COMMIT /* ${end} */`,
      };
      const { outcome } = await this.#run("load", gateway, commit);
      if (outcome === "refused") await this.#rollback("load", gateway);
    }
    this.#isRipe = ripe;
  }

  async #rollback(account: Account, gateway: GatewayName): Promise<void> {
    const mark = this.#crew.newMark();
    if (this.#crew.seats[account][gateway].isConnected)
      await this.#run(account, gateway, { ...unguarded, relaxed: true, mark, text: `ROLLBACK /* ${mark} */` });
  }

  /** Several tries at once; each seat takes one, as a connection has one command at a time. */
  async #burst(count: number): Promise<void> {
    const { dice } = this.#crew;
    const free = (["transform", "load"] as const).flatMap((account) =>
      gateways.map((gateway) => ({ account, gateway })),
    );
    const jobs: Promise<void>[] = [];
    for (let left = count; left > 0; left -= 1) {
      const [seat] = free.splice(dice(free.length), 1);
      if (seat !== undefined) jobs.push(this.#try(seat.account, seat.gateway));
    }
    if (dice(3) === 0) jobs.push(this.#decoyBy("extract"));
    await Promise.all(jobs);
    for (const again of this.#again.splice(0)) await again();
  }

  async #decoyBy(account: Account): Promise<void> {
    const mark = this.#crew.newMark();
    const text = `INSERT INTO ${this.#name}.marks VALUES ('${mark}')`;
    await this.#run(account, this.#gateway(), { ...unguarded, strict: true, mark, text });
  }

  /** One try at the last step. */
  async #try(account: Account, gateway: GatewayName): Promise<void> {
    const { dice, newMark } = this.#crew;
    const kind = { ...guarded, completing: true, strict: true };
    const lot = this.#name;
    const what = dice(account === "load" ? 10 : 7);
    if (what === 0) {
      const mark = newMark();
      await this.#ask(account, gateway, { ...kind, mark, text: `TRUNCATE ${lot}.staging /* ${mark} */` }, false);
    } else if (what === 1) {
      const mark = newMark();
      const text = `WITH gone AS (DELETE FROM ${lot}.staging RETURNING id) SELECT count(*) FROM gone /* ${mark} */`;
      await this.#ask(account, gateway, { ...kind, mark, text }, true);
    } else if (what === 2) {
      const mark = newMark();
      await this.#ask(
        account,
        gateway,
        { ...kind, mark, text: `DELETE FROM ${lot}.staging; SELECT 1 /* ${mark} */` },
        false,
      );
    } else if (what === 3) {
      const begin = newMark();
      const first = await this.#run(account, gateway, {
        ...unguarded,
        relaxed: true,
        mark: begin,
        text: `BEGIN /* ${begin} */`,
      });
      if (first.outcome !== "ok") return;
      await this.#ask(
        account,
        gateway,
        { ...this.#statement(kind, `DELETE FROM ${lot}.staging`), strict: false },
        false,
      );
      await this.#rollback(account, gateway);
    } else if (what === 7) {
      const mark = newMark();
      await this.#ask(account, gateway, { ...kind, mark, text: `DROP TABLE ${lot}.staging /* ${mark} */` }, false);
    } else if (what === 8)
      await this.#ask(account, gateway, this.#statement(kind, `DELETE FROM ${lot}.customers`), false);
    else
      await this.#ask(account, gateway, this.#statement(kind, `DELETE FROM ${lot}.staging`, " WHERE id < 100"), true);
  }

  /** Asks; now and then a person says yes, and the very same is asked again, at one gateway or at both at once. */
  async #ask(
    account: Account,
    gateway: GatewayName,
    statement: Omit<Statement, "lot">,
    mayBeApproved: boolean,
  ): Promise<void> {
    const { dice, approve, approvedOf100 } = this.#crew;
    const isApproved = mayBeApproved && dice(100) < approvedOf100;
    const said: { yes: Promise<boolean> | null } = { yes: null };
    const onHeld = (approval: string) => {
      if (isApproved) said.yes ??= approve(approval);
    };
    const first = await this.#run(account, gateway, { ...statement, onHeld });
    if (!isApproved || first.held === null || first.outcome === "ok") return;
    said.yes ??= approve(first.held);
    if (!(await said.yes)) return;
    const again = { ...statement, approval: first.held };
    const at = dice(4) === 0 ? [gateway] : gateways;
    this.#again.push(() => Promise.all(at.map((one) => this.#run(account, one, again))));
  }
}
