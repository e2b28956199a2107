/** What ends because time passed: approvals, blocks, Grants. Said once each; the feed hears it like everybody else. */
import type { Appender } from "../../infra/log/log.ts";
import type { Feed } from "./feed.ts";
import type { SharedView } from "./shared-view.ts";

export interface SweepParts {
  readonly appender: Appender;
  readonly feed: Feed;
  /** Of many gateways one says it. */
  readonly shared: Pick<SharedView, "speaks"> | null;
}

/** @throws ThroughlineError `log.full` for a Grant; its sessions end by their own clock all the same */
export function sweep({ appender, feed, shared }: SweepParts, nowMs: number): void {
  if (shared !== null && !shared.speaks()) return;
  for (const approval of feed.approvals.overdue(nowMs))
    appender.append({ type: "approval.expired", subject: {}, data: { approval } });
  for (const { id, expiresAtMs } of feed.blocks)
    if (expiresAtMs !== null && nowMs >= expiresAtMs)
      appender.append({ type: "block.expired", subject: {}, data: { block: id } });
  for (const { id, identity, account, task, target } of feed.grants.overdue(nowMs))
    appender.append({
      type: "grant.expired",
      subject: { identity: identity.key, account, task: task.id, target, grantid: id },
      data: { grant: id },
    });
}
