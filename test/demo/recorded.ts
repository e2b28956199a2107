/**
 * What the log of a stopped world holds, read by other code than the gateway's: verified against its keys, then every
 * recorded text and parameter in the clear.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openKeys } from "../../infra/keys/keys-folder.ts";
import { open } from "../../infra/keys/seal.ts";
import { openJournal } from "../../infra/log/journal.ts";
import { parseSources } from "../../infra/log/sources.ts";
import { verifyFolder } from "../../infra/log/verify-folder.ts";
import type { EventData, Sealed } from "../../schemas/event-data.ts";
import type { World } from "./world.ts";

/** @returns every mark (`c1-17`, `c1-17-t`) in the recorded texts and parameters of commands that were allowed */
export async function recordedTexts(world: World): Promise<Set<string>> {
  const folder = join(world.folder, "throughline");
  const { known } = parseSources(await readFile(join(folder, "keys", "sources.json"), "utf8"));
  const report = verifyFolder(folder, known);
  assert.ok(report.ok, JSON.stringify(report.problem));
  const fatal = (error: Error) => assert.fail(error);
  const journal = await openJournal({ folder, tenant: "demo", name: "one", now: Date.now, fatal });
  const keys = await openKeys(folder);
  const marks = new Set<string>();
  const clear = async (session: string, sealed: Sealed | null) => {
    const key = await keys.get(session);
    if (key && sealed?.sealed)
      for (const [mark] of open(key, sealed.sealed).matchAll(/c\d+-\d+(-t)?/g)) marks.add(mark);
  };
  const following = journal.follow({ after: null, streams: ["steps"] }, async (records) => {
    for (const { type, envelope } of records) {
      if (type !== "command.decided") continue;
      const { text, parameters } = envelope.data as EventData["command.decided"];
      await clear(envelope.session ?? "", text);
      await clear(envelope.session ?? "", parameters);
    }
  });
  await following.caughtUp;
  await following.close();
  await journal.close();
  await keys.close();
  return marks;
}
