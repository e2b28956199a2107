/**
 * Data that leaves through one account and comes back through another, with a real PostgreSQL and real clients: the last
 * step is held, however the values travel; rows that have nothing to do with it, and values that everybody has, tie nothing.
 */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { eventually, seenByTarget } from "../demo/cast.ts";
import { approves, type Carrying, carrying, eventsOf, isHeld, type Scene } from "./stage.ts";

let running: Carrying | undefined;
const world = (): Carrying => running ?? assert.fail("the world is not there");

before(async () => {
  running = await carrying();
});
after(() => running?.end());

interface Customer {
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly card: string;
  readonly region: string;
}

const columns = "id, name, email, card, region";
const quoted = (value: unknown): string => `'${String(value).replaceAll("'", "''")}'`;
const values = (rows: readonly Customer[]): string =>
  rows.map(({ id, name, email, card, region }) => `(${id}, ${[name, email, card, region].map(quoted)})`).join(", ");

async function read({ extract }: Scene, where: string): Promise<Customer[]> {
  return (await extract.client.query<Customer>(`SELECT ${columns} FROM customers WHERE ${where}`)).rows;
}

describe("what one account was shown and another brings back", () => {
  it("is found in INSERT … VALUES", async () => {
    const scene = await world().fresh("literals");
    const rows = await read(scene, "id <= 20");
    await scene.transform.client.query(`INSERT INTO staging_customers VALUES ${values(rows)}`);
    await isHeld(scene.load, "DELETE FROM staging_customers");
  });
  it("is found in bound values, a row at a time", async () => {
    const scene = await world().fresh("bound");
    for (const { id, name, email, card, region } of await read(scene, "id BETWEEN 100 AND 103"))
      await scene.transform.client.query("INSERT INTO staging_customers VALUES ($1, $2, $3, $4, $5)", [
        id,
        name,
        email.toUpperCase(),
        card.replace(/(....)(?=.)/g, "$1 "),
        region,
      ]);
    await isHeld(scene.load, "TRUNCATE staging_customers");
  });
  it("is found in COPY, out and in", async () => {
    const scene = await world().fresh("copied");
    const lines = await scene.psql(
      "extract",
      "",
      "COPY (SELECT * FROM customers WHERE id BETWEEN 200 AND 260) TO STDOUT",
    );
    assert.equal(lines.trim().split("\n").length, 61);
    assert.equal(await scene.psql("transform", lines, "COPY staging_customers FROM STDIN"), "");
    await isHeld(scene.load, "DELETE FROM staging_customers");
  });
  it("is found in CSV", async () => {
    const scene = await world().fresh("formats");
    const csv = await scene.psql(
      "extract",
      "",
      "COPY (SELECT * FROM customers WHERE id BETWEEN 300 AND 360) TO STDOUT (FORMAT csv, HEADER)",
    );
    await scene.psql("transform", csv, "COPY staging_customers FROM STDIN (FORMAT csv, HEADER)");
    await isHeld(scene.load, "DELETE FROM staging_customers");
  });
  it("is found in JSON made of it", async () => {
    const scene = await world().fresh("json");
    const { rows } = await scene.extract.client.query<{ all: unknown }>(
      "SELECT jsonb_agg(to_jsonb(c)) AS all FROM customers c WHERE id BETWEEN 400 AND 420",
    );
    await scene.transform.client.query(
      "INSERT INTO staging_customers SELECT * FROM jsonb_to_recordset($1) AS x(id int, name text, email text, card text, region text)",
      [JSON.stringify(rows[0]?.all)],
    );
    await isHeld(scene.load, "DROP TABLE staging_customers");
  });
  it("is found when it was read through a cursor", async () => {
    const scene = await world().fresh("cursor");
    await scene.extract.client.query("BEGIN");
    await scene.extract.client.query("DECLARE c CURSOR FOR SELECT * FROM customers WHERE id BETWEEN 800 AND 820");
    const { rows } = await scene.extract.client.query<Customer>("FETCH 20 FROM c");
    assert.equal(rows.length, 20);
    await scene.extract.client.query("COMMIT");
    await scene.transform.client.query(`INSERT INTO staging_customers VALUES ${values(rows)}`);
    await isHeld(scene.load, "DELETE FROM staging_customers");
  });
  it("is found when it was bound, described and read in binary", async () => {
    const scene = await world().fresh("prepared");
    const read = {
      name: "all",
      text: `SELECT ${columns} FROM customers WHERE id > $1 LIMIT 20`,
      values: [900],
      binary: true,
    };
    await scene.extract.client.query(read);
    const { rows } = await scene.extract.client.query<Customer>(read);
    await scene.transform.client.query({ text: `INSERT INTO staging_customers VALUES ${values(rows)}`, values: [] });
    await isHeld(scene.load, "DELETE FROM staging_customers");
  });
  it("is found when both COPYs run at once, the one that brings it begun first", async () => {
    const { stage } = world();
    const scene = await world().fresh("piped");
    const into = `COPY ${scene.schema}.staging_customers FROM STDIN`;
    const said = await scene.psql(
      "transform",
      async (send) => {
        send("1\tnobody\tnobody\tnone\tnorth\n");
        await eventually("the COPY at the target", async () => (await seenByTarget(stage.world, into)) > 0);
        send(await scene.psql("extract", "", "COPY (SELECT * FROM customers WHERE id BETWEEN 700 AND 760) TO STDOUT"));
      },
      into,
    );
    assert.equal(said, "");
    await isHeld(scene.load, "DELETE FROM staging_customers");
  });
  it("ties nothing when other rows come in", async () => {
    const scene = await world().fresh("unrelated");
    await read(scene, "id <= 500");
    const others = Array.from({ length: 500 }, (_, n) => ({
      ...{ id: n, name: `Supplier ${n}`, email: `office${n}@supplier.example` },
      ...{ card: String(5_100_200_300_400_000 + 7 * n), region: "north" },
    }));
    await scene.transform.client.query(`INSERT INTO staging_customers VALUES ${values(others)}`);
    assert.equal((await scene.load.client.query("DELETE FROM staging_customers")).rowCount, 500);
  });
  it("ties nothing by values that everybody has", async () => {
    const scene = await world().fresh("common");
    const common = { name: "John Smith", email: "unknown", card: "none", region: "United Kingdom" };
    await scene.load.client.query(`INSERT INTO customers VALUES (9001, 'John Smith', 'unknown', '1980-01-01', 'true')`);
    await read(scene, "id > 9000");
    const rows = Array.from({ length: 50 }, (_, id) => ({ id, ...common }));
    await scene.transform.client.query(
      `INSERT INTO staging_customers VALUES ${values(rows)}, (51, '', '1980-01-01', 'true', '')`,
    );
    assert.equal((await scene.load.client.query("DELETE FROM staging_customers")).rowCount, 51);
  });
  it("leaves no value in the log, in no form that can be tried without the key", async () => {
    const scene = await world().fresh("secret");
    const rows = await read(scene, "id BETWEEN 600 AND 640");
    await scene.transform.client.query(`INSERT INTO staging_customers VALUES ${values(rows)}`);
    const shown = await eventsOf(world().stage, "content.shown", 1);
    assert.ok(
      shown.every(
        ({ data }) =>
          Object.keys(data as object)
            .sort()
            .join() === "epoch,hashes,tags",
      ),
    );
    const brought = await eventsOf(world().stage, "content.brought", 1);
    const texts = await world().standing(async () => {
      const folder = join(world().folder, "throughline");
      const isStore = (path: string) => path.includes("/store");
      const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter(
        (file) => file.isFile() && !isStore(file.parentPath),
      );
      return Promise.all(files.map((file) => readFile(join(file.parentPath, file.name))));
    });
    for (const { email, card } of rows)
      for (const secret of [email, card, email.replace(/\W/g, "")])
        for (const bytes of [...texts, Buffer.from(JSON.stringify([shown, brought]))])
          assert.ok(!bytes.includes(secret));
  });
  it("is held where it comes in, when a rule says so: INSERT before it reaches the target, COPY before it lasts", async () => {
    const scene = await world().fresh("bulk");
    const rows = await read(scene, "id BETWEEN 1000 AND 1999");
    const text = `INSERT INTO staging_customers VALUES ${values(rows)} /* ${scene.schema} */`;
    await isHeld(scene.transform, text, "bulk_content");
    assert.equal(await seenByTarget(world().stage.world, `/* ${scene.schema} */`), 0);
    const lines = rows.map((row) => `${Object.values(row).join("\t")}\n`).join("");
    const copy = "COPY staging_customers FROM STDIN";
    const said = await scene.psql("transform", lines, copy, "SELECT count(*) FROM staging_customers");
    assert.match(said, /ERROR: {2}42501[\s\S]*bulk_content/);
    assert.match(said, /^\s+0$/m, "nothing of it lasts, and the session goes on");
    await approves(world().stage, said);
    const other = lines.replace("person1000@", "person4000@");
    assert.match(await scene.psql("transform", other, copy), /42501/, "other values than those that were approved");
    const done = await scene.psql("transform", lines, copy, "SELECT count(*) FROM staging_customers");
    assert.match(done, /^\s+1000$/m);
    assert.match(await scene.psql("transform", lines, copy), /42501/, "once");
  });
});
