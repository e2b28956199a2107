/** A running world with one play's schema, for insiders who have read the code and try to get round it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { type Stage, setStage } from "../demo/play.ts";
import { startWorld } from "../demo/world.ts";

export interface Attack {
  readonly stage: Stage;
  end(): Promise<void>;
}

export async function attack(): Promise<Attack> {
  const folder = await mkdtemp(join(tmpdir(), "attack-"));
  const world = await startWorld({ folder, holdSeconds: 1 });
  const stage = await setStage(world);
  return {
    stage,
    async end() {
      await stage.leave();
      await world.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What came of a command: its rows as text, or the SQLSTATE of its error. */
export async function told(client: pg.Client, text: string): Promise<string> {
  try {
    const result = await client.query({ text, rowMode: "array" });
    return JSON.stringify([result].flat().map(({ rows }) => rows));
  } catch (error) {
    if (error instanceof pg.DatabaseError) return error.code ?? "";
    throw error;
  }
}
