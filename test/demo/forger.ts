/**
 * An insider on the machine who has read our code and can read the key files: connects to the log's own socket and says
 * that an approval was answered. The log must refuse it, write that down, and end the connection.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openSocketLog } from "../../infra/log/socket-client.ts";
import type { Role } from "../../schemas/event.ts";
import type { World } from "./world.ts";

/**
 * @param role whose key is used. The sources of the gateway's process speak only inside it; the projector's may connect,
 *   but not say this (its own client would refuse, so the client is told that it is the api).
 */
export async function forgeApproval(world: World, approval: string, role: Role): Promise<void> {
  const folder = join(world.folder, "throughline");
  const forging = async () => {
    const log = await openSocketLog({ folder, name: "one", roles: [role], now: Date.now, closeWaitMs: 2_000 });
    try {
      const appender = await log.appender(role, "one");
      Object.defineProperty(appender, "role", { value: "api" });
      const data = {
        approval,
        binding: "",
        answer: "approve" as const,
        by: "forger",
        byName: "Olga",
        reason: "forged",
        kind: "person" as const,
        groups: ["data-owners"],
      };
      await appender.synced(appender.append({ type: "approval.answered", subject: {}, data }));
    } finally {
      await log.close().catch(() => {});
    }
  };
  await assert.rejects(forging(), { code: "log.refused" });
}
