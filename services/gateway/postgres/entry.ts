/**
 * The PostgreSQL entrance, put together: door, keys, handshake. `close()` drains: no new connections, pending logins are
 * told, open sessions end with a goodbye, and it resolves when the last one is gone.
 */
import type { GrantKeys } from "../../../infra/keys/grant-keys.ts";
import type { Config } from "../../../schemas/config.ts";
import { limits as defaults, type Limits } from "../../../schemas/limits.ts";
import type { Grants } from "../credentials.ts";
import { type ListenParts, listen } from "../listen.ts";
import { OpenSessions } from "../open-sessions.ts";
import { createHandshake, type HandshakeParts } from "./handshake.ts";
import { createStretch } from "./scram.ts";
import { loadCertificate } from "./tls.ts";

/** Of the thread pool's four, two stay free for the journal's syncs. */
const hashesParallelMax = 2;

export interface EntryParts extends Pick<HandshakeParts, "open" | "close" | "serve" | "fault" | "now"> {
  readonly config: Pick<Config, "gateway" | "targets">;
  readonly grantKeys: GrantKeys;
  readonly grants: Grants;
  /** Writes `session.refused`. */
  readonly record: ListenParts["record"];
  readonly limits?: Limits;
}

export interface Entry {
  readonly port: number;
  /** Connections that have not finished their login. */
  readonly pending: number;
  readonly sessions: OpenSessions;
  /**
   * Takes nobody any more; transactions may finish for `drainMs`, unless `hurry` says that there is no time.
   * @param reason as every client reads it
   */
  close(reason?: string, drainMs?: number, hurry?: AbortSignal): Promise<void>;
}

/** @throws ThroughlineError `config.invalid`, `config.unreadable` */
export async function openEntry(parts: EntryParts): Promise<Entry> {
  const { config, limits = defaults } = parts;
  const { postgres, tls, requireTls } = config.gateway;
  const sessions = new OpenSessions({ ...parts, endingWaitMsMax: limits.endingWaitMsMax });
  const certificate = tls ? await loadCertificate(tls) : null;
  const targets = new Map(config.targets.map((target) => [target.name, target]));
  const stretch = createStretch(hashesParallelMax);
  const enter = createHandshake({ ...parts, targets, certificate, requireTls, sessions, stretch, limits });
  const at = postgres.lastIndexOf(":");
  const host = postgres.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  const door = await listen({ ...parts, host, port: Number(postgres.slice(at + 1)), enter, limits });
  return {
    port: door.port,
    get pending() {
      return door.pending;
    },
    sessions,
    async close(reason = "the gateway is shutting down", drainMs = 0, hurry = AbortSignal.abort()) {
      await Promise.all([door.close(), sessions.drain(reason, drainMs, hurry)]);
    },
  };
}
