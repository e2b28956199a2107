/**
 * An Event: what is remembered, for ever, in one envelope (CloudEvents 1.0, structured JSON).
 *
 * Extension attributes are lower-case and scalar, as CloudEvents asks; everything a reader filters by stands in the
 * envelope, so that "who ran this" never needs a join. The log's position and time are the writer's, not the
 * source's: they stand beside the envelope in a LogRecord (infra/log/log.ts).
 */
import type { EventData } from "./event-data.ts";

export type EventId = string & { readonly brand: "EventId" };
/** `steps`: what the correlator folds. `events`: the rest. */
export type Stream = "steps" | "events";
/** A source says `<role>/<name>`; readers accept a type only from a role that may say it. */
export const roles = ["gateway", "correlator", "projector", "api", "log"] as const;
export type Role = (typeof roles)[number];

export type EventType = keyof EventData;

/** What an event is about; every field that applies is set on every event. */
export interface Subject {
  readonly session?: string;
  readonly command?: string;
  /** Identity key, issuer|subject. */
  readonly identity?: string;
  /** Identity keys of the `act` chain, space separated. */
  readonly onbehalfof?: string;
  readonly account?: string;
  readonly task?: string;
  readonly target?: string;
  readonly clientaddress?: string;
  readonly grantid?: string;
}

export interface Envelope<T extends EventType = EventType> extends Subject {
  readonly specversion: "1.0";
  /** `<source>/<s|e>/<sequence>` unless the event is an output of the correlator (then a hash of its evidence). */
  readonly id: EventId;
  readonly source: string;
  readonly type: T;
  /** RFC 3339, the source's clock: for people; nothing is ordered by it. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly tenant: string;
  readonly stream: Stream;
  /** Gap-free per source and stream, from 1, zero-padded to 16 digits so that it orders as text. */
  readonly sequence: string;
  readonly data: EventData[T];
}

interface Rule {
  readonly stream: Stream;
  /** Where releases before this one put it: their records are read as they are. */
  readonly formerly?: Stream;
  readonly sayers: readonly Role[];
}
const s = (...sayers: Role[]): Rule => ({ stream: "steps", sayers });
const e = (...sayers: Role[]): Rule => ({ stream: "events", sayers });
const moved = (...sayers: Role[]): Rule => ({ stream: "steps", formerly: "events", sayers });

/** The stream an event type belongs to and the roles that may say it. What a gateway or a correlator folds is a step. */
export const catalogue: { readonly [T in EventType]: Rule } = {
  "identity.logged_in": moved("api"),
  "identity.login_failed": e("api", "gateway"),
  "identity.linked": s("api"),
  "identity.unlinked": s("api"),
  "grant.issued": s("api"),
  "grant.revoked": s("api"),
  "grant.expired": s("gateway"),
  "session.opened": s("gateway"),
  "session.refused": e("gateway"),
  "session.closed": s("gateway"),
  "command.intended": s("gateway"),
  "command.answered": s("correlator"),
  "command.held": s("gateway"),
  "command.decided": s("gateway"),
  "command.finished": s("gateway"),
  "output.masked": e("gateway"),
  "content.shown": s("gateway"),
  "content.brought": s("gateway"),
  "approval.asked": s("gateway"),
  "approval.answered": s("api"),
  "approval.expired": s("gateway"),
  "approval.used": s("gateway"),
  "approval.refused": s("api", "gateway"),
  "chain.advanced": moved("correlator"),
  "chain.completed": moved("correlator"),
  "chain.dismissed": e("api"),
  "block.placed": s("api", "correlator"),
  "block.enforced": e("gateway"),
  "block.lifted": s("api"),
  "block.expired": s("gateway"),
  "resource.tagged": s("correlator"),
  "resource.untagged": s("api"),
  "target.bypassed": e("gateway"),
  "clock.ticked": s("correlator"),
  "gateway.followed": s("gateway"),
  "alert.raised": moved("correlator", "api", "gateway"),
  "alert.acknowledged": e("api"),
  "alert.resolved": e("api"),
  "alert.given_up": e("api"),
  "file.transferred": e("gateway"),
  "recording.started": e("gateway"),
  "recording.gap": e("gateway"),
  "recording.closed": e("gateway"),
  "audit.read": e("api"),
  "audit.exported": e("api"),
  "audit.verified": e("api"),
  "policy.changed": s("gateway", "correlator"),
  "policy.part": s("gateway", "correlator"),
  "policy.refused": e("gateway"),
  "pipeline.proposed": s("correlator"),
  "pipeline.accepted": s("api"),
  "pipeline.withdrawn": s("api"),
  "pipeline.declined": s("api"),
  "pipeline.ran": s("correlator"),
  "key.erased": e("api"),
  "correlator.digested": s("correlator"),
  "rules.switched": s("correlator"),
  "state.evicted": s("correlator"),
  "log.checkpoint": e("gateway", "correlator", "projector", "api", "log"),
  "log.refused": e("log"),
  "log.gap": e("log", "projector"),
  "sink.failed": e("projector", "api", "gateway", "log"),
  "sink.recovered": e("projector", "api", "gateway", "log"),
  "service.started": s("gateway", "correlator", "projector", "api"),
  "service.stopped": s("gateway", "correlator", "projector", "api"),
};

/** @returns whether a source of this role may say this type; everything else is refused by the log and by readers. */
export function maySay(role: Role, type: EventType): boolean {
  return catalogue[type].sayers.includes(role);
}

/** @returns whether a record of this type may stand in this stream. */
export function mayStand(type: EventType, stream: Stream): boolean {
  return catalogue[type].stream === stream || catalogue[type].formerly === stream;
}
