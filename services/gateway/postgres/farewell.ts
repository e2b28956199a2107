/**
 * How a connection ends so that its last message arrives: a login that is refused, a session that is over. Bounded in
 * time whatever the peer does; each refusal is recorded, and one that cannot be is the operator's to know.
 */
import type { Socket } from "node:net";
import { ThroughlineError } from "../../../schemas/errors.ts";
import type { Limits } from "../../../schemas/limits.ts";
import type { Entrance } from "../listen.ts";
import type { Visit } from "./greeting.ts";
import { shown } from "./startup.ts";
import { turnAway } from "./turn-away.ts";

/** When places are scarce nobody lingers to be told why. */
const crowdedWaitMsMax = 50;

export interface FarewellParts {
  readonly limits: Pick<Limits, "endingWaitMsMax">;
  /** For the operator: what went wrong here and is nobody's refusal. */
  readonly fault: (error: unknown) => void;
}

/** Says why, waits until it was read (or not, for a bounded time), and records it. */
export async function refuse(visit: Visit, error: unknown, entrance: Entrance, parts: FarewellParts): Promise<void> {
  const known = error instanceof ThroughlineError;
  const fault = known ? error : new ThroughlineError("internal.bug", "a login ended by a defect of the gateway", error);
  if (!known || fault.kind === "bug") parts.fault(error);
  // A port check says nothing and leaves: nobody claimed anything.
  const silent = fault.code === "login.abandoned" && visit.inbox.received === 0 && !visit.secured;
  try {
    if (!silent) entrance.refused(fault, visit.grantId, shown(visit.user), shown(visit.database));
  } catch (unwritten) {
    parts.fault(unwritten);
  }
  visit.inbox.release();
  const onAbort = () => visit.stream.destroy();
  if (!entrance.signal.aborted) entrance.signal.addEventListener("abort", onAbort);
  const waitMsMax = fault.code === "login.crowded" ? crowdedWaitMsMax : parts.limits.endingWaitMsMax;
  await partWith(visit.stream, turnAway(fault, visit.user), waitMsMax);
}

export function cut(client: Socket, target: Socket): void {
  client.destroy();
  target.destroy();
}

/** Ends a connection so that its last message arrives, within a bounded time. */
export function partWith(stream: Socket, message: Buffer | null, waitMsMax: number): Promise<void> {
  if (stream.destroyed) return Promise.resolve();
  return new Promise((done) => {
    const timer = setTimeout(() => stream.destroy(), waitMsMax);
    stream.once("close", () => {
      clearTimeout(timer);
      done();
    });
    // What it still sends is read and dropped: closing over unread bytes would reset the connection and lose the message.
    stream.removeAllListeners("data").resume();
    if (message === null) stream.end();
    else stream.end(message);
  });
}
