/** Links between identities: said and rejected by people, with what rests on each; never by who is part of it. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ChainEvidence } from "../../schemas/chain.ts";
import type { LinkInfo } from "../../schemas/link-shapes.ts";
import { Links } from "../../services/api/linked.ts";
import { ask, identityOf, openSession } from "../store/night.ts";
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

  test("come from a certificate that several showed, and go with any opening that they rest on", async () => {
    const olga = await house.as("olga");
    const certificate = { key: "c5".repeat(32), subject: "CN=kiosk", issuer: "", serial: "", notAfterMs: 0 };
    const open = (name: string) => openSession(house.log, name, `s-${name}`, undefined, certificate);
    const about = async (name: string) => {
      const { body } = await olga(`GET /api/links?identity=${encodeURIComponent(identityOf(name).key)}`);
      return (body.links as LinkInfo[]).map(({ link, from, identities, strength, rejected }) => {
        const who = identities.map(({ identity }) => identity.split("|")[1]).join(" ");
        return [link, from, who, strength, rejected !== null];
      });
    };
    const first = open("gero");
    assert.deepEqual(await about("gero"), [], "one alone is tied to nobody");
    const second = open("hana");
    open("hana");
    assert.deepEqual(await about("hana"), [[second, "certificate", "gero hana", "strong", false]]);
    const third = open("ida");
    const shown = (await olga(`GET ${path(first, "/effect")}`)).body.link as LinkInfo;
    assert.match(shown.reason, /the same client certificate \(CN=kiosk, key c5c5/);
    assert.equal(shown.link, second, "the first opening is part of what the second one says");
    const tie = { from: 0, to: 1, by: "actor", strength: "strong", evidence: [first, third] };
    const chain = { id: "by-key", rule: "r", title: "A chain", level: "high", mode: "enforce", action: "hold" };
    const whole = { ...chain, strength: "strong", steps: [], links: [tie], sentence: "both did it" };
    ask(house.log, "by key", { chains: [whole as unknown as ChainEvidence] });
    for (const [event, count] of [
      [first, 1],
      [second, 0],
      [third, 1],
    ] as const)
      assert.equal(((await olga(`GET ${path(event, "/effect")}`)).body.rests as unknown[]).length, count);
    assert.equal((await olga(`DELETE ${path(first)}`, { reason: "a kiosk" })).status, 200);
    assert.deepEqual(house.types("identity.unlinked").at(-1)?.data.links, [first]);
    assert.deepEqual(await about("gero"), [[second, "certificate", "gero hana", "strong", true]]);
    assert.deepEqual(
      await about("ida"),
      [[third, "certificate", "hana ida", "strong", false]],
      "what does not rest on the rejected opening stays",
    );
    assert.equal((await olga(`DELETE ${path(first)}`, { reason: "again" })).status, 409);
    const anew = open("gero");
    assert.deepEqual((await about("gero"))[0], [anew, "certificate", "gero hana ida", "strong", false]);
    for (let n = 0; n < 6; n += 1) open(`many${n}`);
    assert.deepEqual(new Set((await about("ida")).map(([, , , strength]) => strength)), new Set(["weak"]));
  });

  test("of an opening that says both, who acts for whom and who holds what, nothing is lost", () => {
    const links = new Links();
    const certificate = { key: "d7".repeat(32), subject: "CN=x", issuer: "", serial: "", notAfterMs: 0 };
    const open = (id: string, key: string, ...onBehalfOf: string[]) =>
      links.fold({ type: "session.opened", id, data: { identity: { key, onBehalfOf }, certificate } } as never);
    open("first", "other");
    open("both", "agent", "person");
    assert.deepEqual(links.get("both")?.identities, ["agent", "other", "person"]);
    assert.match(links.get("both")?.reason ?? "", /acts for the other; the same client certificate/);
  });
});
