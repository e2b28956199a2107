/**
 * The scenario: three accounts, one chain, the last step held. Each step asserts what it says; the first that does not
 * hold ends the play. `make run` prints the steps, play.test.ts runs them as tests.
 */
import assert from "node:assert/strict";
import type { Actor, Player } from "./cast.ts";
import { connect, granted, person, workload } from "./cast.ts";
import { type DemoAccount, makeSchema } from "./database.ts";
import type { World } from "./world.ts";

export interface Step {
  readonly title: string;
  run(stage: Stage): Promise<void>;
}

/** What the steps of one play share. */
export interface Stage {
  readonly world: World;
  /** Schema of this play; step 7 makes more of them. */
  readonly schema: string;
  readonly players: Record<"extract" | "transform" | "load" | "ana" | "olga" | "ivan", Player>;
  readonly actors: Record<"extract" | "transform" | "load", Actor>;
  /** Another session, closed at the end of the play. */
  join(who: Player, account: DemoAccount, schema?: string): Promise<Actor>;
  freshSchema(suffix: string): Promise<string>;
  leave(): Promise<void>;
}

/** What each account says it is for; the accomplices look as harmless as they would. */
const tasks: Record<DemoAccount, string> = {
  extract: "nightly extract of customers",
  transform: "nightly staging of customers",
  load: "nightly load of the reporting tables",
  analyst: "questions of the sales team",
  catalog: "nobody logs in with it",
};

/** @param schema its tables are made in it: one that is not there yet */
export async function setStage(world: World, schema = `play_${Date.now().toString(36)}`): Promise<Stage> {
  await makeSchema(world.postgres, schema);
  const players = {
    extract: await workload(world, "extract"),
    transform: await workload(world, "transform"),
    load: await workload(world, "load"),
    ana: await person(world, "ana"),
    olga: await person(world, "olga"),
    ivan: await person(world, "ivan"),
  };
  const open: Actor[] = [];
  const join = async (who: Player, account: DemoAccount, of = schema) => {
    const actor = await connect(await granted(who, account, tasks[account]), of);
    open.push(actor);
    return actor;
  };
  const actors = {
    extract: await join(players.extract, "extract"),
    transform: await join(players.transform, "transform"),
    load: await join(players.load, "load"),
  };
  return {
    world,
    schema,
    players,
    actors,
    join,
    async freshSchema(suffix) {
      await makeSchema(world.postgres, `${schema}_${suffix}`);
      return `${schema}_${suffix}`;
    },
    async leave() {
      for (const actor of open) await actor.end();
    },
  };
}

interface Customer {
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly card: string;
}

export function assertMasked(rows: readonly Customer[], count: number): void {
  assert.equal(rows.length, count);
  for (const row of rows) {
    assert.match(row.name, /^Customer \d+$/);
    assert.ok(!row.email.includes("example.com") && !row.email.includes("person"), "an e-mail left unmasked");
    assert.doesNotMatch(row.card, /\d{4}/);
  }
}
