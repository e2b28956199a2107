/** One connection of another process to the log: who it is, what it appends, what it follows. */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { ThroughlineError } from "../../schemas/errors.ts";
import { readPart } from "./frame.ts";
import { judgeBatch, Refusal, signatureBytes } from "./heard-batch.ts";
import type { Journal } from "./journal.ts";
import type { Following } from "./log.ts";
import { numberOf, positionOf } from "./position.ts";
import { type StoredRecord, storedRecord } from "./record.ts";
import type { Refusals } from "./refusals.ts";
import { attachedText, attachText, signatureHolds, signText } from "./sign.ts";
import type { Source } from "./sources.ts";
import { Inbox, type Message, recordsKind, type Said, send, sendBytes } from "./wire.ts";

/** Follows per connection: a projector, an api and some room. */
const followsMax = 8;

interface Followed {
  readonly following: Following;
  /** The consumer is done with what it got. */
  more: () => void;
}

export class HostConnection {
  greeted = false;
  readonly #journal: Journal;
  readonly #socket: Socket;
  readonly #refusals: Refusals;
  readonly #speaking: Map<string, HostConnection>;
  readonly #nonce = randomBytes(32).toString("hex");
  readonly #inbox = new Inbox();
  readonly #sources = new Map<string, Source>();
  readonly #follows = new Map<number, Followed>();
  /** What the other side was last told, or is about to be told, to be durable. */
  readonly #told = new Map<string, Said["durable"]>();
  #stopSync = () => {};
  #claimed = "unknown";
  #over = false;

  constructor(journal: Journal, socket: Socket, refusals: Refusals, speaking: Map<string, HostConnection>) {
    this.#journal = journal;
    this.#socket = socket;
    this.#refusals = refusals;
    this.#speaking = speaking;
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => this.#take(chunk));
    this.#stopSync = journal.onSync(() => this.#onSync());
    send(socket, "hello", { tenant: journal.tenant, nonce: this.#nonce });
  }

  #take(chunk: Buffer): void {
    // What comes behind something that was refused is not heard, and not refused once more.
    if (this.#over) return;
    try {
      this.#inbox.push(chunk, (message) => this.#on(message));
    } catch (error) {
      if (!(error instanceof ThroughlineError) || error.kind === "bug") throw error;
      this.#refuse(error);
    }
  }

  #refuse(error: ThroughlineError): void {
    const claimedType = error instanceof Refusal ? error.claimedType : "";
    this.#refusals.record(this.#claimed, claimedType, error.message);
    send(this.#socket, "refused", { reason: error.message });
    this.#socket.destroySoon();
    this.end();
  }

  #on(message: Message): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    if (message.kind === "attach") this.#attach(message.body);
    else if (!this.greeted) throw new Refusal("", "a connection asks before it has proven a source");
    else if (message.kind === "batch") this.#hear(message.body);
    else if (message.kind === "follow") this.#follow(message.body);
    else if (message.kind === "more") this.#follows.get(message.body.follow)?.more();
    else if (message.kind === "stop") this.#stop(message.body.follow);
    else if (message.kind === "ask") this.#answer(message.body.question);
    else throw new Refusal("", `a connection says ${message.kind}`);
  }

  #attach({ source, nonce, signature }: Said["attach"]): void {
    this.#claimed = source;
    const { journal, known } = { journal: this.#journal, known: this.#journal.sources.known.get(source) };
    if (known === undefined) throw new Refusal("", "the source is not in keys/sources.json");
    const text = attachText(journal.tenant, source, this.#nonce);
    if (!signatureHolds(known.key, text, Buffer.from(signature, "base64")))
      throw new Refusal("", "a connection's proof of its source is wrong");
    if (journal.isLocal(source)) throw new Refusal("", "the source is the log's own process");
    if (this.#speaking.has(source)) throw new Refusal("", "the source speaks on another connection already");
    this.#speaking.set(source, this);
    this.#sources.set(source, known);
    this.greeted = true;
    this.#inbox.trust();
    const own = journal.sources.privateKey(`log/${journal.name}`);
    const proof = signText(own, attachedText(journal.tenant, source, nonce)).toString("base64");
    // What the log has of this source is acknowledged only when it is durable.
    journal.drained().then(
      () => {
        const { steps, events } = journal.lanesOf(source);
        const standing = (lane: typeof steps) => ({
          sequence: lane.sequence,
          head: Buffer.from(lane.head).toString("hex"),
        });
        if (this.#over || this.#socket.destroyed) return;
        this.#told.set(source, { source, steps: steps.sequence, events: events.sequence });
        send(this.#socket, "attached", { source, steps: standing(steps), events: standing(events), signature: proof });
      },
      () => this.#socket.destroy(),
    );
  }

  #hear(body: Buffer): void {
    const first = readPart(body, signatureBytes, body.length);
    const name = first === null ? "" : body.toString("utf8", first.sourceAt, first.stepAt);
    this.#claimed = name;
    const source = this.#sources.get(name);
    if (source === undefined) throw new Refusal("", "a batch is from a source that this connection has not proven");
    const heard = judgeBatch(body, source, this.#journal.tenant, this.#journal.lanesOf(name));
    try {
      if (heard.length > 0) this.#journal.hear(heard);
    } catch (error) {
      if (!(error instanceof ThroughlineError) || error.code !== "log.full") throw error;
      send(this.#socket, "full", { source: name });
    }
  }

  #onSync(): () => void {
    const news: Said["durable"][] = [];
    for (const [source, told] of this.#told) {
      const { steps, events } = this.#journal.lanesOf(source);
      if (steps.sequence === told.steps && events.sequence === told.events) continue;
      const durable = { source, steps: steps.sequence, events: events.sequence };
      this.#told.set(source, durable);
      news.push(durable);
    }
    return () => {
      if (!this.#socket.destroyed) for (const durable of news) send(this.#socket, "durable", durable);
    };
  }

  #follow({ follow, after, streams }: Said["follow"]): void {
    if (this.#follows.has(follow) || this.#follows.size >= followsMax)
      throw new Refusal("", "a connection follows too often");
    const followed: Followed = {
      more: () => {},
      following: this.#journal.follow(
        { after: after === 0 ? null : positionOf(after), streams },
        (records) =>
          new Promise<void>((resolve) => {
            followed.more = resolve;
            this.#sendRecords(follow, false, records.map(storedRecord));
          }),
      ),
    };
    this.#follows.set(follow, followed);
    followed.following.caughtUp.then(
      () => this.#sendRecords(follow, true, []),
      () => {},
    );
    followed.following.ended.catch((error: unknown) => {
      const code = error instanceof ThroughlineError ? error.code : "internal.bug";
      const message = error instanceof Error ? error.message : String(error);
      if (!this.#socket.destroyed) send(this.#socket, "broken", { follow, code, message });
    });
  }

  #sendRecords(follow: number, caughtUp: boolean, records: readonly StoredRecord[]): void {
    if (this.#socket.destroyed) return;
    const head = Buffer.alloc(5);
    head.writeUInt32LE(follow);
    head[4] = caughtUp ? 1 : 0;
    sendBytes(this.#socket, recordsKind, head, ...records.map((record) => record.frame));
  }

  #stop(follow: number): void {
    const followed = this.#follows.get(follow);
    this.#follows.delete(follow);
    followed?.more();
    void followed?.following.close();
  }

  #answer(question: number): void {
    void this.#journal.head().then((head) => {
      if (!this.#socket.destroyed) send(this.#socket, "answer", { question, position: numberOf(head) });
    });
  }

  /** The connection is over: its sources may come again on another. */
  end(): void {
    this.#over = true;
    this.#stopSync();
    for (const follow of [...this.#follows.keys()]) this.#stop(follow);
    for (const source of this.#sources.keys()) if (this.#speaking.get(source) === this) this.#speaking.delete(source);
    this.#sources.clear();
    this.#told.clear();
  }
}
