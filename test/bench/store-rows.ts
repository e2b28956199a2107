/** Synthetic rows of the store's tables, made by the engine itself: what P10 asks its questions of. */
import type { Engine } from "../../infra/store/engine.ts";

export const axisNames = ["identity", "account", "session", "resource", "task"] as const;
export type AxisName = (typeof axisNames)[number];

const rowsPerInsert = 500_000;
const perSession = 200;
const live = 10;
const perTask = 4_000;

const session = `(intDiv(number, ${perSession * live}) * ${live} + number % ${live})`;
const expressions: Readonly<Record<AxisName, string>> = {
  identity: `concat('https://id.example/realms/demo|user', toString(cityHash64(${session}) % 1000))`,
  account: `concat('account', toString(cityHash64(${session}, 1) % 50))`,
  session: `concat('01JD3S9Q8W6M2T4V7X9Z1B', toString(${session}))`,
  resource: "concat('orders/public.table', toString(cityHash64(intDiv(number, 2)) % 5000))",
  task: `concat('T-', toString(intDiv(number, ${perTask})))`,
};
const command = "concat('01JD3S9Q8W6M2T4V7X9Z1C', toString(intDiv(number, 2)))";
const position = "leftPad(toString(number + 1), 16, '0')";
const hash = "lower(hex(toString(cityHash64(number))))";

/** About 1 KB, as a gateway writes it. */
const member = (name: string, expression: string) => `'"${name}":"', ${expression}, '",'`;
const envelope = `concat('{"specversion":"1.0","source":"gateway/one","tenant":"demo","stream":"steps",',
  ${[member("id", `concat('gateway/one/s/', ${position})`), ...axisNames.filter((axis) => axis !== "resource").map((axis) => member(axis, expressions[axis])), member("command", command)].join(", ")},
  '"type":"command.decided","target":"orders","data":{"kind":"execute","effects":[{"operation":"read","reads":["', ${expressions.resource},
  '"],"writes":[],"ends":[],"destroys":false}],"opaque":null,"transaction":{"kind":"none"},"ruling":"allow","stage":"gate","because":["policy0"],"text":{"sealed":"',
  ${hash}, ${hash}, ${hash}, '","bytes":46,"hash":"', ${hash}, ${hash}, '"},"parameters":null,"fingerprint":"5c5c5c5c5c5c5c5c","statements":["SELECT"]}}')`;

/** One value of an axis that has events. */
export function valueAt(axis: AxisName, n: number, events: number): string {
  const values: Readonly<Record<AxisName, string>> = {
    identity: `https://id.example/realms/demo|user${n % 1_000}`,
    account: `account${n % 50}`,
    session: `01JD3S9Q8W6M2T4V7X9Z1B${(n * 7_919) % Math.floor(events / perSession)}`,
    resource: `orders/public.table${(n * 7) % 5_000}`,
    task: `T-${(n * 7_919) % Math.floor(events / perTask)}`,
  };
  return values[axis];
}

export async function fill(engine: Engine, events: number): Promise<void> {
  const axes = [
    ...axisNames.map((axis) => `('${axis}', ${expressions[axis]})`),
    `('command', ${command})`,
    "('target', 'orders')",
  ];
  for (let from = 0; from < events; from += rowsPerInsert) {
    const numbers = `numbers(${from}, ${Math.min(rowsPerInsert, events - from)})`;
    await engine.command(`INSERT INTO events (position, id, at, tenant, type, source, stream, sequence, session, command,
      identity, account, task, target, ruling, operations, resources, event)
      SELECT ${position}, concat('gateway/one/s/', ${position}), fromUnixTimestamp64Milli(toInt64(1700000000000 + number * 10), 'UTC'),
      'demo', 'command.decided', 'gateway/one', 'steps', number, ${expressions.session}, ${command}, ${expressions.identity},
      ${expressions.account}, ${expressions.task}, 'orders', 'allow', ['read'], [${expressions.resource}], ${envelope} FROM ${numbers}`);
    await engine.command(`INSERT INTO axes (axis, value, position) SELECT p.1, p.2, ${position}
      FROM (SELECT number, arrayJoin([${axes.join(", ")}]) AS p FROM ${numbers})`);
    await engine.command(`INSERT INTO texts (session, position, text) SELECT ${expressions.session}, ${position},
      concat('SELECT * FROM customers WHERE id = ', toString(number)) FROM ${numbers} WHERE number % 2 = 0`);
  }
}
