/** Shown and brought, at the gate: what is said of values, when, and what nobody can push out of memory. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sketchKey } from "../../infra/sketch/sketch.ts";
import type { Command, CommandId, Reading } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import { limits } from "../../schemas/limits.ts";
import { Content } from "../../services/gateway/content.ts";
import { ContentIndex } from "../../services/gateway/content-index.ts";
import type { Session } from "../../services/gateway/session.ts";
import { MemoryLog } from "../gate/memory-log.ts";
import { effect, reading } from "../gate/world.ts";

const emails = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `person${from + n}@example.com`);
const writes = reading([effect("write", [], ["orders/t"])]);
const commit: Reading = { ...writes, effects: [], transaction: { kind: "commit" } };
const begin: Reading = { ...writes, effects: [], transaction: { kind: "begin" } };

function world({ keyByte = 1, keptMax = 1_000_000, asked = true } = {}) {
  const clock = { nowMs: Date.UTC(2026, 0, 1) };
  const log = new MemoryLog(() => clock.nowMs);
  const index = new ContentIndex({ ...limits, contentKeptMax: keptMax });
  log.fold((entry) => index.fold(entry));
  const keys = [sketchKey(1, Buffer.alloc(32, keyByte))];
  const appender = log.appender("gateway", "m1");
  const parts = { appender, index, keys: () => keys, isAsked: () => asked, now: () => clock.nowMs };
  const content = new Content({ ...parts, follow: (append) => append() });
  let commands = 0;
  const command = (text: string, what: Reading, parameters: string[] = []): Command => {
    commands += 1;
    return { id: `c${commands}` as CommandId, session: "s" as never, kind: "query", text, parameters, reading: what };
  };
  return {
    clock,
    log,
    index,
    content,
    appender,
    shows(session: Session, values: readonly string[], tags = ["pii.email"]): string {
      const read = command("SELECT", reading([effect("read", ["orders/c"])]));
      const showing = content.showing(session, read);
      for (const value of values) {
        showing?.row();
        showing?.value(value, tags);
      }
      showing?.say(true);
      return read.id;
    },
    brings(session: Session, values: readonly string[], what = writes) {
      const text = `INSERT INTO t VALUES ${values.map((value) => `('${value}')`).join()}`;
      return this.runs(session, command(values.length === 0 ? "" : text, what));
    },
    runs(session: Session, one: Command) {
      content.bring(session, one);
      return log.of("content.brought").find(({ subject }) => subject.command === one.id)?.data ?? null;
    },
    command,
  };
}

function session(name: string): Session {
  const subject: Subject = { session: name, identity: `i|${name}`, account: name };
  return { subject } as unknown as Session;
}

describe("values that come back", () => {
  it("are said with who was shown them, how many, and their tags", () => {
    const here = world();
    const read = here.shows(session("extract"), emails(0, 50));
    const said = here.brings(session("load"), [...emails(10, 5), "somebody.else@example.com"]);
    const [event] = here.log.of("content.shown");
    assert.deepEqual(said, { from: [{ event: event?.id, command: read, shared: 5 }], values: 5, tags: ["pii.email"] });
  });
  it("are chance when they are fewer than three, and when nobody was shown them", () => {
    const here = world();
    here.shows(session("extract"), emails(0, 50));
    assert.equal(here.brings(session("load"), emails(48, 4)), null);
    assert.equal(here.brings(session("other"), emails(1_000, 500)), null);
  });
  it("are counted together, a row at a time and over sessions, until there is a long pause", () => {
    const here = world();
    here.shows(session("extract"), emails(0, 50));
    assert.equal(here.brings(session("load"), emails(0, 1)), null);
    assert.equal(here.brings(session("load"), emails(1, 1)), null);
    assert.equal(here.brings(session("load"), emails(1, 1)), null, "the same one again");
    assert.equal(here.brings(session("somebody"), emails(5, 1)), null);
    assert.equal(here.brings(session("load"), emails(2, 1))?.values, 3);
    assert.equal(here.brings(session("load"), emails(1_000, 1)), null, "nothing of it in this one");
    here.clock.nowMs += limits.contentPauseMsMax + 1;
    assert.equal(here.brings(session("load"), emails(3, 1)), null);
  });
  it("are found when they were shown one row at a time", () => {
    const here = world();
    for (const email of emails(0, 20)) here.shows(session("extract"), [email]);
    const said = here.brings(session("load"), emails(0, 20));
    assert.equal(said?.values, 20);
    assert.equal(said?.from.length, 20);
  });
  it("are said again with the COMMIT that makes them last, and not after a ROLLBACK", () => {
    const here = world();
    here.shows(session("extract"), emails(0, 50));
    const load = session("load");
    here.brings(load, [], begin);
    assert.equal(here.brings(load, emails(0, 5))?.values, 5);
    assert.equal(here.brings(load, [], commit)?.values, 5);
    assert.equal(here.brings(load, [], commit), null);
    assert.equal(here.brings(load, emails(5, 5))?.values, 10);
    here.brings(load, [], { ...writes, effects: [], transaction: { kind: "rollback" } });
    assert.equal(here.brings(load, [], commit), null);
  });
  it("are said once for a command that is held and asked again", () => {
    const here = world();
    here.shows(session("extract"), emails(0, 50));
    const [load, one] = [session("load"), here.command(`SELECT '${emails(0, 9).join("','")}'`, writes)];
    here.runs(load, one);
    here.runs(load, one);
    assert.equal(here.log.of("content.brought").length, 1);
  });
  it("name the reading that they share most with, of every reader: repeated readings push nobody out", () => {
    const here = world();
    const read = here.shows(session("extract"), emails(0, 50));
    for (let n = 0; n < 100; n++) here.shows(session("decoy"), emails(0, 10));
    const said = here.brings(session("load"), emails(0, 40));
    assert.deepEqual(
      said?.from.map(({ shared }) => shared),
      [40, 10, 10],
    );
    assert.equal(said?.from[0]?.command, read);
  });
  it("are nothing to a command that only reads, and nothing at all where no rule asks", () => {
    const here = world();
    here.shows(session("extract"), emails(0, 50));
    assert.equal(here.brings(session("load"), emails(0, 40), reading([effect("read", ["orders/c"])])), null);
    const off = world({ asked: false });
    off.shows(session("extract"), emails(0, 50));
    off.brings(session("load"), emails(0, 50));
    assert.equal(off.log.kept.length, 0);
  });
  it("are looked for in definitions, which may hold them", () => {
    const here = world();
    here.shows(session("extract"), emails(0, 50));
    const defines = reading([effect("define", [], ["orders/box"])]);
    assert.equal(here.brings(session("load"), emails(0, 40), defines)?.values, 40);
  });
  it("are looked for in commands that cannot be read", () => {
    const here = world();
    here.shows(session("extract"), emails(0, 50));
    const dark = reading([effect("execute", [], ["orders"])], { opaque: "a DO block" });
    assert.equal(here.brings(session("load"), emails(0, 40), dark)?.values, 40);
  });
  it("are not found under another tenant's key", () => {
    const [here, there] = [world(), world({ keyByte: 2 })];
    here.shows(session("extract"), emails(0, 50));
    for (const { data, subject } of here.log.of("content.shown"))
      there.appender.append({ type: "content.shown", data, subject });
    assert.equal(there.brings(session("load"), emails(0, 50)), null);
  });
});

describe("what is remembered as shown", () => {
  it("fits into events, however much is shown", () => {
    const here = world();
    const [extract, tags] = [session("extract"), ["pii"]];
    const showing = here.content.showing(extract, here.command("SELECT", reading([])));
    for (const email of emails(0, 30_000)) {
      showing?.value(email, tags);
      showing?.say(false);
    }
    showing?.say(true);
    const said = here.log.of("content.shown");
    assert.ok(said.every(({ data }) => data.hashes.length <= 8 * limits.contentHashesMax));
    assert.ok(said.length < 30, `${said.length} events`);
    assert.ok((here.brings(session("load"), emails(10_000, 2_000))?.values ?? 0) > 50);
  });
  it("of others stays when somebody reads without end: he loses his own", () => {
    const here = world({ keptMax: 3_000 });
    here.shows(session("extract"), emails(0, 100));
    for (let n = 0; n < 20; n++) here.shows(session("flooder"), emails(10_000 + n * 1_000, 1_000));
    assert.ok(here.index.forgotten >= 17_000);
    assert.equal(here.brings(session("load"), emails(0, 100))?.values, 100);
    assert.equal(here.brings(session("other"), emails(10_000, 100)), null);
  });
  it("ends with its time", () => {
    const here = world();
    here.shows(session("extract"), emails(0, 100));
    here.clock.nowMs += limits.contentKeptMs + 1;
    here.log.appender("correlator", "m1").append({ type: "clock.ticked", subject: {}, data: {} });
    assert.equal(here.index.isEmpty, true);
    assert.equal(here.brings(session("load"), emails(0, 100)), null);
  });
  it("is the same after a snapshot", () => {
    const here = world();
    here.shows(session("extract"), emails(0, 100));
    here.shows(session("other"), emails(50, 100));
    const again = new ContentIndex();
    again.restore(JSON.parse(JSON.stringify(here.index.kept())) as ReturnType<typeof here.index.kept>);
    assert.deepEqual(again.kept(), here.index.kept());
    const [hash = 0] =
      here.index.kept().length > 0 ? [sketchKey(1, Buffer.alloc(32, 1)).hash("person60examplecom")] : [];
    assert.equal(again.find(1, hash).length, 2);
  });
});
