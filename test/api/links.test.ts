/** Links between identities: said and rejected by people, with what rests on each; never by who is part of it. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ChainEvidence } from "../../schemas/chain.ts";
import { ask } from "../store/night.ts";
import { type House, openHouse } from "./house.ts";

describe("links between identities", () => {
  let house: House;
  const key = (name: string) => `${house.provider.issuer}|${name}`;
  before(async () => {
    house = await openHouse();
  });
  after(() => house.close());
  const path = (id: unknown, rest = "") => `/api/links/${encodeURIComponent(String(id))}${rest}`;

  test("are said by who may respond, with a reason, and listed by identity", async () => {
    const olga = await house.as("olga");
    const wish = { identities: [key("load"), key("extract")], strength: "strong", reason: "one laptop, one badge" };
    const { status, body } = await olga("POST /api/links", wish);
    assert.equal(status, 201);
    assert.deepEqual([body.from, body.strength, body.reason, body.rejected], ["said", "strong", wish.reason, null]);
    const said = house.types("identity.linked").at(-1);
    assert.deepEqual(said?.data.by, key("olga"));
    const listed = await olga(`GET /api/links?identity=${encodeURIComponent(key("load"))}`);
    assert.deepEqual(
      (listed.body.links as { link: string }[]).map(({ link }) => link),
      [body.link],
    );
    const none = await olga(`GET /api/links?identity=${encodeURIComponent(key("nobody"))}`);
    assert.deepEqual(none.body.links, []);
    const load = await house.as("load");
    assert.equal((await load("POST /api/links", wish)).status, 403);
    assert.equal((await load(`DELETE ${path(body.link)}`, { reason: "mine" })).status, 403);
    assert.equal((await olga("POST /api/links", { ...wish, identities: [key("load"), key("load")] })).status, 400);
  });

  test("tell which holds rest on them, and are rejected once", async () => {
    const olga = await house.as("olga");
    const wish = { identities: [key("a"), key("b")], strength: "weak", reason: "same desk" };
    const { link } = (await olga("POST /api/links", wish)).body;
    const tie = { from: 0, to: 1, by: "actor", strength: "weak", evidence: [link] };
    const about = { id: "chain-1", rule: "r", title: "A chain", level: "high", mode: "enforce", action: "hold" };
    const chain = { ...about, strength: "weak", steps: [], links: [tie], sentence: "both did it" };
    ask(house.log, "resting", { chains: [chain as unknown as ChainEvidence] });
    ask(house.log, "other", { chains: [{ ...chain, id: "chain-2", links: [] } as unknown as ChainEvidence] });
    const effect = await olga(`GET ${path(link, "/effect")}`);
    assert.deepEqual(
      (effect.body.rests as { approval: string; state: string }[]).map(({ approval, state }) => [approval, state]),
      [["resting", "open"]],
    );
    const rejected = await olga(`DELETE ${path(link)}`, { reason: "two people" });
    assert.equal(rejected.status, 200);
    assert.deepEqual(house.types("identity.unlinked").at(-1)?.data.links, [link]);
    assert.equal((await olga(`DELETE ${path(link)}`, { reason: "again" })).status, 409);
    assert.equal((await olga(`DELETE ${path("nothing")}`, { reason: "x" })).status, 404);
  });

  test("are not rejected by who is part of them, nor by who is linked to one who is", async () => {
    const olga = await house.as("olga");
    const own = (
      await olga("POST /api/links", { identities: [key("olga"), key("x")], strength: "strong", reason: "r" })
    ).body;
    assert.equal((await olga(`DELETE ${path(own.link)}`, { reason: "not me" })).status, 403);
    const far = (await olga("POST /api/links", { identities: [key("x"), key("y")], strength: "strong", reason: "r" }))
      .body;
    assert.equal((await olga(`DELETE ${path(far.link)}`, { reason: "not me" })).status, 403);
  });
});
