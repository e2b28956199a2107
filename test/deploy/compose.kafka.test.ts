/** The compose file's own commands, configuration, keys and scripts, run without containers (house.ts). */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, eventually, granted, person, workload } from "../demo/cast.ts";
import { type House, ours, startHouse } from "./house.ts";

let house: House;
before(async () => {
  house = await startHouse();
});
after(() => house?.close());

test("every service starts with the keys that init made, and its health check says so", async () => {
  await Promise.all(ours.map((name) => house.start(name)));
  for (const name of ours) await eventually(`${name} is healthy`, async () => house.healthy(name) === 0);
});

test("a job logs in, gets a Grant and reads through either gateway, masked; the timeline has it", async () => {
  const extract = await workload(house, "extract");
  const grant = await granted(extract, "extract", "compose");
  for (const port of Object.values(house.gateways)) {
    const actor = await connect({ ...grant, port }, "public");
    const { rows } = await actor.client.query("SELECT id, email FROM customers ORDER BY id LIMIT 2");
    assert.equal(rows.length, 2);
    assert.doesNotMatch(JSON.stringify(rows), /person\d+@example\.com/);
    await actor.end();
  }
  const ivan = await person(house, "ivan");
  await eventually("both commands are in the timeline", async () => {
    const { status, body } = await ivan.api("GET", "/api/timeline?account=extract&limit=100");
    assert.equal(status, 200);
    const rows = body.rows as { type: string; source: string }[];
    const gateways = rows.filter(({ type }) => type === "command.decided").map(({ source }) => source);
    return ["gateway/gw1", "gateway/gw2"].every((source) => gateways.includes(source));
  });
});

test("asked to stop, each ends by itself with 0, and then is not healthy", async () => {
  for (const name of ours) assert.equal(await house.stop(name), 0, name);
  for (const name of ours) assert.equal(house.healthy(name), 1, name);
});
