/** COPY data and result rows at the level of bytes: the same values are found however the bytes are cut into pieces. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { evidenceIn } from "../../infra/sketch/evidence.ts";
import type { Command, ResourceUri } from "../../schemas/command.ts";
import type { Content, Showing } from "../../services/gateway/content.ts";
import { CopyValues } from "../../services/gateway/postgres/copy-values.ts";
import { ShownRows } from "../../services/gateway/postgres/shown-rows.ts";
import { reading } from "../proxy/doubles.ts";
import { dataRow, frame } from "../proxy/talk.ts";

const emails = Array.from({ length: 5 }, (_, n) => `person${n}@example.com`);
const normal = emails.map((email) => email.replace(/\W/g, ""));

function found(pieces: Iterable<Buffer>): { values: string[]; rows: number } {
  const values: string[] = [];
  let rows = 0;
  const copy = new CopyValues(
    (text) => evidenceIn(text, (value) => values.push(value)),
    () => {
      rows += 1;
    },
  );
  for (const piece of pieces) copy.frames(piece, 0, piece.length);
  copy.finish();
  return { values, rows };
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

const binary = Buffer.concat([
  Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"),
  int32(0),
  int32(0),
  ...emails.map((email) =>
    Buffer.concat([int16(3), int32(4), int32(7), int32(-1), int32(email.length), Buffer.from(email)]),
  ),
  int16(-1),
]);
const text = Buffer.from(emails.map((email, n) => `${n}\t${email}\t\\N\n`).join(""));

/** The data in frames of so many bytes, cut as a Scanner cuts: a header is never split. */
function* framed(data: Buffer, size: number, cut: number): Generator<Buffer> {
  for (let at = 0; at < data.length; at += size) {
    const whole = frame("d", data.subarray(at, at + size));
    const end = Math.min(5 + cut, whole.length);
    yield whole.subarray(0, end);
    for (let next = end; next < whole.length; next += Math.max(1, cut))
      yield whole.subarray(next, next + Math.max(1, cut));
  }
}

describe("COPY data", () => {
  for (const [name, data] of [["text", text] as const, ["binary", binary] as const])
    it(`in ${name} gives the same values however it is cut`, () => {
      for (const size of [1, 3, 7, 19, 64, 10_000])
        for (const cut of [0, 1, 5, 100]) {
          const { values, rows } = found(framed(data, size, cut));
          assert.deepEqual(
            values.filter((value) => normal.includes(value)),
            normal,
            `${size} ${cut}`,
          );
          assert.ok(rows === 5 || rows === 6, `${rows}`);
        }
    });
  it("of one endless line, or with an enormous field, is looked at in bounded memory and goes on behind it", () => {
    const long = Buffer.concat([Buffer.alloc(3_000_000, "a,"), Buffer.from(`\n${emails[0]}\n`)]);
    assert.ok(found(framed(long, 8_192, 4_096)).values.includes(normal[0]!));
    const huge = Buffer.concat([
      binary.subarray(0, 19),
      int16(2),
      int32(2_000_000),
      Buffer.alloc(2_000_000),
      int32(emails[1]!.length),
      Buffer.from(emails[1]!),
    ]);
    assert.deepEqual(found(framed(huge, 8_192, 4_096)).values, [normal[1]]);
  });
});

describe("rows that are shown", () => {
  const columns = ["orders/t#id", "orders/t#email"] as ResourceUri[];
  const tagsOf = (uri: string) => (uri.endsWith("#email") ? ["pii.email"] : []);
  const watch = (outputs: ResourceUri[][][], reveals: ResourceUri[] = []) => {
    const values: string[] = [];
    const showing: Showing = {
      value: (value, tags) => values.push(`${tags.join()} ${value}`),
      row: () => {},
      say: () => {},
    };
    const content = { showing: () => showing } as unknown as Content;
    const command = { reading: reading({ outputs, reveals }) } as unknown as Command;
    return { shown: ShownRows.of(content, {} as never, command, tagsOf), values };
  };
  const row = dataRow("1", "ann@example.com");

  it("are looked at in tagged columns only, and not where they leave masked", () => {
    const { shown, values } = watch([[[columns[0]!], [columns[1]!]]]);
    shown?.row(row, 0, row.length, 0, null);
    assert.deepEqual(values, ["pii.email ann@example.com"]);
    const mask = { resource: columns[1]!, tag: "pii.email", shown: null, count: 0 };
    shown?.row(row, 0, row.length, 0, [null, mask]);
    assert.equal(values.length, 1);
  });
  it("are looked at in expressions over tagged columns", () => {
    const { shown, values } = watch([[[], []]], [columns[1]!]);
    shown?.row(row, 0, row.length, 0, null);
    assert.deepEqual(values, ["pii.email 1", "pii.email ann@example.com"]);
  });
  it("cost nothing where nothing is tagged", () => {
    assert.equal(watch([[[columns[0]!]]]).shown, null);
  });
  it("that are cut short are left to the client", () => {
    const { shown } = watch([[[columns[1]!], [columns[1]!]]]);
    for (let end = 7; end < row.length; end++) shown?.row(row.subarray(0, end), 0, end, 0, null);
  });
});
