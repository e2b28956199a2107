/** A process that opens a log and says how that went, then stays. */
import { openJournal } from "../../infra/log/journal.ts";
import { ThroughlineError } from "../../schemas/errors.ts";

const folder = process.argv[2] ?? "";
try {
  await openJournal({ folder, tenant: "demo", name: "one", now: Date.now, fatal: () => process.exit(1) });
  process.send?.("open");
} catch (error) {
  process.send?.(error instanceof ThroughlineError ? `${error.code} ${error.message}` : String(error));
}
setInterval(() => {}, 1000);
