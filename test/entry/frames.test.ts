/** Frames: what goes in comes out, however the bytes were cut. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { clientTypes, Scanner, targetTypes } from "../../services/gateway/postgres/frames.ts";
import {
  bind,
  copyDone,
  errorResponse,
  execute,
  parse,
  query,
  reportFields,
  sync,
} from "../../services/gateway/postgres/messages.ts";

function frame(type: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head[0] = type;
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

interface Seen {
  readonly wholes: string[];
  readonly types: string;
  readonly streamed: Buffer;
  readonly count: number;
  readonly all: Buffer;
}

function scan(scanner: Scanner, chunks: readonly Buffer[]): Seen {
  const wholes: string[] = [];
  const streamed: Buffer[] = [];
  const all: Buffer[] = [];
  let types = "";
  let count = 0;
  for (const chunk of chunks) {
    scanner.feed(chunk);
    while (scanner.next()) {
      const piece = scanner.bytes.subarray(scanner.start, scanner.end);
      count += scanner.count;
      types += String.fromCharCode(scanner.type).repeat(scanner.count);
      all.push(piece);
      if (scanner.whole) wholes.push(piece.toString("latin1"));
      else streamed.push(piece);
    }
  }
  return { wholes, types, streamed: Buffer.concat(streamed), count, all: Buffer.concat(all) };
}

const targetFrame = fc
  .tuple(
    fc.constantFrom(...Object.values(targetTypes), targetTypes.DataRow, targetTypes.DataRow),
    fc.uint8Array({ maxLength: 40 }),
  )
  .map(([type, body]) => frame(type, body));

test("however the bytes are cut, the same frames come out, byte for byte and in order", () => {
  fc.assert(
    fc.property(
      fc.array(targetFrame, { maxLength: 30 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 8, max: 60 }),
      (frames, sizes, wholeBytesMax) => {
        const bytes = Buffer.concat(frames);
        const seen = scan(new Scanner("target", wholeBytesMax), cut(bytes, sizes));
        const streams: number[] = [targetTypes.DataRow, targetTypes.CopyData];
        const isStream = (f: Buffer): boolean => streams.includes(f[0]!) || f.length > wholeBytesMax;
        assert.deepEqual(seen.all, bytes);
        assert.equal(seen.types, frames.map((f) => String.fromCharCode(f[0]!)).join(""));
        assert.deepEqual(
          seen.wholes,
          frames.filter((f) => !isStream(f)).map((f) => f.toString("latin1")),
        );
        assert.deepEqual(seen.streamed, Buffer.concat(frames.filter(isStream)));
      },
    ),
  );
});

test("first and last mark where a streamed frame begins and ends", () => {
  const row = frame(targetTypes.DataRow, Buffer.alloc(20));
  const scanner = new Scanner("target");
  const marks: string[] = [];
  for (const chunk of cut(Buffer.concat([row, row]), [7])) {
    scanner.feed(chunk);
    while (scanner.next())
      marks.push(`${scanner.first ? "[" : ""}${scanner.end - scanner.start}${scanner.last ? "]" : ""}`);
  }
  assert.deepEqual(marks, ["[7", "7", "7", "4]", "[5", "5", "7", "7", "1]"]);
  assert.ok(scanner.idle);
});

test("rows that lie in one chunk come as one run, without a copy", () => {
  const chunk = Buffer.concat(Array.from({ length: 100 }, () => frame(targetTypes.DataRow, Buffer.alloc(30))));
  const scanner = new Scanner("target");
  scanner.feed(chunk);
  assert.ok(scanner.next());
  assert.equal(scanner.count, 100);
  assert.equal(scanner.bytes, chunk);
  assert.equal(scanner.end - scanner.start, chunk.length);
  assert.equal(scanner.next(), false);
});

test("rows come one by one, whole, when they are asked for whole", () => {
  const chunk = Buffer.concat([1, 2, 3].map((n) => frame(targetTypes.DataRow, Buffer.alloc(n))));
  const scanner = new Scanner("target");
  scanner.deliver(targetTypes.DataRow, "whole");
  const seen = scan(scanner, [chunk]);
  assert.equal(seen.wholes.length, 3);
});

test("a length under four, over its limit, or of two gigabytes ends the conversation", () => {
  const bad = (type: number, length: number): (() => void) => {
    const head = Buffer.alloc(5);
    head[0] = type;
    head.writeUInt32BE(length, 1);
    return () => scan(new Scanner("client"), [head]);
  };
  assert.throws(bad(clientTypes.Query, 3), { code: "frame.malformed" });
  assert.throws(bad(clientTypes.Query, 0x7fffffff), { code: "frame.too_large" });
  assert.throws(bad(clientTypes.Query, 0xffffffff), { code: "frame.too_large" });
  assert.throws(bad(clientTypes.Sync, 20_000), { code: "frame.too_large" });
});

test("a type that this side does not send ends the conversation; a password after login is one", () => {
  assert.throws(() => scan(new Scanner("client"), [frame(0x00, Buffer.alloc(0))]), { code: "frame.malformed" });
  assert.throws(() => scan(new Scanner("client"), [frame(0x70, Buffer.alloc(0))]), { code: "frame.malformed" });
  assert.throws(() => scan(new Scanner("target"), [frame(0x51, Buffer.alloc(0))]), { code: "frame.malformed" });
});

test("a run of rows stops before a row whose length is impossible, and then it is an error", () => {
  const good = frame(targetTypes.DataRow, Buffer.alloc(3));
  const bad = Buffer.from([targetTypes.DataRow, 0, 0, 0, 1]);
  const scanner = new Scanner("target");
  scanner.feed(Buffer.concat([good, bad]));
  assert.ok(scanner.next());
  assert.equal(scanner.count, 1);
  assert.throws(() => scanner.next(), { code: "frame.malformed" });
});

test("builders give the bytes of the specification", () => {
  assert.equal(query("SELECT 1").toString("hex"), `510000000d${Buffer.from("SELECT 1\0").toString("hex")}`);
  assert.equal(sync().toString("hex"), "5300000004");
  assert.equal(copyDone().toString("hex"), "6300000004");
  assert.equal(execute("p", 5).toString("hex"), "450000000a700000000005");
  assert.equal(parse("s", "x", [23]).toString("hex"), "500000000e73007800000100000017");
  const bound = bind({ portal: "", statement: "s", parameters: [Buffer.from("ab"), null], resultFormats: [1] });
  assert.equal(bound.toString("hex"), "420000001900730000000002000000026162ffffffff00010001");
});

test("a zero in an error's text cannot start a field of its own", () => {
  const message = errorResponse({ severity: "ERROR", code: "42501", message: "no\0Hforged", detail: "d" });
  const fields = reportFields(message);
  assert.equal(fields.get("M"), "noHforged");
  assert.equal(fields.get("D"), "d");
  assert.equal(fields.has("H"), false);
});
