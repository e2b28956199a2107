import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, check, refused } from "./ask.ts";

const encode = (text: string, encoding: BufferEncoding = "utf8") => Buffer.from(text, encoding).toString("base64");

test("re is found anywhere, with regard to case; i, m and s change that", () => {
  check([
    ["{ a|re: '^ab+c$' }", { a: "abbc" }, true],
    ["{ a|re: 'b+' }", { a: "abbc" }, true],
    ["{ a|re: 'B' }", { a: "abc" }, false],
    ["{ a|re|i: 'B' }", { a: "abc" }, true],
    ["{ a|re: '^b$' }", { a: "a\nb\nc" }, false],
    ["{ a|re|m: '^b$' }", { a: "a\nb\nc" }, true],
    ["{ a|re: 'a.b' }", { a: "a\nb" }, false],
    ["{ a|re|s: 'a.b' }", { a: "a\nb" }, true],
    ["{ a|re|i|m|s: '^B.C$' }", { a: "a\nb\nc" }, true],
    ["{ a|re: ['^x', 'y$'] }", { a: "--y" }, true],
    ["{ a|re|contains: 'b' }", { a: "abc" }, true],
    ["{ a|re|startswith: 'x|b' }", { a: "abc" }, false],
    ["{ a|re|endswith: 'x|c' }", { a: "abc" }, true],
    ["{ a|re: '[0-9]{3}' }", { a: 12345 }, true],
    ["{ a|re: '^\\*\\\\$' }", { a: "*\\" }, true],
    ["{ a|re|neq: 'b' }", { a: "abc" }, false],
    ["{ a|re: '.' }", {}, false],
  ]);
  refused([
    ["{ a|re: '(?=x)' }", /^5: detection\.selection\.a\|re: /],
    ["{ a|re: '(a)\\1' }", /detection\.selection/],
    ["{ a|re: '[' }", /detection\.selection/],
    ["{ a|i: x }", /the modifier i belongs to re: write re\|i/],
    ["{ a|contains|re: x }", /write re before contains/],
    ["{ a|base64|re: x }", /base64 and re cannot be combined/],
    [`{ a|re: '${"a".repeat(3_000)}' }`, /longer than 2048/],
  ]);
});

test("what makes other engines backtrack for ever is linear here, and what would fill the memory is refused", () => {
  const long = "a".repeat(50_000);
  assert.equal(ask("{ a|re: '^(a+)+$' }", { a: `${long}!` }), 0);
  assert.equal(ask("{ a|re: '(x+x+)+y' }", { a: "x".repeat(50_000) }), 0);
  assert.equal(ask("{ a|re: '^(.*,){12}P' }", { a: "x,".repeat(2_000) }), 0);
  assert.equal(ask("{ a: '*a*a*a*a*a*a*a*a*b' }", { a: long }), 0);
  assert.equal(ask("{ a: '*?a?*?a?*b?c' }", { a: long }), 0);
  const many = Array.from({ length: 20 }, (_, at) => `'- - - -x${at}'`);
  refused([
    ["{ a|re: '((a{200}){200}){200}' }", /repeat/],
    // Linear in the text, but each of its letters would be compared with seven thousand places.
    ["{ a|re: '(a?){1000}(a){1000}[x-z]' }", /repeats too much/],
    [`{ a|windash|base64offset|contains: [${many.join()}] }`, /stands for more than/],
  ]);
});

test("windash takes any of the five dashes for any other", () => {
  for (const dash of ["-", "/", "–", "—", "―"]) {
    check([
      ["{ a|windash|contains: ' -f ' }", { a: `rm ${dash}f x` }, true],
      ["{ a|windash|contains: ' /f -r' }", { a: `rm ${dash}f -r` }, true],
      [`{ a|windash: '${dash}x' }`, { a: "-X" }, true],
    ]);
  }
  check([
    ["{ a|windash|contains: ' -f' }", { a: "rm +f" }, false],
    ["{ a|windash|contains: ' -f' }", { a: "rm f" }, false],
    ["{ a|windash: '*-?' }", { a: "rm /f" }, true],
    ["{ a|windash|contains|all: ['-a', '-b'] }", { a: "/a –b" }, true],
    // As most public rules write it.
    ["{ a|contains|windash: ' -f' }", { a: "rm /f x" }, true],
    ["{ a|contains|windash|all: ['-a', '-b'] }", { a: "x /a –b" }, true],
    ["{ a|endswith|windash: '-f' }", { a: "rm /f" }, true],
    ["{ a|endswith|windash: '-f' }", { a: "rm /f x" }, false],
    ["{ a|contains: '-f' }", { a: "/f" }, false],
  ]);
  refused([
    ["{ a|windash|base64: '-----' }", /more than 625 texts/],
    ["{ a|windash|wide: '-f' }", /wide cannot follow windash/],
  ]);
});

test("base64 encodes the value, base64offset finds it anywhere inside what was encoded", () => {
  check([
    ["{ a|base64: foo }", { a: encode("foo") }, true],
    ["{ a|base64: foo }", { a: encode("foobar") }, false],
    ["{ a|base64|contains: foo }", { a: `x ${encode("foobar")} y` }, true],
    ["{ a|base64: grüße }", { a: encode("grüße") }, true],
    ["{ a|base64|cased: foo }", { a: encode("foo").toUpperCase() }, false],
    ["{ a|windash|base64: '-f' }", { a: encode("/f") }, true],
    ["{ a|base64: 'x\\*' }", { a: encode("x*") }, true],
  ]);
  for (const before of ["", "1", "12", "123", "1234", "12345"])
    for (const value of ["foo bar", "http://", "IEX", "grüß"])
      for (const after of ["", "x", "yz", "abc"]) {
        const event = { a: encode(`${before}${value}${after}`) };
        check([
          [`{ a|base64offset|contains: '${value}' }`, event, true],
          [`{ a|base64offset: '${value}' }`, event, true],
          [`{ a|base64offset|contains: '${value}#' }`, event, false],
        ]);
      }
  refused([
    ["{ a|base64: 'x*' }", /base64 cannot encode a wildcard/],
    ["{ a|contains|base64: x }", /base64 stands before contains: write base64\|contains/],
    ["{ a|base64|base64offset: x }", /base64 and base64offset cannot be combined/],
  ]);
});

test("utf16le, its alias wide, utf16be and utf16 with its mark give the bytes that base64 then encodes", () => {
  const le = (text: string) => Buffer.from(text, "utf16le");
  const be = (text: string) => Buffer.from(text, "utf16le").swap16();
  const in64 = (...parts: Buffer[]) => Buffer.concat(parts).toString("base64");
  check([
    ["{ a|wide|base64: cmd }", { a: in64(le("cmd")) }, true],
    ["{ a|utf16le|base64: grüß }", { a: in64(le("grüß")) }, true],
    ["{ a|utf16be|base64: cmd }", { a: in64(be("cmd")) }, true],
    ["{ a|utf16|base64: cmd }", { a: in64(Buffer.from([0xff, 0xfe]), le("cmd")) }, true],
    ["{ a|utf16be|base64: cmd }", { a: in64(le("cmd")) }, false],
    ["{ a|wide|base64offset|contains: 'http' }", { a: in64(le("x http://")) }, true],
    ["{ a|wide|base64offset|contains: 'http' }", { a: encode("x http://") }, false],
    ["{ a|wide: cmd }", { a: "c\0m\0d\0" }, true],
    ["{ a|wide|contains: 'c*d' }", { a: "--c\0m\0d\0--" }, true],
    ["{ a|utf16: cmd }", { a: "\xff\xfec\0m\0d\0" }, true],
  ]);
  refused([
    ["{ a|base64|wide: x }", /wide stands before base64: write wide\|base64/],
    ["{ a|utf16le|utf16be: x }", /cannot be combined/],
  ]);
});

test("expand without a placeholder is the value, with one it says what to write", () => {
  check([
    ["{ a|expand: plain }", { a: "plain" }, true],
    ["{ a: '%name%' }", { a: "%name%" }, true],
    ["{ a|expand: '100\\%' }", { a: "100%" }, true],
    ["{ a|expand|contains: '\\%plain' }", { a: "x%plain" }, true],
    ["{ a|contains|expand: '\\%plain' }", { a: "x%plain" }, true],
  ]);
  refused([
    ["{ a|expand: '%Servers%' }", /nothing gives %Servers% a value: list the values here, without expand/],
    ["{ a|expand: '\\%plain%name%' }", /nothing gives %name% a value/],
    ["{ a|contains|expand: '%name%' }", /nothing gives %name% a value/],
  ]);
});

test("fieldref compares with another field of the same event, alone or at an end of it", () => {
  check([
    ["{ a|fieldref: b }", { a: "x", b: "X" }, true],
    ["{ a|fieldref|cased: b }", { a: "x", b: "X" }, false],
    ["{ a|fieldref: b }", { a: "x", b: "y" }, false],
    ["{ a|fieldref: b }", { a: "x" }, false],
    ["{ a|fieldref: b }", {}, false],
    ["{ a|fieldref: b }", { a: 5, b: "5" }, true],
    ["{ a|fieldref: b }", { a: ["x", "y"], b: ["y", "z"] }, true],
    ["{ a|fieldref: [b, c] }", { a: "x", b: "y", c: "x" }, true],
    ["{ a|fieldref|startswith: b }", { a: "xyz", b: "xy" }, true],
    ["{ a|startswith|fieldref: b }", { a: "xyz", b: "yz" }, false],
    ["{ a|fieldref|endswith: b }", { a: "xyz", b: "yz" }, true],
    ["{ a|fieldref|contains: b }", { a: "xyz", b: "y" }, true],
    ["{ a|fieldref|contains: b }", { a: "xyz", b: "*" }, false],
    ["{ a|fieldref: a }", { a: "x" }, true],
    ["{ a|fieldref: b, b|fieldref: a }", { a: "x", b: "x" }, true],
  ]);
  refused([
    ["{ a|fieldref: 5 }", /fieldref takes the name of a field/],
    ["{ a|fieldref|re: b }", /cannot be combined/],
    ["{ a|fieldref|startswith|endswith: b }", /startswith and endswith cannot be combined/],
  ]);
});

test("a modifier that Sigma does not have, or that stands twice, is an error that names the ones there are", () => {
  refused([
    ["{ a|beginswith: x }", /"beginswith" is no modifier of Sigma; known: all, base64, base64offset, cased/],
    ["{ a|: x }", /"" is no modifier/],
    ["{ a|contains|contains: x }", /the modifier contains stands here twice/],
    [`{ a: ${"x".repeat(9_000)} }`, /longer than 8192/],
    [`{ a: '${"?".repeat(101)}' }`, /more than 100 wildcards/],
    [`{ a: [${Array.from({ length: 20_001 }, (_, n) => n).join(",")}] }`, /more than 20000 values/],
  ]);
});
