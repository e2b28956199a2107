/** An authenticated pair of connections: what handshake.ts hands to proxy.ts. */
import type { Duplex } from "node:stream";
import type { Session } from "../session.ts";

export interface Wire {
  readonly session: Session;
  /** A net.Socket or a TLSSocket; both are paused, nobody listens on them. */
  readonly client: Duplex;
  readonly target: Duplex;
  /** Bytes that came after the handshake; usually empty. */
  readonly clientRest: Buffer;
  readonly targetRest: Buffer;
  /** Latest ParameterStatus by name; already relayed to the client. */
  readonly parameters: Map<string, string>;
  /** ReadyForQuery was already relayed to the client. */
  readonly transactionStatus: "I" | "T" | "E";
  /** Asks the target to cancel what this session runs. */
  cancelTarget(): void;
  /** Set by the proxy: called when a valid CancelRequest arrives; true = the proxy dealt with it (a held command). */
  onCancel: (() => boolean) | null;
  /**
   * Set by the proxy: called once, after `session.ending` was set, when the session must end although nobody speaks
   * (Grant ended, block, drain). Not set, or not closed within `limits.endingWaitMsMax`: both sockets are destroyed.
   */
  onEnding: ((reason: string) => void) | null;
  /** Set by the proxy: the session shall end as soon as it is between transactions and nothing of it is under way. */
  onDrain?: ((reason: string) => void) | null;
}
