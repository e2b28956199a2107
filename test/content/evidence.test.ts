/** What of a text is evidence, and in which form: the same value written otherwise is the same, common words are none. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { evidenceIn } from "../../infra/sketch/evidence.ts";
import { textsOf } from "../../services/gateway/content-binary.ts";
import { literalsIn } from "../../services/gateway/content-text.ts";

function found(text: string): string[] {
  const values: string[] = [];
  evidenceIn(text, (normal) => values.push(normal));
  return values;
}

const literals = (text: string): string[] => {
  const values: string[] = [];
  literalsIn(text, (value) => evidenceIn(value, (normal) => values.push(normal)));
  return values;
};

describe("evidence in a text", () => {
  it("is the same however a value is written", () => {
    const cards = ["4929-1234-5678-9012", "4929 1234 5678 9012", " 4929123456789012", "4929123456789012.00"];
    for (const card of cards) assert.deepEqual(found(card), ["4929123456789012"], card);
    for (const email of ["ann.lee@example.com", " ANN.LEE@Example.com "])
      assert.deepEqual(found(email), ["annleeexamplecom"]);
    assert.deepEqual(found("Ｍüller.Straße７@example.com"), found("müller.straße7@EXAMPLE.com"));
  });
  it("is nothing that many things share", () => {
    const common = ["true", "NULL", "Netherlands", "United Kingdom", "John Smith", "female", "12345678", "1980-01-31"];
    const more = [
      "2024-01-01 00:00:00",
      "2024-01-01T12:00:00.000Z",
      "0000000000000",
      "premium",
      "1",
      "",
      "a@b.c",
      "------",
    ];
    for (const text of [...common, ...more]) assert.deepEqual(found(text), [], text);
  });
  it("is found inside JSON, CSV, arrays and rows", () => {
    const email = "annleeexamplecom";
    const holders = [
      `{"email":"ann.lee@example.com","country":"NL"}`,
      `1,"Lee, Ann",ann.lee@example.com,NL`,
      `{1,ann.lee@example.com}`,
      `(1,ann.lee@example.com,"NL")`,
      "1\tann.lee@example.com\tNL",
      `{"a":"{\\"email\\":\\"ann.lee@example.com\\"}"}`,
    ];
    for (const text of holders) assert.ok(found(text).includes(email), `${text}: ${found(text)}`);
  });
  it("is found among words", () => {
    assert.ok(found("Please call Ann Lee <ann.lee@example.com> today").includes("annleeexamplecom"));
    assert.ok(found("card 4929123456789012 until 12/29").includes("4929123456789012"));
  });
  it("is found in a statement, whatever its quotes and comments", () => {
    const values = ["annleeexamplecom", "4929123456789012"];
    const statements = [
      "INSERT INTO t VALUES ('ann.lee@example.com', 4929123456789012)",
      "INSERT INTO t VALUES ('it''s', 'ann.lee@example.com', '4929 1234 5678 9012')",
      "INSERT INTO t /* ' */ VALUES ('ann.lee@example.com',4929123456789012)",
      "INSERT INTO t VALUES ($$ann.lee@example.com$$, $q$4929123456789012$q$)",
      "INSERT INTO t VALUES (E'ann\\x2elee@example.com', '4929123456789012'::numeric)",
      `INSERT INTO t SELECT * FROM json_to_recordset('[{"e":"ann.lee@example.com","c":"4929123456789012"}]') AS x(e text, c text)`,
      "UPDATE t SET email = 'ann.lee@example.com', card='4929123456789012' WHERE id = 1",
    ];
    for (const text of statements)
      for (const value of values) assert.ok(literals(text).includes(value), `${text}: ${literals(text)}`);
  });
  it("is found in binary values", () => {
    const told = (bytes: Buffer, type = 0): string[] => {
      const values: string[] = [];
      textsOf(bytes, type, (text) => evidenceIn(text, (normal) => values.push(normal)));
      return values;
    };
    const int8 = Buffer.alloc(8);
    int8.writeBigInt64BE(4929123456789012n);
    assert.deepEqual(told(int8, 20), ["4929123456789012"]);
    assert.ok(told(int8).includes("4929123456789012"));
    const numeric = Buffer.from("00040003000000001341 04d2 162e 2334".replaceAll(" ", ""), "hex");
    assert.deepEqual(told(numeric, 1700), ["4929123456789012"]);
    assert.deepEqual(told(Buffer.from("ann.lee@example.com")), ["annleeexamplecom"]);
    assert.deepEqual(told(Buffer.from(`\x01{"e":"ann.lee@example.com"}`)).includes("annleeexamplecom"), true);
  });
  it("is told in time that grows with the text only", () => {
    for (const hard of ["'", "$a", "/*", '"', '"\\', "{", "\\x", "a@"]) {
      let told = 0;
      literalsIn(hard.repeat(200_000), () => {
        told += 1;
      });
      evidenceIn(hard.repeat(200_000), () => {
        told += 1;
      });
      assert.ok(told < 1_000_000, hard);
    }
  });
});
