import assert from "node:assert/strict";
import { test } from "node:test";
import { neededOf } from "../../infra/rules/neighbours.ts";

const detection = (name: string) =>
  `title: ${name}\nname: ${name}\nlogsource: { category: command }\ndetection: { s: { operation: read }, condition: s }\n`;
const chain = (name: string, rules: string, more = "") =>
  `title: ${name}\nname: ${name}\ncorrelation: { type: temporal, rules: [${rules}], timespan: 1h }\n${more}`;
const file = (name: string, text: string) => ({ name, text });
const asked = (text: string, beside: readonly { name: string; text: string }[]) => {
  const { files, leftOut } = neededOf([file("asked.yml", text)], beside);
  return { files: files.map(({ name }) => name), leftOut };
};
const others = [
  file("broken.yml", "title: [\n"),
  file("catalog.yaml", "- { resource: t, tags: [pii] }\n"),
  file("compose.yml", "services: { a: { image: b } }\n"),
  file("empty.yml", ""),
];

test("of the files beside, those are needed that hold what is named, and what that names", () => {
  const beside = [
    ...others,
    file("b.yml", detection("b")),
    file("c.yml", chain("c", "d, e")),
    file("d.yml", detection("d")),
    file("e.yml", detection("e")),
    file("unused.yml", detection("unused")),
  ];
  assert.deepEqual(asked(detection("a"), beside), { files: [], leftOut: null });
  assert.deepEqual(asked(`${detection("a")}---\n${chain("x", "a, b")}`, beside), { files: ["b.yml"], leftOut: null });
  assert.deepEqual(asked(chain("x", "b, c"), beside).files, ["b.yml", "c.yml", "d.yml", "e.yml"]);
  const away = "x-chain: { absent: { rule: d, between: [a, a] }, until: e }\n";
  assert.deepEqual(asked(`${detection("a")}---\n${chain("x", "a", away)}`, beside).files, ["d.yml", "e.yml"]);
  const said = "title: x\ncorrelation: { type: temporal, condition: b and not (c), timespan: 1h }\n";
  assert.deepEqual(asked(said, beside).files, ["b.yml", "c.yml", "d.yml", "e.yml"]);
});

test("a rule is found by its id too, and one that was asked for is not looked for elsewhere", () => {
  const id = "0b9c7a52-4a57-4f53-9f0e-6f1d3f0a7c11";
  const named = detection("b").replace("name: b", `id: ${id}`);
  assert.deepEqual(asked(chain("x", id), [file("b.yml", named)]).files, ["b.yml"]);
  const copy = [file("copy.yml", detection("a"))];
  assert.deepEqual(asked(`${detection("a")}---\n${chain("x", "a")}`, copy).files, []);
});

test("when a rule is missing, what was left out is told with its reason", () => {
  const { files, leftOut } = asked(chain("x", "b, nowhere"), [...others, file("b.yml", detection("b"))]);
  assert.deepEqual(files, ["b.yml"]);
  assert.equal(leftOut?.length, 4);
  assert.match(leftOut?.[0] ?? "", /^broken\.yml:2:1: /);
  assert.deepEqual(leftOut?.slice(1), [
    "catalog.yaml: holds no rule",
    "compose.yml: holds no rule",
    "empty.yml: holds no rule",
  ]);
});
