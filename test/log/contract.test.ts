import type { Journal } from "../../infra/log/journal.ts";
import { openSocketLog } from "../../infra/log/socket-client.ts";
import { openSocketHost } from "../../infra/log/socket-host.ts";
import { logContract } from "./contract.ts";
import { world } from "./world.ts";

logContract("the journal", async () => {
  const here = world();
  let log = await here.open();
  const reopen = async () => {
    await log.close();
    log = await here.open();
    return log;
  };
  return { log, role: "api", name: "one", ordersStreams: true, reopen, end: here.end };
});

logContract("the socket", async () => {
  const here = world();
  const journal: Journal = await here.open();
  const host = await openSocketHost(journal, here.folder, Date.now);
  here.defer(() => host.close());
  const connect = async () => {
    const log = await openSocketLog({ folder: here.folder, name: "one", roles: ["api", "projector"], now: Date.now });
    here.defer(() => log.close().catch(() => {}));
    return log;
  };
  let log = await connect();
  const reopen = async () => {
    await log.close();
    log = await connect();
    return log;
  };
  return { log, role: "api", name: "one", ordersStreams: true, reopen, end: here.end };
});
