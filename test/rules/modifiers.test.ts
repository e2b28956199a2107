import { test } from "node:test";
import { check, refused } from "./ask.ts";

test("a value is a text without regard to case; numbers and truth values are compared by their text", () => {
  check([
    ["{ a: Value }", { a: "vALUE" }, true],
    ["{ a: Value }", { a: "values" }, false],
    ["{ a: ÄÖ }", { a: "äö" }, true],
    ["{ a: 4624 }", { a: 4624 }, true],
    ["{ a: 4624 }", { a: "4624" }, true],
    ["{ a: '4624' }", { a: 4624 }, true],
    ["{ a: 4624 }", { a: "04624" }, false],
    ["{ a: true }", { a: true }, true],
    ["{ a: true }", { a: "True" }, true],
    ["{ a: false }", { a: true }, false],
    ["{ a: 1.5 }", { a: 1.5 }, true],
    ["{ a: -1 }", { a: "-1" }, true],
    ["{ a: 2019-10-23 }", { a: "2019-10-23" }, true],
  ]);
  refused([["{ a: 12345678901234567890 }", /not exact here: write it in quotes/]]);
});

test("* is any number of characters, ? exactly one", () => {
  check([
    ["{ a: 'prog?.exe' }", { a: "progA.exe" }, true],
    ["{ a: 'prog?.exe' }", { a: "prog.exe" }, false],
    ["{ a: 'prog?.exe' }", { a: "progAB.exe" }, false],
    ["{ a: 'av_V*.exe' }", { a: "av_V21.2.1.exe" }, true],
    ["{ a: 'av_V*.exe' }", { a: "av_V.exe" }, true],
    ["{ a: 'x*y*z' }", { a: "x--y--z" }, true],
    ["{ a: 'x*y*z' }", { a: "x--z--y" }, false],
    ["{ a: 'ab*ba' }", { a: "aba" }, false],
    ["{ a: '*a?b*' }", { a: "--a-b--" }, true],
    ["{ a: '*a?b' }", { a: "a-b-" }, false],
    ["{ a: '*?' }", { a: "" }, false],
    ["{ a: '?*?' }", { a: "😀" }, false],
    ["{ a: 'x?z' }", { a: "x😀z" }, true],
    ["{ a: '*' }", { a: "" }, true],
    ["{ a: '*' }", {}, false],
    ["{ a: 'x*' }", { a: "x\ny" }, true],
  ]);
});

test("a backslash makes a wildcard plain, and is plain itself where nothing follows that it could escape", () => {
  check([
    ["{ a: 'x\\*z' }", { a: "x*z" }, true],
    ["{ a: 'x\\*z' }", { a: "xyz" }, false],
    ["{ a: 'x\\?z' }", { a: "x?z" }, true],
    ["{ a: 'c:\\temp' }", { a: "c:\\temp" }, true],
    ["{ a: 'c:\\\\temp' }", { a: "c:\\temp" }, true],
    ["{ a: 'c:\\\\*' }", { a: "c:\\anything" }, true],
    ["{ a: 'c:\\\\*' }", { a: "c:*" }, false],
    ["{ a: 'c:\\\\\\*' }", { a: "c:\\*" }, true],
    ["{ a: 'c:\\\\\\*' }", { a: "c:\\x" }, false],
    ["{ a: 'x\\\\\\y' }", { a: "x\\\\y" }, true],
    ["{ a: 'x\\\\\\\\y' }", { a: "x\\\\y" }, true],
    ["{ a|startswith: 'c:\\' }", { a: "c:\\x" }, true],
    ["{ a|endswith: '\\*' }", { a: "x*" }, true],
    ["{ a|endswith: '\\*' }", { a: "xy" }, false],
  ]);
});

test("a list is any of its values, a map all of its items, a list of maps any of its maps", () => {
  check([
    ["{ a: [517, 1102] }", { a: 1102 }, true],
    ["{ a: [one, 'tw*', three, four] }", { a: "TWELVE" }, true],
    ["{ a: [one, two, three, four] }", { a: "FOUR" }, true],
    ["{ a: [one, two, three, four] }", { a: "five" }, false],
    ["{ a: 1, b: 2 }", { a: 1, b: 2 }, true],
    ["{ a: 1, b: 2 }", { a: 1 }, false],
    ["[{ a: 1 }, { b: 1 }]", { b: 1 }, true],
    ["[{ a: 1, b: 1 }, { c: 1 }]", { a: 1 }, false],
    ["{ a: [x, y] }", { a: ["z", "y"] }, true],
  ]);
  refused([
    ["{ a: [] }", /an empty list matches nothing/],
    ["[]", /is empty/],
    ["{}", /is empty/],
    ["{ a: { b: 1 } }", /a value is a text, a number/],
    ["{ a: [[1]] }", /a value is a text, a number/],
  ]);
});

test("null is a field without a value, '' an empty text, and neither is the other", () => {
  check([
    ["{ a: null }", {}, true],
    ["{ a: null }", { a: null }, true],
    ["{ a: null }", { a: [] }, true],
    ["{ a: null }", { a: "" }, false],
    ["{ a: null }", { a: 0 }, false],
    ["{ a: '' }", { a: "" }, true],
    ["{ a: '' }", {}, false],
    ["{ a: '' }", { a: "x" }, false],
    ["{ a|neq: null }", { a: "x" }, true],
  ]);
  refused([
    ["{ a: ['', null] }", /null is no value of a list: write a selection of its own and 1 of them/],
    ["{ a|contains: null }", /null cannot be combined with contains/],
  ]);
});

test("exists asks for the field alone, whatever it holds", () => {
  check([
    ["{ a|exists: true }", { a: "x" }, true],
    ["{ a|exists: true }", { a: "" }, true],
    ["{ a|exists: true }", { a: null }, true],
    ["{ a|exists: true }", { a: 0 }, true],
    ["{ a|exists: true }", {}, false],
    ["{ a|exists: false }", {}, true],
    ["{ a|exists: false }", { a: null }, false],
    ["{ a|exists: true }", { __proto__x: 1 }, false],
    ["{ constructor|exists: true }", { a: 1 }, false],
  ]);
  refused([
    ["{ a|exists: yes }", /exists takes true or false/],
    ["{ a|contains|exists: true }", /contains and exists cannot be combined/],
    ["{ '|exists': true }", /exists needs a field before it/],
  ]);
});

test("contains, startswith and endswith put wildcards around what may have wildcards of its own", () => {
  check([
    ["{ a|contains: bc }", { a: "aBCd" }, true],
    ["{ a|contains: 'b*d' }", { a: "abcde" }, true],
    ["{ a|contains: '*bc*' }", { a: "abcd" }, true],
    ["{ a|startswith: [x, ab] }", { a: "abcd" }, true],
    ["{ a|startswith: bc }", { a: "abcd" }, false],
    ["{ a|endswith: CD }", { a: "abcd" }, true],
    ["{ a|endswith: ab }", { a: "abcd" }, false],
    ["{ a|contains: 5 }", { a: 4567 }, true],
    ["{ a|contains: '' }", { a: "x" }, true],
    ["{ a|contains: '' }", {}, false],
  ]);
  refused([["{ a|contains|startswith: x }", /contains and startswith cannot be combined/]]);
});

test("all wants every value of a list of two or more", () => {
  check([
    ["{ a|contains|all: [ab, cd] }", { a: "abcd" }, true],
    ["{ a|all|contains: [ab, cd] }", { a: "abcd" }, true],
    ["{ a|contains|all: [ab, xy] }", { a: "abcd" }, false],
    ["{ a|all: [x, y] }", { a: ["x", "y", "z"] }, true],
    ["{ a|all: [x, y] }", { a: ["x", "z"] }, false],
    ["{ a|re|all: ['^a', 'd$'] }", { a: "abcd" }, true],
  ]);
  refused([
    ["{ a|all: x }", /all needs a list of two or more values/],
    ["{ a|contains|all: [x] }", /all needs a list of two or more values/],
  ]);
});

test("what only engines that step back can match is refused with what to write", () => {
  refused([
    ["{ a|re: '(?=x)y' }", /`\(\?=`: look-around is not linear .* two items under \|re\|all/],
    ["{ a|re: '(?<!x)y' }", /look-around is not linear in time/],
    ["{ a|re: '(a)\\1' }", /`\\1`: back references are not linear in time; write out what is to be repeated/],
    ["{ a|re: '(?>a)b' }", /atomic groups .* write \(\?:…\)/],
    ["{ a|re: 'a*+b' }", /leave out the last \+/],
    ["{ a|re: 'a\\Z' }", /write \\z, or \$/],
    ["{ a|re: 'a{1001}' }", /counts go up to 1000/],
    ["{ a|re: '[a' }", /missing closing \]: `\[a`$/],
  ]);
});

test("cased compares to the letter", () => {
  check([
    ["{ a|cased: Value }", { a: "Value" }, true],
    ["{ a|cased: Value }", { a: "value" }, false],
    ["{ a|contains|cased: Val }", { a: "aVal" }, true],
    ["{ a|cased|contains: Val }", { a: "aval" }, false],
    ["{ a|cased: [One, Two, Three] }", { a: "two" }, false],
    ["{ a|cased: [One, Two, Three] }", { a: "Two" }, true],
  ]);
});

test("neq turns the whole comparison round", () => {
  check([
    ["{ a|neq: x }", { a: "y" }, true],
    ["{ a|neq: x }", { a: "X" }, false],
    ["{ a|neq: [x, y] }", { a: "y" }, false],
    ["{ a|neq: [x, y] }", { a: "z" }, true],
    ["{ a|neq: 5 }", { a: 5 }, false],
    ["{ a|contains|neq: b }", { a: "abc" }, false],
    ["{ a|contains|all|neq: [a, b] }", { a: "a-" }, true],
    ["{ a|neq: x }", { a: ["x", "y"] }, false],
    ["{ a|neq: x }", {}, true],
    ["{ a|lt|neq: 5 }", { a: 5 }, true],
    ["{ a|fieldref|neq: b }", { a: "x", b: "y" }, true],
  ]);
});

test("lt, lte, gt and gte compare numbers, and numbers only", () => {
  check([
    ["{ a|gte: 5, a|lt: 10 }", { a: 5 }, true],
    ["{ a|gte: 5, a|lt: 10 }", { a: 10 }, false],
    ["{ a|lte: 1.5 }", { a: "1.5" }, true],
    ["{ a|gt: -1 }", { a: "-0.5e0" }, true],
    ["{ a|gt: 5 }", {}, false],
    ["{ a|lt: 5 }", { a: "" }, false],
    ["{ a|lt: 5 }", { a: " " }, false],
    ["{ a|lt: 5 }", { a: "0x1" }, false],
    ["{ a|lt: 5 }", { a: true }, false],
    ["{ a|gt: 5 }", { a: "Infinity" }, false],
    ["{ a|gt: [5, 100] }", { a: 7 }, true],
    ["{ a|gt: 5 }", { a: [1, 9] }, true],
  ]);
  refused([
    ["{ a|gt: '5' }", /gt takes a number, without quotes/],
    ["{ a|gt: .inf }", /gt takes a number/],
    ["{ a|gt|lt: 5 }", /lt and gt cannot be combined|gt and lt cannot be combined/],
    ["{ a|contains|gt: 5 }", /contains and gt cannot be combined/],
  ]);
});

test("minute to year take a part of a date, as it is written", () => {
  const at = { at: "2026-01-04T22:05:59Z" };
  check([
    ["{ at|minute: 5 }", at, true],
    ["{ at|hour: 22 }", at, true],
    ["{ at|hour|gte: 22 }", at, true],
    ["{ at|hour|lt: 6 }", at, false],
    ["{ at|day: 4 }", at, true],
    ["{ at|week: 1 }", at, true],
    ["{ at|week: 2 }", { at: "2026-01-05" }, true],
    ["{ at|week: 53 }", { at: "2021-01-03" }, true],
    ["{ at|month: 1 }", at, true],
    ["{ at|year: 2026 }", at, true],
    ["{ at|hour: 23 }", { at: "2026-01-04 23:00:00+05:00" }, true],
    ["{ at|hour: 0 }", { at: "2026-01-04" }, false],
    ["{ at|hour: 0 }", { at: "soon" }, false],
    ["{ at|hour|neq: 3 }", at, true],
    ["{ at|year: 1970 }", { at: 1000 }, true],
    ["{ at|hour: [8, 22] }", at, true],
  ]);
  refused([
    ["{ at|hour: 24 }", /hour is a whole number from 0 to 23/],
    ["{ at|month: 0 }", /month is a whole number from 1 to 12/],
    ["{ at|hour: '3' }", /hour takes a number, without quotes/],
    ["{ at|gte|hour: 3 }", /write hour before gte/],
    ["{ at|hour|contains: 3 }", /contains and hour cannot be combined/],
  ]);
});

test("cidr takes networks of version 4 and 6, with or without a port at the address", () => {
  check([
    ["{ a|cidr: 10.0.0.0/8 }", { a: "10.20.30.40" }, true],
    ["{ a|cidr: 10.0.0.0/8 }", { a: "11.0.0.1" }, false],
    ["{ a|cidr: 10.0.0.0/8 }", { a: "10.20.30.40:5432" }, true],
    ["{ a|cidr: 192.168.1.128/25 }", { a: "192.168.1.127" }, false],
    ["{ a|cidr: 10.0.0.1 }", { a: "10.0.0.1" }, true],
    ["{ a|cidr: 0.0.0.0/0 }", { a: "8.8.8.8" }, true],
    ["{ a|cidr: 0.0.0.0/0 }", { a: "not an address" }, false],
    ["{ a|cidr: [10.0.0.0/8, '2001:db8::/32'] }", { a: "2001:db8:1::1" }, true],
    ["{ a|cidr: [10.0.0.0/8, '2001:db8::/32'] }", { a: "2001:db9::1" }, false],
    ["{ a|cidr: '2001:db8::/33' }", { a: "[2001:db8:8000::1]:443" }, false],
    ["{ a|cidr: '::1/128' }", { a: "0:0:0:0:0:0:0:1" }, true],
    ["{ a|cidr: 'fe80::/10' }", { a: "fe80::1%eth0" }, true],
    ["{ a|cidr: 10.0.0.0/8 }", { a: "::ffff:10.1.2.3" }, true],
    ["{ a|cidr: '::/0' }", { a: "10.0.0.1" }, false],
    ["{ a|cidr: '::ffff:10.0.0.0/104' }", { a: "10.1.2.3" }, true],
    ["{ a|cidr: '::ffff:10.0.0.0/104' }", { a: "::ffff:10.1.2.3" }, true],
    ["{ a|cidr: '::ffff:10.0.0.0/104' }", { a: "11.1.2.3" }, false],
    ["{ a|cidr: '::ffff:10.0.0.1' }", { a: "10.0.0.1" }, true],
    ["{ a|cidr: 10.0.0.0/8 }", { a: 10 }, false],
    ["{ a|cidr|neq: 10.0.0.0/8 }", { a: "11.0.0.1" }, true],
  ]);
  refused([
    ["{ a|cidr: 10.0.0.0/33 }", /0 to 32 bits/],
    ["{ a|cidr: '::ffff:10.0.0.0/8' }", /96 to 128 bits/],
    ["{ a|cidr: '::ffff:10.0.0.1/104' }", /after the first 104: write the network's first address/],
    ["{ a|cidr: 10.0.0.1/8 }", /write the network's first address/],
    ["{ a|cidr: ten }", /cidr takes a network such as/],
    ["{ a|cidr: 10.0.0.0/8/8 }", /cidr takes a network such as/],
    ["{ a|cidr|contains: 10.0.0.0/8 }", /contains and cidr cannot be combined/],
  ]);
});
