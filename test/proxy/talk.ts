/** A conversation at the bytes of one session: the test plays the client and the target, the proxy stands between. */
import assert from "node:assert/strict";
import { type Duplex, duplexPair } from "node:stream";
import type { Command, CommandId } from "../../schemas/command.ts";
import type { Grant, SessionId } from "../../schemas/identity.ts";
import { question } from "../../services/gateway/postgres/asked.ts";
import { Definitions } from "../../services/gateway/postgres/definitions.ts";
import { commandComplete, query, readyForQuery, reportFields, sync } from "../../services/gateway/postgres/messages.ts";
import { type ProxyParts, proxy, proxyBounds, type Served } from "../../services/gateway/postgres/proxy.ts";
import type { Wire } from "../../services/gateway/postgres/wire.ts";
import { FakeGate, FakeReader } from "./doubles.ts";

export function frame(type: string, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5);
  head[0] = type.charCodeAt(0);
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

export const parseComplete = frame("1");
export const bindComplete = frame("2");
export const closeComplete = frame("3");
export const noData = frame("n");
export const portalSuspended = frame("s");
export const parameterDescription = frame("t", int16(0));
export const copyInResponse = frame("G", Buffer.from([0, 0, 0]));
export const ready = readyForQuery;
export const complete = commandComplete;

export function dataRow(...cells: (string | Buffer | null)[]): Buffer {
  const parts = cells.map((cell) =>
    cell === null ? int32(-1) : Buffer.concat([int32(Buffer.byteLength(cell)), Buffer.from(cell)]),
  );
  return frame("D", Buffer.concat([int16(cells.length), ...parts]));
}

export interface ColumnFields {
  readonly name: string;
  readonly table?: number;
  readonly attribute?: number;
  readonly type?: number;
  readonly format?: number;
}

export function rowDescription(...columns: ColumnFields[]): Buffer {
  const parts = columns.map(({ name, table = 0, attribute = 0, type = 25, format = 0 }) =>
    Buffer.concat([
      Buffer.from(`${name}\0`),
      int32(table),
      int16(attribute),
      int32(type),
      int16(-1),
      int32(-1),
      int16(format),
    ]),
  );
  return frame("T", Buffer.concat([int16(columns.length), ...parts]));
}

/** One end of a connection: what came, and what was said. */
export class End {
  readonly stream: Duplex;
  #got: Buffer = Buffer.alloc(0);
  #wake: () => void = () => undefined;
  closed = false;

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on("data", (chunk: Buffer) => {
      this.#got = Buffer.concat([this.#got, chunk]);
      this.#wake();
    });
    const over = (): void => {
      this.closed = true;
      this.#wake();
    };
    stream.on("end", over).on("close", over).on("error", over);
  }

  say(...messages: Buffer[]): void {
    this.stream.write(Buffer.concat(messages));
  }

  /** Exactly these bytes come, and nothing else so far. */
  async hears(...messages: Buffer[]): Promise<void> {
    const expected = Buffer.concat(messages);
    while (this.#got.length < expected.length && !this.closed) await this.#more();
    const got = this.#got.subarray(0, expected.length);
    this.#got = this.#got.subarray(expected.length);
    assert.equal(got.toString("latin1"), expected.toString("latin1"));
  }

  async hearsNothing(): Promise<void> {
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(this.#got.toString("latin1"), "");
  }

  /** The next whole message. */
  async message(): Promise<Buffer> {
    while (this.#got.length < 5 || this.#got.length < this.#got.readUInt32BE(1) + 1) {
      assert.ok(!this.closed, "the connection is closed");
      await this.#more();
    }
    const length = this.#got.readUInt32BE(1) + 1;
    const message = this.#got.subarray(0, length);
    this.#got = this.#got.subarray(length);
    return message;
  }

  /** The next message is an error or a notice. */
  async report(type: "E" | "N" = "E"): Promise<Map<string, string>> {
    const message = await this.message();
    assert.equal(String.fromCharCode(message[0]!), type, message.toString("latin1"));
    return reportFields(message);
  }

  async isClosed(): Promise<void> {
    while (!this.closed) await this.#more();
  }

  get unread(): Buffer {
    return this.#got;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

interface TalkOptions {
  readonly status?: "I" | "T" | "E";
  readonly bounds?: Partial<ProxyParts["bounds"]>;
  readonly tags?: readonly string[];
}

export class Talk {
  readonly gate = new FakeGate();
  readonly reader = new FakeReader();
  readonly definitions = new Definitions();
  readonly client: End;
  readonly target: End;
  readonly wire: Wire;
  readonly served: Promise<Served>;
  cancelled = 0;
  #commands = 0;

  constructor(options: TalkOptions = {}) {
    const [clientEnd, clientSide] = duplexPair();
    const [targetEnd, targetSide] = duplexPair();
    this.client = new End(clientEnd);
    this.target = new End(targetEnd);
    this.wire = {
      session: session(),
      client: clientSide,
      target: targetSide,
      clientRest: Buffer.alloc(0),
      targetRest: Buffer.alloc(0),
      parameters: new Map(),
      transactionStatus: options.status ?? "I",
      cancelTarget: () => {
        this.cancelled += 1;
      },
      onCancel: null,
      onEnding: null,
    };
    this.served = proxy(this.wire, {
      gate: this.gate,
      reader: this.reader,
      definitions: this.definitions,
      now: () => 0,
      nextCommandId: () => `c${++this.#commands}` as CommandId,
      tagsOf: () => options.tags ?? [],
      bounds: { ...proxyBounds, ...options.bounds },
    });
  }

  /** A session whose names are known. */
  static async opened(options: TalkOptions = {}): Promise<Talk> {
    const talk = new Talk(options);
    talk.client.say(query("SELECT 0"));
    await talk.names();
    await talk.target.hears(query("SELECT 0"));
    talk.target.say(complete("SELECT 0"), ready("I"));
    await talk.client.hears(complete("SELECT 0"), ready("I"));
    return talk;
  }

  /** A Query that passes and succeeds. */
  async runs(text: string, status: "I" | "T" = "I"): Promise<void> {
    this.client.say(query(text));
    await this.target.hears(query(text));
    this.target.say(complete("OK"), ready(status));
    await this.client.hears(complete("OK"), ready(status));
  }

  /** The command that was judged last. */
  get last(): Command {
    return this.gate.judged.at(-1)!.command;
  }

  /** Ends it in the middle of whatever it does. */
  drop(): void {
    this.client.stream.destroy();
    this.target.stream.destroy();
  }

  /** The first command makes the gateway ask what names mean. */
  async names(settings: Partial<Settings> = {}, unsynced: "I" | "T" | null = "I"): Promise<void> {
    const answers = { ...plain, ...settings };
    const asked = [
      "search_path",
      "role",
      "session_authorization",
      "client_encoding",
      "standard_conforming_strings",
      "statement_timeout",
    ] as const;
    await this.target.hears(...asked.map((name) => question(`SHOW ${name}`)), unsynced === null ? frame("H") : sync());
    for (const name of asked) this.target.say(answer([answers[name]]));
    if (unsynced !== null) this.target.say(ready(unsynced));
  }

  /** After an opaque command it also asks what was prepared and what is temporary. */
  async namesAndMore(
    statements: [string, string][] = [],
    unsynced: "I" | "T" | null = "I",
    temporary: string[] = [],
  ): Promise<void> {
    let message = await this.target.message();
    const texts: string[] = [];
    while (!["S", "H"].includes(String.fromCharCode(message[0]!))) {
      if (message[0] === 0x50)
        texts.push(message.toString("latin1", 5 + "throughline:ask".length + 1, message.length - 3));
      message = await this.target.message();
    }
    assert.equal(texts.length, 8);
    for (const value of Object.values(plain)) this.target.say(answer([value]));
    this.target.say(answer(...statements), answer(...temporary.map((name) => [name])));
    if (unsynced !== null) this.target.say(ready(unsynced));
  }

  /** Ends it from the client's side. */
  async bye(): Promise<Served> {
    this.client.say(frame("X"));
    this.client.stream.end();
    await this.target.isClosed();
    this.target.stream.end();
    await this.client.isClosed();
    return this.served;
  }
}

interface Settings {
  search_path: string;
  role: string;
  session_authorization: string;
  client_encoding: string;
  standard_conforming_strings: string;
  statement_timeout: string;
}
const plain: Settings = {
  search_path: '"$user", public',
  role: "none",
  session_authorization: "extract",
  client_encoding: "UTF8",
  standard_conforming_strings: "on",
  statement_timeout: "0",
};

function answer(...rows: string[][] | [string][]): Buffer {
  return Buffer.concat([
    parseComplete,
    bindComplete,
    ...rows.map((row) => dataRow(...row)),
    complete("SHOW"),
    closeComplete,
    closeComplete,
  ]);
}

function session(): Wire["session"] {
  const grant = { id: "g1", target: "orders", account: "extract" } as unknown as Grant;
  return {
    id: "s1" as SessionId,
    grant,
    clientAddress: "127.0.0.1:1",
    application: "",
    subject: {},
    keyId: "k1",
    key: new Uint8Array(32),
    role: "extract",
    ending: null,
  };
}
