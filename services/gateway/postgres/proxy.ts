/**
 * One session from ReadyForQuery to close: joins the two sockets to client-side.ts and target-side.ts, and ends it once.
 *
 * Ends: the client terminates or goes away, the target closes, either breaks the protocol, the session must end (Grant
 * ended or revoked, a block, a drain). What still ran then has an unknown outcome; nothing is reported undone.
 * It decides nothing and reads no message itself.
 */
import { ThroughlineError } from "../../../schemas/errors.ts";
import { limits } from "../../../schemas/limits.ts";
import { ClientSide } from "./client-side.ts";
import { Conversation, type ProxyParts } from "./conversation.ts";
import { terminate } from "./messages.ts";
import { goodbye } from "./refusal.ts";
import type { Wire } from "./wire.ts";

export type { ProxyParts } from "./conversation.ts";

/** 40001: whoever runs it again is judged by what holds then. */
const sqlstates: Readonly<Record<string, string>> = { "result.outdated": "40001" };

const unrecordable =
  "the disk of the gateway's log is full: what the target answered cannot be recorded, so it is not shown and the session ends";

export interface Served {
  readonly reason: string;
  readonly commands: number;
  readonly clientBytes: number;
  readonly targetBytes: number;
}

/** Bounds as the product has them; tests pass smaller ones. */
export const proxyBounds: ProxyParts["bounds"] = {
  statementBytesMax: limits.statementBytesMax,
  wireBufferBytesMax: limits.wireBufferBytesMax,
  withheldBytesMax: limits.withheldBytesMax,
};

/** Runs one session. Never rejects for what client or target do; a bug of ours rejects after both are closed. */
export function proxy(wire: Wire, parts: ProxyParts): Promise<Served> {
  return new Promise((resolve, reject) => new Relay(wire, parts, resolve, reject).start());
}

class Relay {
  readonly #wire: Wire;
  readonly #talk: Conversation;
  readonly #client: ClientSide;
  readonly #resolve: (served: Served) => void;
  readonly #reject: (error: unknown) => void;
  #stopDurable: () => void = () => undefined;
  #reason: string | null = null;
  #bug: { error: unknown } | null = null;
  /** The client's last word went to the target, which may still work. */
  #leaving = false;
  #leftReason = "";
  /** Why it shall end when nothing of it is under way. */
  #draining: string | null = null;
  #open = 2;

  constructor(wire: Wire, parts: ProxyParts, resolve: (served: Served) => void, reject: (error: unknown) => void) {
    this.#wire = wire;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#talk = new Conversation(wire, parts, () => this.#client.pump());
    this.#client = new ClientSide({
      talk: this.#talk,
      left: (reason) => this.#left(reason),
      failed: (error) => this.#failed(error),
      ended: (reason) => this.#end(reason, "57P01", reason),
    });
  }

  start(): void {
    const { client, target } = this.#wire;
    this.#stopDurable = this.#talk.gate.onDurable(() => this.#synced());
    this.#wire.onEnding = (reason) => this.#end(reason, "57P01", reason);
    this.#wire.onDrain = (reason) => {
      this.#draining = reason;
      this.#drain();
    };
    client.on("data", (chunk: Buffer) => this.#client.take(chunk));
    client.on("end", () => this.#client.close("the client went away"));
    client.on("error", () => this.#client.close("the connection to the client broke"));
    client.on("close", () => this.#closed("client"));
    target.on("data", (chunk: Buffer) => this.#fromTarget(chunk));
    target.on("end", () => this.#targetGone());
    target.on("error", () => this.#targetGone());
    target.on("close", () => this.#closed("target"));
    if (this.#wire.targetRest.length > 0) this.#fromTarget(this.#wire.targetRest);
    if (this.#wire.clientRest.length > 0) this.#client.take(this.#wire.clientRest);
    client.resume();
    target.resume();
  }

  #fromTarget(chunk: Buffer): void {
    if (this.#reason !== null) return;
    try {
      this.#talk.target.take(chunk);
    } catch (error) {
      this.#failed(error);
    }
    this.#drain();
  }

  #synced(): void {
    this.#talk.synced();
    this.#drain();
  }

  #drain(): void {
    if (this.#draining === null || this.#reason !== null) return;
    const { inTransaction, replies } = this.#talk;
    if (!inTransaction && replies.empty && this.#client.idle) this.#end(this.#draining, "57P01", this.#draining);
  }

  /** Terminate, or the client closed: the target finishes what it was given, as it would without us. */
  #left(reason: string): void {
    if (this.#leaving || this.#reason !== null) return;
    this.#leaving = true;
    this.#talk.outlet.add(terminate());
    this.#talk.outlet.send();
    this.#wire.target.end();
    this.#leftReason = reason;
  }

  #targetGone(): void {
    if (this.#reason !== null) return;
    if (this.#leaving) {
      this.#finish(this.#leftReason);
      return;
    }
    const { fatal } = this.#talk.target;
    if (fatal !== null) {
      this.#finish(fatal);
      return;
    }
    this.#end("the target closed the connection", "08006", "the target closed the connection");
  }

  #failed(error: unknown): void {
    if (error instanceof ThroughlineError && error.kind !== "bug") {
      const full = error.code === "log.full";
      const code = full ? "53100" : (sqlstates[error.code] ?? (error.code.startsWith("frame.") ? "08P01" : "58000"));
      this.#end(error.message, code, full ? unrecordable : error.message);
      return;
    }
    this.#bug ??= { error };
    this.#end("a bug in the gateway", "XX000", "the gateway failed; the session is closed");
  }

  /** Ends the session from here. What runs is cancelled; its outcome stays unknown. */
  #end(reason: string, code: string, message: string): void {
    if (this.#reason !== null) return;
    const { target, replies, outbox } = this.#talk;
    if (!replies.empty) this.#wire.cancelTarget();
    if (target.betweenMessages && !this.#leaving) outbox.add(goodbye(code, message));
    this.#finish(reason);
  }

  #finish(reason: string): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#wire.onEnding = null;
    this.#wire.onDrain = null;
    this.#client.stop();
    this.#talk.end();
    this.#talk.target.abandon();
    const { target } = this.#wire;
    if (!this.#leaving && target.writable) target.write(terminate());
    target.destroy(); // not end(): a target that reads no more would keep us here
    this.#talk.outbox.close();
  }

  #closed(side: "client" | "target"): void {
    if (side === "client") this.#client.close("the client went away");
    else this.#targetGone();
    this.#open -= 1;
    if (this.#open > 0) return;
    this.#stopDurable();
    if (this.#bug !== null) {
      this.#reject(this.#bug.error);
      return;
    }
    const { commands, target } = this.#talk;
    this.#resolve({
      reason: this.#reason ?? this.#leftReason,
      commands,
      clientBytes: this.#client.bytes,
      targetBytes: target.bytes,
    });
  }
}
