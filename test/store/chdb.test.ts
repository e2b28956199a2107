import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { openChdbStore } from "../../infra/store/chdb.ts";
import { storeContract } from "./contract.ts";

const folder = await mkdtemp(join(tmpdir(), "throughline-store-"));
after(() => rm(folder, { recursive: true, force: true }));

const encodePosition = (position: unknown) => String(position).padStart(16, "0");
storeContract("chDB in this process", () => openChdbStore(folder, { tenant: "test", encodePosition }));
