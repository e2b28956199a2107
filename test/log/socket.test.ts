import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Journal } from "../../infra/log/journal.ts";
import { Lane, type Saying } from "../../infra/log/lane.ts";
import { attachText, batchText, signText } from "../../infra/log/sign.ts";
import { openSocketHost, type SocketHost } from "../../infra/log/socket-host.ts";
import { restOf } from "../../infra/log/source-appender.ts";
import { readSources } from "../../infra/log/sources.ts";
import { StepEncoder } from "../../infra/log/step.ts";
import { batchKind, Inbox, type Message, send, sendBytes } from "../../infra/log/wire.ts";
import type { EventType } from "../../schemas/event.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { all, type World, world } from "./world.ts";

let here: World;
let journal: Journal;
let host: SocketHost;
beforeEach(async () => {
  here = world();
  journal = await here.open();
  host = await openSocketHost(journal, here.folder, () => 0);
  here.defer(() => host.close());
});
afterEach(async () => {
  await here.end();
});

/** Speaks the socket's language by hand, as somebody would who has read the code. */
class Intruder {
  readonly socket: Socket;
  readonly refused: Promise<string>;
  readonly attached: Promise<void>;
  readonly lanes: { steps: Lane; events: Lane };
  readonly source: string;

  constructor(source: string, sign: (nonce: string) => Buffer) {
    this.source = source;
    this.socket = createConnection(host.path);
    const [refused, attached] = [Promise.withResolvers<string>(), Promise.withResolvers<void>()];
    this.refused = refused.promise;
    this.attached = attached.promise;
    this.lanes = {
      steps: new Lane("demo", source, "steps", undefined),
      events: new Lane("demo", source, "events", undefined),
    };
    const inbox = new Inbox();
    inbox.trust();
    const on = (message: Message) => {
      if (message.kind === "hello") {
        const signature = sign(message.body.nonce).toString("base64");
        send(this.socket, "attach", { source, nonce: "mine", signature });
      }
      if (message.kind === "attached") attached.resolve();
      if (message.kind === "refused") refused.resolve(message.body.reason);
    };
    this.socket.on("data", (chunk) => inbox.push(chunk, on));
    this.socket.on("error", () => {});
    here.defer(() => this.socket.destroy());
  }

  /** One record of the source, with anything about it changed, signed by whatever key. */
  batch<T extends EventType>(type: T, data: EventData[T], change: Partial<Changes> = {}): Uint8Array[] {
    const lane = this.lanes[change.stream ?? "steps"];
    const saying: Saying = {
      type,
      subject: {},
      folded: data,
      id: change.id,
      rest: change.rest ?? restOf(type, {}, data),
    };
    const start = lane.say(saying, new StepEncoder(), 0);
    const part = Buffer.from(lane.pending.taken().subarray(start));
    change.bytes?.(part);
    lane.pending.used = start;
    lane.pending.copy(part);
    for (const one of [this.lanes.steps, this.lanes.events]) one.seal(one.nextHead());
    const key = readSources(here.folder).privateKey(change.signer ?? this.source);
    const heads = [this.lanes.steps.head, this.lanes.events.head] as const;
    return [signText(key, batchText("demo", this.source, heads)), part];
  }

  say(pieces: Uint8Array[]): void {
    sendBytes(this.socket, batchKind, ...pieces);
  }
}

interface Changes {
  stream: "steps" | "events";
  id: string;
  rest: string;
  signer: string;
  bytes: (part: Buffer) => void;
}

function honest(source: string): Intruder {
  const key = readSources(here.folder).privateKey(source);
  return new Intruder(source, (nonce) => signText(key, attachText("demo", source, nonce)));
}

/** Waits until the log holds a refusal. */
async function refusals(): Promise<EventData["log.refused"][]> {
  await journal.drained();
  const records = await all(journal);
  return records
    .filter(({ type }) => type === "log.refused")
    .map(({ envelope }) => envelope.data as EventData["log.refused"]);
}

const answer: EventData["approval.answered"] = {
  approval: "a1",
  binding: "b",
  answer: "approve",
  by: "https://id|olga",
  byName: "Olga",
  kind: "person",
  groups: [],
  reason: "",
};

describe("the log's socket", () => {
  it("is for its user alone", () => {
    assert.equal(statSync(host.path).mode & 0o077, 0);
  });

  it("refuses a connection that cannot prove its source, and says so in the log", async () => {
    const keys = readSources(here.folder);
    const forged = new Intruder("api/one", (nonce) =>
      signText(keys.privateKey("projector/one"), attachText("demo", "api/one", nonce)),
    );
    assert.match(await forged.refused, /proof/);
    const replayed = new Intruder("api/one", () =>
      signText(keys.privateKey("api/one"), attachText("demo", "api/one", "old")),
    );
    assert.match(await replayed.refused, /proof/);
    const unknown = new Intruder("api/two", () => Buffer.alloc(64));
    assert.match(await unknown.refused, /not in/);
    const [first, second, third] = await refusals();
    assert.equal(first?.source, "api/one");
    assert.equal(second?.source, "api/one");
    assert.equal(third?.source, "api/two");
  });

  it("refuses the sources of the log's own process, and a source that speaks already", async () => {
    await journal.appender("gateway", "one");
    assert.match(await honest("gateway/one").refused, /own process/);
    const first = honest("api/one");
    await first.attached;
    assert.match(await honest("api/one").refused, /another connection/);
  });

  it("refuses an approval's answer from the projector, whole batch and connection, as an event", async () => {
    const projector = honest("projector/one");
    await projector.attached;
    projector.say(projector.batch("approval.answered", answer));
    assert.match(await projector.refused, /may not say approval.answered/);
    const [refusal] = await refusals();
    assert.deepEqual([refusal?.source, refusal?.claimedType], ["projector/one", "approval.answered"]);
    assert.ok(!(await all(journal)).some(({ source }) => source === "projector/one"));
  });

  const forgeries: [string, RegExp, (api: Intruder) => Uint8Array[]][] = [
    [
      "an envelope of another type than its frame",
      /something else/,
      (api) =>
        api.batch(
          "audit.read",
          { what: "", filter: {}, rows: 0 },
          { stream: "events", rest: restOf("approval.answered", {}, answer) },
        ),
    ],
    [
      "a member that is said twice",
      /plain form/,
      (api) =>
        api.batch("approval.answered", answer, { rest: `,"type":"x"${restOf("approval.answered", {}, answer)}` }),
    ],
    [
      "an id that is another event's",
      /not its own/,
      (api) => api.batch("approval.answered", answer, { id: "gateway/one/s/0000000000000001" }),
    ],
    ["a type in the other stream", /in events/, (api) => api.batch("approval.answered", answer, { stream: "events" })],
    [
      "another source's record",
      /has not proven/,
      (api) => api.batch("approval.answered", answer, { bytes: (part) => part.write("cli", 20) }),
    ],
    [
      "a hole in the sequence",
      /sequence 1 of steps is missing/,
      (api) => api.batch("approval.answered", answer, { bytes: (part) => part.writeUIntLE(2, 4, 6) }),
    ],
    [
      "a batch signed by another source",
      /signature/,
      (api) => api.batch("approval.answered", answer, { signer: "projector/one" }),
    ],
    [
      "a length that lies",
      /no known form|has not proven/,
      (api) => api.batch("approval.answered", answer, { bytes: (part) => part.writeUInt32LE(0xffffff, 16) }),
    ],
  ];
  for (const [what, why, forge] of forgeries)
    it(`refuses ${what}`, async () => {
      const api = honest("api/one");
      await api.attached;
      api.say(forge(api));
      assert.match(await api.refused, why);
      assert.equal((await refusals()).length, 1);
      assert.ok(!(await all(journal)).some(({ source }) => source === "api/one"));
    });

  it("refuses garbage and huge lengths before anything is kept", async () => {
    for (const bytes of [Buffer.alloc(64, 0xff), Buffer.from([0, 0, 0, 0]), Buffer.from("GET / HTTP/1.1\r\n\r\n")]) {
      const socket = createConnection(host.path);
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.on("error", () => {});
      socket.resume().write(bytes);
      await closed;
    }
    assert.equal((await refusals()).length, 3);
  });

  it("refuses what comes in many pieces once", async () => {
    const socket = createConnection(host.path);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    socket.resume().write(Buffer.alloc(400_000, 0xff));
    await closed;
    assert.equal((await refusals()).length, 1);
  });

  it("writes down only so many refusals a minute", async () => {
    for (let i = 0; i < 70; i++) {
      const socket = createConnection(host.path);
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.on("error", () => {});
      socket.resume().write(Buffer.alloc(8, 0xff));
      await closed;
    }
    assert.equal((await refusals()).length, 60);
  });

  it("drops a batch that it has already, silently, and acknowledges it", async () => {
    const api = honest("api/one");
    await api.attached;
    const batch = api.batch("approval.answered", answer);
    const durable = (count: number) =>
      new Promise<void>((resolve) => {
        const inbox = new Inbox();
        inbox.trust();
        let seen = 0;
        const listener = (chunk: Buffer) =>
          inbox.push(chunk, (message) => {
            if (message.kind === "durable" && ++seen === count) resolve();
          });
        api.socket.on("data", listener);
      });
    const acknowledged = durable(1);
    api.say(batch);
    api.say(batch);
    await acknowledged;
    const mine = (await all(journal)).filter(({ source }) => source === "api/one");
    assert.equal(mine.length, 1);
    assert.equal((await refusals()).length, 0);
  });
});
