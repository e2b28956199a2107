/**
 * The stage that runs for every outcome: what was asked, what was answered, in one `command.decided`. Nothing leaves
 * and nothing lasts before it is durable, so it is on the path of every command and built for that: the session's part of
 * the JSON is made once, the part of a repeated text once per session, and its text is encrypted once.
 *
 * Text and parameters are stored only under the session's key, whole, whatever their size; password literals are cut
 * first. A command whose effects do not fit into a record is refused: what cannot be recorded does not run.
 */
import { createHash, type KeyObject } from "node:crypto";
import type { Blobs } from "../../infra/blobs/blobs.ts";
import { keptKey, keyedHash, Nonces, seal } from "../../infra/keys/seal.ts";
import type { DecidedFacts } from "../../infra/log/entry.ts";
import type { Appender, Ticket } from "../../infra/log/log.ts";
import type { Command, Effect, Reading, ResourceUri } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import type { CommandFacts, EventData, Sealed } from "../../schemas/event-data.ts";
import type { Verdict } from "../../schemas/verdict.ts";
import { Bounded } from "./bounded.ts";
import { fingerprintOf, resolutionOf } from "./details.ts";
import { following } from "./following.ts";
import { withoutPasswords } from "./password.ts";
import { type Question, type SealedCommand, tooLarge } from "./question.ts";
import type { Session } from "./session.ts";

export interface RecordParts {
  readonly appender: Appender;
  readonly blobs: Blobs;
  readonly tenantKey: Uint8Array;
  readonly policyVersion: () => string;
  readonly eventBytesMax: number;
}

/** What was recorded: the verdict is stricter than what was asked for when the record did not fit. */
export interface Recorded {
  readonly verdict: Verdict;
  readonly ticket: Ticket;
}

/** Larger texts go to Blobs, so that text, parameters and effects together stay under the event's limit. */
const inlineBytesMax = 8 * 1024;
/** What the appender and the envelope add. */
const envelopeBytesMax = 4 * 1024;
/** What a session keeps of its repeated texts; a few dozen ordinary ones. */
const textBytesKeptMax = 64 * 1024;
const fragmentBytesKeptMax = 128 * 1024;
/** A fragment beside its JSON. */
const fragmentBytes = 512;

interface Fragment {
  readonly kind: string;
  readonly text: string;
  readonly verdict: Verdict;
  /** `,"data":{…` up to what changes with every command. */
  readonly bytes: Buffer;
  readonly facts: DecidedFacts;
}

interface Kept {
  readonly key: KeyObject;
  readonly decided: Buffer;
  readonly finished: Buffer;
  readonly texts: Bounded<string, Sealed>;
  readonly fragments: Bounded<Reading, Fragment>;
}

const nothingMore = Buffer.from(`,"parameters":null,"parameterCount":0,"approval":null,"intent":null}}`);

export class Recorder {
  readonly #parts: RecordParts;
  readonly #kept = new WeakMap<Session, Kept>();
  readonly #tenantKey: KeyObject;
  readonly #nonces = new Nonces();

  constructor(parts: RecordParts) {
    this.#parts = parts;
    this.#tenantKey = keptKey(parts.tenantKey);
  }

  /** @throws ThroughlineError `log.full` */
  record(question: Question, verdict: Verdict): Recorded | Promise<Recorded> {
    const kept = this.#of(question.session);
    const known = kept.fragments.get(question.command.reading);
    if (known !== undefined && question.command.parameters.length === 0 && isFor(known, question, verdict))
      return this.#append(question, known, null);
    const sealed = this.sealed(question);
    return sealed instanceof Promise
      ? sealed.then((done) => this.#write(question, verdict, done))
      : this.#write(question, verdict, sealed);
  }

  /**
   * The same without waiting, for what never runs (a refused or failed Parse): a large text is named by its digest and
   * put away meanwhile; if that fails, the loss is an event.
   * @throws ThroughlineError `log.full`
   */
  recordNow(question: Question, verdict: Verdict): Recorded {
    const { session, command } = question;
    const text = this.#texts(session).get(command.text) ?? this.#sealNow(question, withoutPasswords(command.text));
    const parameters =
      command.parameters.length === 0
        ? null
        : this.#sealNow(question, withoutPasswords(JSON.stringify(command.parameters)));
    return this.#write(question, verdict, { text, parameters });
  }

  /** Text and parameters as they are stored; made once per question. */
  readonly sealed = (question: Question): SealedCommand | Promise<SealedCommand> => {
    if (question.sealed !== null) return question.sealed;
    const { session, command } = question;
    const text = this.#sealedText(session, command.text);
    const parameters =
      command.parameters.length === 0
        ? null
        : this.#seal(session, withoutPasswords(JSON.stringify(command.parameters)));
    if (!(text instanceof Promise) && !(parameters instanceof Promise)) {
      question.sealed = { text, parameters };
      return question.sealed;
    }
    return Promise.all([text, parameters]).then(([doneText, doneParameters]) => {
      question.sealed = { text: doneText, parameters: doneParameters };
      return question.sealed;
    });
  };

  /** @throws ThroughlineError `log.full` only when even the reserve is used up */
  finished(session: Session, command: Command, outcome: EventData["command.finished"]): Ticket {
    const id = Buffer.from(JSON.stringify(command.id));
    const data = Buffer.from(`,"data":${JSON.stringify(outcome)}}`);
    const subject = { ...session.subject, command: command.id };
    const rest = [this.#of(session).finished, id, data];
    return this.#parts.appender.appendRaw({ type: "command.finished", rest, subject, data: outcome });
  }

  #write(question: Question, verdict: Verdict, sealed: SealedCommand): Recorded {
    const { command, session } = question;
    const kept = this.#of(session);
    const known = kept.fragments.get(command.reading);
    const fragment =
      known !== undefined && isFor(known, question, verdict) ? known : this.#fragment(question, verdict, sealed.text);
    if (fragment.bytes.length + inlineBytesMax * 2 > this.#parts.eventBytesMax - envelopeBytesMax)
      return this.#append(question, this.#widened(question, verdict, sealed.text), sealed.parameters);
    if (fragment !== known) kept.fragments.set(command.reading, fragment, fragment.bytes.length + fragmentBytes);
    return this.#append(question, fragment, sealed.parameters);
  }

  #append(question: Question, fragment: Fragment, parameters: Sealed | null): Recorded {
    const { session, command, subject, approval, intent } = question;
    const { parameterTypes } = command;
    const plain = parameters === null && approval === null && intent === null && parameterTypes === undefined;
    const count = { parameterCount: command.parameters.length, ...(parameterTypes ? { parameterTypes } : {}) };
    const more = { parameters, ...count, approval, intent };
    const tail = plain ? nothingMore : Buffer.from(`,${JSON.stringify(more).slice(1)}}`);
    const ticket = this.#parts.appender.appendRaw({
      type: "command.decided",
      rest: [this.#of(session).decided, Buffer.from(JSON.stringify(command.id)), fragment.bytes, tail],
      subject,
      data: approval === null && intent === null ? fragment.facts : { ...fragment.facts, approval, intent },
    });
    return { verdict: fragment.verdict, ticket };
  }

  #fragment({ command, facts }: Question, verdict: Verdict, text: Sealed): Fragment {
    const { reading } = command;
    const data = {
      ...plainFacts(facts),
      ruling: verdict.ruling,
      stage: verdict.stage,
      because: verdict.because,
      sentence: verdict.sentence,
      masks: verdict.masks,
      text,
      fingerprint: fingerprintOf(reading, this.#tenantKey),
      statements: reading.statements,
      ...(facts.details?.role === undefined ? {} : { role: facts.details.role }),
      ...(facts.details?.trace === undefined ? {} : { trace: facts.details.trace }),
      resolution: resolutionOf(reading, this.#tenantKey),
      policy: this.#parts.policyVersion(),
      ...(verdict.observed ? { observed: verdict.observed } : {}),
    };
    const bytes = Buffer.from(`,"data":${JSON.stringify(data).slice(0, -1)}`);
    const details = facts.details === undefined ? {} : { details: facts.details };
    const decided = { ...plainFacts(facts), ...details, ruling: verdict.ruling, approval: null, intent: null };
    return { kind: facts.kind, text: command.text, verdict, bytes, facts: decided };
  }

  /** Refused, with what it touched as coarse as needed. */
  #widened(question: Question, verdict: Verdict, text: Sealed): Fragment {
    const { target } = question.session.grant;
    const all = [target as ResourceUri];
    const effect: Effect = { operation: "write", reads: all, writes: all, ends: [], destroys: true };
    const facts: CommandFacts = {
      ...question.facts,
      effects: [effect],
      opaque: "its effects do not fit into a record",
    };
    const block = tooLarge("gate");
    const chains = verdict.chains ? { ...block, chains: verdict.chains } : block;
    const reading = { ...question.command.reading, statements: question.command.reading.statements.slice(0, 50) };
    return this.#fragment({ ...question, facts, command: { ...question.command, reading } }, chains, text);
  }

  #sealedText(session: Session, text: string): Sealed | Promise<Sealed> {
    const texts = this.#texts(session);
    const known = texts.get(text);
    if (known !== undefined) return known;
    const keep = (sealed: Sealed): Sealed => {
      if (sealed.reference === undefined) texts.set(text, sealed, text.length + (sealed.sealed?.length ?? 0));
      return sealed;
    };
    const sealed = this.#seal(session, withoutPasswords(text));
    return sealed instanceof Promise ? sealed.then(keep) : keep(sealed);
  }

  #texts(session: Session): Bounded<string, Sealed> {
    return this.#of(session).texts;
  }

  #sealNow({ session, subject }: Question, text: string): Sealed {
    const { blobs, appender } = this.#parts;
    const about = { bytes: Buffer.byteLength(text), hash: keyedHash(this.#tenantKey, text) };
    const sealed = seal(this.#of(session).key, text, this.#nonces);
    if (about.bytes <= inlineBytesMax) return { sealed, ...about };
    const bytes = Buffer.from(sealed, "base64");
    const reference = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    blobs.put(bytes).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : "unknown";
      const data = { from: reference, until: reference, count: 1, reason };
      following(() => void appender.append({ type: "recording.gap", subject, data }));
    });
    return { reference, ...about };
  }

  #seal(session: Session, text: string): Sealed | Promise<Sealed> {
    const about = { bytes: Buffer.byteLength(text), hash: keyedHash(this.#tenantKey, text) };
    const sealed = seal(this.#of(session).key, text, this.#nonces);
    if (about.bytes <= inlineBytesMax) return { sealed, ...about };
    return this.#parts.blobs.put(Buffer.from(sealed, "base64")).then((reference) => ({ reference, ...about }));
  }

  #of(session: Session): Kept {
    let kept = this.#kept.get(session);
    if (kept === undefined) {
      kept = {
        key: keptKey(session.key),
        decided: prefix("command.decided", session.subject),
        finished: prefix("command.finished", session.subject),
        texts: new Bounded(textBytesKeptMax),
        fragments: new Bounded(fragmentBytesKeptMax),
      };
      this.#kept.set(session, kept);
    }
    return kept;
  }
}

function isFor(fragment: Fragment, { command, facts }: Question, verdict: Verdict): boolean {
  return fragment.verdict === verdict && fragment.kind === facts.kind && fragment.text === command.text;
}

/** Only what belongs into a record, whatever else the object carries. */
function plainFacts({ kind, effects, opaque, transaction, undoable }: CommandFacts): CommandFacts {
  return { kind, effects, opaque, transaction, undoable };
}

/** The envelope's members of a session, up to the command's id. */
function prefix(type: string, subject: Subject): Buffer {
  const members = Object.entries({ type, ...subject }).filter(([, value]) => value !== undefined);
  const json = members.map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`).join("");
  return Buffer.from(`${json},"command":`);
}
