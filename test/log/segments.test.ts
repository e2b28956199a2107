/** Where one segment ends and the next begins, while records of other processes stand in the group that is not written yet. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { openSocketLog } from "../../infra/log/socket-client.ts";
import { openSocketHost } from "../../infra/log/socket-host.ts";
import { readSources } from "../../infra/log/sources.ts";
import { verifyFolder } from "../../infra/log/verify-folder.ts";
import { all, intended, lifted, world } from "./world.ts";

it("the first line of a segment says where the records before it end, whoever said them; a start goes on from there", async (t) => {
  const here = world();
  t.after(() => here.end());
  const small = { limits: { segmentBytesMax: 8192 } };
  const journal = await here.open(small);
  const host = await openSocketHost(journal, here.folder, Date.now);
  here.defer(() => host.close());
  const other = await openSocketLog({ folder: here.folder, name: "one", roles: ["api"], now: Date.now });
  here.defer(() => other.close().catch(() => {}));
  const api = await other.appender("api", "one");
  const gateway = await journal.appender("gateway", "one");
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 5; i++) gateway.append(intended(`c${round}.${i}`));
    let last = 0;
    for (let i = 0; i < 5; i++) last = api.append(lifted(`b${round}.${i}`));
    await api.synced(last);
  }
  await other.close();
  await host.close();
  const before = (await all(journal)).map(({ envelope }) => envelope.id);
  await journal.close();
  const report = verifyFolder(here.folder, readSources(here.folder).known);
  assert.equal(report.problem, null);
  const again = await here.open(small);
  const after = (await all(again)).map(({ envelope }) => envelope.id);
  assert.deepEqual(after.slice(0, before.length), before);
  assert.deepEqual(here.fatal, []);
});
