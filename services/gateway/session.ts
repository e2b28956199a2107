/** A Session: one client connection through the gateway, from opened to closed. What every stage may know of it. */
import type { Subject } from "../../schemas/event.ts";
import type { Grant, SessionId } from "../../schemas/identity.ts";

export interface Session {
  readonly id: SessionId;
  readonly grant: Grant;
  /** `host:port` of the client as the gateway sees it. */
  readonly clientAddress: string;
  /** `application_name` or the like; claimed by the client, never trusted. */
  readonly application: string;
  /** The constant part of every event's envelope; `command` is added per command. */
  readonly subject: Subject;
  /** Key id and key of this session's recorded text. */
  readonly keyId: string;
  readonly key: Uint8Array;
  /** Roles the target says this session can act as now; the first is the effective one. */
  role: string;
  /** The longest that the client lets one statement take, by its own setting; null or absent = no limit. */
  statementMsMax?: number | null;
  /** Set once: why the session must end at its next message (grant ended, revoked). */
  ending: string | null;
}
