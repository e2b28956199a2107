/** A process that appends as fast as it can and says which commands were acknowledged, until it is killed. */
import { openJournal } from "../../infra/log/journal.ts";
import { finished } from "./world.ts";

const [, , folder = "", round = ""] = process.argv;
const journal = await openJournal({
  folder,
  tenant: "demo",
  name: "one",
  now: Date.now,
  fatal: (error) => {
    throw error;
  },
  limits: { segmentBytesMax: 64 * 1024 },
});
const gateway = await journal.appender("gateway", "one");
const waiting: string[] = [];
let count = 0;
const more = () => {
  for (let i = 0; i < 20; i++) {
    const id = `${round}-${++count}`;
    gateway.append(finished(id));
    waiting.push(id);
  }
};
gateway.onDurable((durable) => {
  const ids = waiting.splice(0, durable - (count - waiting.length));
  if (ids.length > 0) process.send?.(ids);
});
setInterval(more, 1);
more();
