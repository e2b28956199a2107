/**
 * Judges a batch that another process sent, before anything of it is appended: every part well-formed and of that source,
 * its types what the role may say, its envelopes plain and saying the same as their frames, no hole in the sequences,
 * and the source's signature over the heads that result. Whatever is wrong refuses the whole batch.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import { type Envelope, type EventType, maySay, mayStand } from "../../schemas/event.ts";
import { ByteWriter } from "./bytes.ts";
import { batchHash, nextHead } from "./chain.ts";
import { foldedData, isReadable, subjectOf } from "./fold.ts";
import { type Part, readPart } from "./frame.ts";
import type { Heard } from "./journal.ts";
import type { Lane } from "./lane.ts";
import { envelopeMatches, eventId, mayBeId, parseEnvelope } from "./record.ts";
import { batchText, signatureHolds } from "./sign.ts";
import type { Lanes } from "./source-appender.ts";
import type { Source } from "./sources.ts";
import { isStepType, type StepData, StepEncoder } from "./step.ts";
import { typeOf } from "./type-code.ts";

export const signatureBytes = 64;

/** Why a batch is refused; `claimedType` for the event that says so. */
export class Refusal extends ThroughlineError {
  readonly claimedType: string;

  constructor(claimedType: string, reason: string) {
    super("log.refused", reason);
    this.claimedType = claimedType;
  }
}

/**
 * @param body signature ‖ parts, in the order they were said
 * @returns the records to append, empty when all of them are in the log already. @throws Refusal
 */
export function judgeBatch(body: Buffer, source: Source, tenant: string, lanes: Lanes): Heard[] {
  const ahead = { steps: lanes.steps.sequence, events: lanes.events.sequence };
  const bytes: Record<"steps" | "events", Uint8Array[]> = { steps: [], events: [] };
  const heard: Heard[] = [];
  let known = 0;
  for (let at = signatureBytes; at < body.length; ) {
    const part = readPart(body, at, body.length);
    if (part === null) throw new Refusal("", "a record has no known form");
    const type = judgeType(body, part, source);
    if (part.sequence <= lanes[part.stream].sequence) known++;
    else {
      if (part.sequence !== ahead[part.stream] + 1)
        throw new Refusal(type, `sequence ${ahead[part.stream] + 1} of ${part.stream} is missing`);
      ahead[part.stream]++;
      const said = body.subarray(at, part.end);
      const envelope = judgeEnvelope(body, part, type, source, tenant);
      bytes[part.stream].push(said);
      heard.push({ lane: lanes[part.stream], part: said, role: source.role, envelope });
    }
    at = part.end;
  }
  if (heard.length > 0 && known > 0) throw new Refusal("", "a batch repeats only a part of an earlier one");
  if (heard.length > 0) judgeSignature(body, source, tenant, lanes, bytes);
  return heard;
}

export function judgeType(body: Buffer, part: Part, { source, role }: Source): EventType {
  if (body.toString("utf8", part.sourceAt, part.stepAt) !== source)
    throw new Refusal("", "a record names another source than its connection");
  const type = typeOf(part.code);
  if (type === null) throw new Refusal(String(part.code), "the type is not known");
  if (!maySay(role, type) || !mayStand(type, part.stream))
    throw new Refusal(type, `the role ${role} may not say ${type} in ${part.stream}`);
  return type;
}

export function judgeEnvelope(
  body: Buffer,
  part: Part,
  type: EventType,
  { source, role }: Source,
  tenant: string,
): Envelope {
  const text = body.toString("utf8", part.jsonAt, part.end);
  const envelope = parseEnvelope(text);
  // Plain: a member said twice, or another spelling, would be read differently by different readers.
  if (JSON.stringify(envelope) !== text) throw new Refusal(type, "an envelope is not in its plain form");
  const { sequence, stream } = part;
  if (!envelopeMatches(envelope, { source, type, stream, sequence }) || envelope.tenant !== tenant)
    throw new Refusal(type, "an envelope says something else than its frame");
  if (envelope.id !== eventId(source, stream, sequence) && !mayBeId(role, envelope.id))
    throw new Refusal(type, "an event takes an id that is not its own");
  if (!isReadable(envelope)) throw new Refusal(type, "the data of an event is not of its type");
  if (part.stepAt !== part.jsonAt && !sectionMatches(body, part, envelope))
    throw new Refusal(type, "a step section says something else than its envelope");
  return envelope;
}

/** Whether a step section is what its envelope gives; only such types have one. */
export function sectionMatches(bytes: Buffer, part: Part, envelope: Envelope): boolean {
  if (!isStepType(envelope.type)) return false;
  const again = new ByteWriter(part.jsonAt - part.stepAt);
  const data = foldedData<EventType>(envelope.type, envelope.data) as StepData;
  if (!new StepEncoder().encode(again, envelope.type, subjectOf(envelope), data)) return false;
  return again.taken().equals(bytes.subarray(part.stepAt, part.jsonAt));
}

function judgeSignature(
  body: Buffer,
  { source, key }: Source,
  tenant: string,
  lanes: Lanes,
  bytes: Record<"steps" | "events", Uint8Array[]>,
): void {
  const head = (lane: Lane, said: Uint8Array[]) =>
    said.length === 0 ? lane.head : nextHead(lane.head, batchHash(Buffer.concat(said)));
  const text = batchText(tenant, source, [head(lanes.steps, bytes.steps), head(lanes.events, bytes.events)]);
  if (!signatureHolds(key, text, body.subarray(0, signatureBytes)))
    throw new Refusal("", "the signature over the batch is wrong");
}
