/**
 * The log as a second process of the same machine has it: appends and follows over the socket of the process that owns
 * the folder. While that one is away it connects again and again, keeps what was not acknowledged and sends it once more;
 * follows go on behind the last record delivered.
 * It refuses to go on when the log does not continue what was acknowledged: then records were lost, or another process
 * spoke as this source. It checks frames and roles of what it follows, not signatures: verify.ts does.
 */
import { randomUUID } from "node:crypto";
import { createConnection, type Socket } from "node:net";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Role } from "../../schemas/event.ts";
import { limits } from "../../schemas/limits.ts";
import { ClientFollow } from "./client-follow.ts";
import { Lane } from "./lane.ts";
import type { Appender, Following, FollowOptions, Log, LogRecord, Position } from "./log.ts";
import { Outgoing } from "./outgoing.ts";
import { decodePosition, encodePosition, numberOf, positionOf } from "./position.ts";
import { attachedText, attachText, signatureHolds, signText } from "./sign.ts";
import { Signer } from "./signer.ts";
import { socketAddress, socketPath } from "./socket-path.ts";
import { readSources, type Sources } from "./sources.ts";
import { batchKind, Inbox, type Message, type Said, send, sendBytes } from "./wire.ts";

export interface SocketLogOptions {
  /** The data folder of the process that owns the log; its keys are read from here too. */
  readonly folder: string;
  /** The sources that this process speaks for: `<role>/<name>`. */
  readonly name: string;
  readonly roles: readonly Role[];
  /** The clock, milliseconds. */
  readonly now: () => number;
  /** For tests; otherwise as in schemas/limits.ts and below. */
  readonly retryMs?: number;
  readonly closeWaitMs?: number;
}

const retryMsMin = 50;
const retryMsMax = 2000;
const fullRetryMs = 1000;
const closeWaitMs = 5000;

/**
 * Connects and proves its sources. Waits while the owner is not up yet.
 * @throws ThroughlineError `config.unreadable` when the registry is not there, `log.refused` when the owner refuses
 */
export async function openSocketLog(options: SocketLogOptions): Promise<SocketLog> {
  const log = new SocketLog(options, readSources(options.folder));
  await log.attached;
  return log;
}

export class SocketLog implements Log {
  /** Resolves when every source was accepted for the first time. */
  readonly attached: Promise<void>;
  readonly writer: string;
  readonly #ready = Promise.withResolvers<void>();
  readonly #options: SocketLogOptions;
  readonly #sources: Sources;
  readonly #path: string;
  readonly #outgoing = new Map<string, Outgoing>();
  readonly #waiting = new Set<string>();
  readonly #follows = new Map<number, ClientFollow>();
  readonly #questions = new Map<number, (position: number) => void>();
  readonly #idle: (() => void)[] = [];
  readonly #signer: Signer;
  readonly #nonces = new Map<string, string>();
  #socket: Socket | null = null;
  /** The connection on which every source was accepted: before that the owner takes nothing else for an honest word. */
  #connected: Socket | null = null;
  #retryMs: number;
  #retry: NodeJS.Timeout | null = null;
  #numbers = 0;
  #scheduled = false;
  #failed: Error | null = null;
  #closed = false;
  /** Closing has waited long enough. */
  #drained = false;

  constructor(options: SocketLogOptions, sources: Sources) {
    this.#options = options;
    this.#sources = sources;
    this.writer = `log/${options.name}`;
    this.#path = socketPath(options.folder);
    this.#retryMs = options.retryMs ?? retryMsMin;
    this.attached = this.#ready.promise;
    this.attached.catch(() => {});
    const everything = { written: 0, head: Buffer.alloc(0), fits: (bytes: number) => this.#fits(bytes) };
    this.#signer = new Signer(everything, null, sources, limits.checkpointMsMax);
    this.#connect();
  }

  #fits(bytes: number): boolean {
    return [...this.#outgoing.values()].every((outgoing) => outgoing.fits(bytes));
  }

  #connect(): void {
    const address = socketAddress(this.#path);
    const socket = createConnection(address.path);
    socket.once("close", () => address.release());
    const inbox = new Inbox();
    inbox.trust();
    this.#socket = socket;
    socket.on("data", (chunk) => {
      try {
        inbox.push(chunk, (message) => this.#on(message));
      } catch (error) {
        this.#fail(error instanceof Error ? error : new Error(String(error)));
      }
    });
    // Its close follows, and that is where it is dealt with.
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#lost(socket));
  }

  #lost(socket: Socket): void {
    if (socket !== this.#socket || this.#closed || this.#failed !== null) return;
    this.#socket = null;
    this.#connected = null;
    this.#waiting.clear();
    for (const follow of this.#follows.values()) follow.interrupt();
    this.#connectLater();
  }

  #connectLater(): void {
    this.#retry = setTimeout(() => {
      try {
        this.#connect();
      } catch {
        // It was there at the start: no more files may be open now, or the folder is being put back.
        this.#connectLater();
      }
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, retryMsMax);
  }

  #on(message: Message): void {
    if (message.kind === "hello") this.#greet(message.body);
    else if (message.kind === "attached") this.#accepted(message.body);
    else if (message.kind === "durable") this.#durable(message.body);
    else if (message.kind === "full") this.#full(message.body.source);
    else if (message.kind === "refused") this.#fail(refusal(message.body.reason));
    else if (message.kind === "records") this.#follows.get(message.body.readUInt32LE(0))?.take(message.body);
    else if (message.kind === "broken") this.#follows.get(message.body.follow)?.fail(broken(message.body));
    else if (message.kind === "answer") this.#answered(message.body);
    else throw new ThroughlineError("frame.malformed", `The log says ${message.kind}`);
  }

  #answered({ question, position }: Said["answer"]): void {
    this.#questions.get(question)?.(position);
    this.#questions.delete(question);
  }

  #greet({ tenant, nonce }: Said["hello"]): void {
    const socket = this.#socket;
    if (tenant !== this.#sources.tenant || socket === null)
      throw new ThroughlineError(
        "log.refused",
        `The log is of tenant ${tenant}, the keys are of ${this.#sources.tenant}`,
      );
    for (const role of this.#options.roles) {
      const source = `${role}/${this.#options.name}`;
      const signature = signText(this.#sources.privateKey(source), attachText(tenant, source, nonce));
      const own = randomUUID();
      this.#nonces.set(source, own);
      this.#waiting.add(source);
      send(socket, "attach", { source, nonce: own, signature: signature.toString("base64") });
    }
  }

  #accepted({ source, steps, events, signature }: Said["attached"]): void {
    const { tenant, known } = this.#sources;
    const text = attachedText(tenant, source, this.#nonces.get(source) ?? "");
    const proven = [...known.values()].some(
      ({ role, key }) => role === "log" && signatureHolds(key, text, Buffer.from(signature, "base64")),
    );
    if (!proven)
      throw new ThroughlineError("log.refused", "Whoever answers on the log's socket is not the log's writer");
    const [role] = this.#options.roles.filter((one) => `${one}/${this.#options.name}` === source);
    if (role === undefined) throw new ThroughlineError("frame.malformed", `The log attached ${source} unasked`);
    const state = (stream: "steps" | "events", said: typeof steps) => ({
      source,
      stream,
      sequence: said.sequence,
      head: Buffer.from(said.head, "hex"),
    });
    const standing = { steps: state("steps", steps), events: state("events", events) };
    const outgoing = this.#outgoing.get(source) ?? this.#open(source, role, standing);
    if (!outgoing.continues(standing.steps, standing.events))
      throw new ThroughlineError("log.refused", `The log does not continue what ${source} has said`);
    this.#waiting.delete(source);
    if (this.#waiting.size === 0) this.#resume();
  }

  #open(source: string, role: Role, { steps, events }: Record<"steps" | "events", Lane["state"]>): Outgoing {
    const { tenant } = this.#sources;
    const lanes = {
      steps: new Lane(tenant, source, "steps", steps),
      events: new Lane(tenant, source, "events", events),
    };
    const outgoing = new Outgoing(lanes, role, this.#sources.privateKey(source), this.#options.now, (checkpoint) => {
      if (!checkpoint) this.#signer.saw(0);
      this.#schedule();
    });
    this.#outgoing.set(source, outgoing);
    this.#signer.add(outgoing.appender);
    return outgoing;
  }

  /** All sources are accepted: send again what was on its way, go on following. */
  #resume(): void {
    this.#connected = this.#socket;
    this.#retryMs = this.#options.retryMs ?? retryMsMin;
    for (const outgoing of this.#outgoing.values()) this.#sendBatch(outgoing.again());
    for (const [number, follow] of this.#follows) this.#sendFollow(number, follow);
    this.#ready.resolve();
    this.#flush();
    this.#settle();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#connected === null) return;
    for (const outgoing of this.#outgoing.values()) this.#sendBatch(outgoing.next());
  }

  #sendBatch(pieces: readonly Uint8Array[] | null): void {
    if (pieces !== null && this.#connected !== null) sendBytes(this.#connected, batchKind, ...pieces);
  }

  #durable({ source, steps, events }: Said["durable"]): void {
    this.#outgoing.get(source)?.acknowledge(steps, events);
    this.#flush();
    this.#settle();
  }

  /** Whoever closes hears that nothing is on its way any more. */
  #settle(): void {
    if (this.#isIdle) for (const resolve of this.#idle.splice(0)) resolve();
  }

  get #isIdle(): boolean {
    return [...this.#outgoing.values()].every((outgoing) => outgoing.idle);
  }

  #full(source: string): void {
    const outgoing = this.#outgoing.get(source);
    if (outgoing === undefined) return;
    outgoing.full = true;
    const socket = this.#connected;
    // Only on the same connection: another one sends everything again anyway.
    setTimeout(() => socket === this.#connected && this.#sendBatch(outgoing.again()), fullRetryMs).unref();
  }

  #fail(error: Error): void {
    if (this.#failed !== null) return;
    this.#failed = error;
    this.#ready.reject(error);
    for (const outgoing of this.#outgoing.values()) outgoing.fail(error);
    for (const follow of this.#follows.values()) follow.fail(error);
    for (const resolve of this.#idle.splice(0)) resolve();
    this.#socket?.destroy();
  }

  /** @throws ThroughlineError `log.refused` when this process does not speak for that source */
  async appender(role: Role, name: string): Promise<Appender> {
    await this.attached;
    const outgoing = this.#outgoing.get(`${role}/${name}`);
    if (outgoing === undefined)
      throw new ThroughlineError("log.refused", `This process does not speak for ${role}/${name}`);
    return outgoing.appender;
  }

  follow(options: FollowOptions, deliver: (records: readonly LogRecord[]) => void | Promise<void>): Following {
    const number = ++this.#numbers;
    const follow = new ClientFollow(numberOf(options.after), options.streams, deliver, {
      more: () => this.#connected && send(this.#connected, "more", { follow: number }),
      stop: () => {
        this.#follows.delete(number);
        if (this.#connected) send(this.#connected, "stop", { follow: number });
      },
    });
    if (this.#failed !== null) follow.fail(this.#failed);
    this.#follows.set(number, follow);
    this.#sendFollow(number, follow);
    return follow;
  }

  #sendFollow(number: number, follow: ClientFollow): void {
    if (this.#connected === null) return;
    const socket = this.#connected;
    void follow.idle().then(() => {
      if (socket !== this.#connected || !this.#follows.has(number)) return;
      send(socket, "follow", { follow: number, after: follow.position, streams: [...follow.streams] });
    });
  }

  async head(): Promise<Position | null> {
    await this.attached;
    const socket = this.#connected;
    if (socket === null) throw new ThroughlineError("log.lost_connection", "The process that owns the log is away");
    const question = ++this.#numbers;
    const position = await new Promise<number>((resolve, reject) => {
      const lost = () => reject(new ThroughlineError("log.lost_connection", "The process that owns the log went away"));
      socket.once("close", lost);
      this.#questions.set(question, (answer) => {
        socket.off("close", lost);
        resolve(answer);
      });
      send(socket, "ask", { question });
    });
    return position === 0 ? null : positionOf(position);
  }

  encodePosition(position: Position): string {
    return encodePosition(position);
  }

  decodePosition(text: string): Position {
    return decodePosition(text);
  }

  /** @throws ThroughlineError `log.lost_connection` when not everything could be made durable in time */
  async close(): Promise<void> {
    if (this.#closed) return;
    if (this.#failed === null) {
      // Only what was sent is under a head: first everything, then the checkpoints.
      await this.#drain();
      if (this.#isIdle) this.#signer.sign();
      await this.#drain();
    }
    this.#signer.close();
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    await Promise.all([...this.#follows.values()].map((follow) => follow.close()));
    const lost = !this.#isIdle && this.#failed === null;
    const error = new ThroughlineError("log.lost_connection", "Not everything said here reached the log");
    for (const outgoing of this.#outgoing.values()) outgoing.fail(error);
    this.#socket?.destroy();
    if (lost) throw error;
  }

  async #drain(): Promise<void> {
    if (this.#isIdle || this.#failed !== null || this.#drained) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.#drained = true;
        resolve();
      }, this.#options.closeWaitMs ?? closeWaitMs);
      this.#idle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

function refusal(reason: string): ThroughlineError {
  return new ThroughlineError("log.refused", `The log refused this process: ${reason}`);
}

function broken({ code, message }: Said["broken"]): ThroughlineError {
  const known = code === "log.refused" ? code : "log.damaged";
  return new ThroughlineError(known, message);
}
