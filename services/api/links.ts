/**
 * Links between identities: said by who may respond, rejected by who may respond and is no part of them. What rests on a
 * link is shown before it is rejected: the holds and chains that name it as evidence.
 *
 * A rejection takes effect at its place in the log, in the correlator: chains that need the link are not found any more. It
 * makes nobody an approver: who was strongly linked to a requester may never answer for him (infra/policy/people.ts).
 */
import { reasonSchema } from "../../schemas/api.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import {
  type LinkInfo,
  linkEffectSchema,
  linkInfoSchema,
  linkRequestSchema,
  linksSchema,
} from "../../schemas/link-shapes.ts";
import { closed, Type } from "../../schemas/shape.ts";
import { type Desk, subjectOfCaller } from "./desk.ts";
import type { Linked } from "./linked.ts";
import { type Caller, type Route, route } from "./route.ts";

const listedMax = 1_000;
const linksQuery = closed({ identity: Type.Optional(Type.String({ minLength: 1, maxLength: 2_000 })) });

export function linkRoutes(desk: Desk): Route[] {
  return [
    route(
      "GET /api/links",
      "Links between identities, newest first, each with who or what says it",
      { query: linksQuery, answer: linksSchema },
      async ({ caller, query }) => {
        desk.permits.expect(caller, "investigate", "respond");
        const links = desk.state.links
          .all(query.identity)
          .slice(0, listedMax)
          .map((one) => infoOf(desk, one));
        await desk.reads.record(
          caller,
          "links",
          query,
          links.map(({ link, rejected }) => `${link} ${rejected !== null}`),
        );
        return { links };
      },
    ),
    route(
      "GET /api/links/:id/effect",
      "What rests on a link: holds and chains that name it as evidence",
      { answer: linkEffectSchema },
      async ({ caller, id }) => {
        desk.permits.expect(caller, "investigate", "respond");
        const link = expectLink(desk, id);
        const rests = restingOn(desk, id);
        await desk.reads.record(
          caller,
          "link effect",
          { link: id },
          rests.map(({ approval }) => approval),
        );
        return { link: infoOf(desk, link), rests };
      },
    ),
    route(
      "POST /api/links",
      "Say that identities belong together: strong = one actor, weak = tied",
      { body: linkRequestSchema, answer: linkInfoSchema, status: 201 },
      async ({ caller, body }) => {
        desk.permits.expect(caller, "respond");
        const { identities, strength, reason } = body;
        if (new Set(identities).size < 2) throw new ThroughlineError("request.invalid", "A link needs two identities");
        const data = { identities, strength, evidence: [], by: caller.identity.key, reason };
        const event = await desk.state.said({ type: "identity.linked", subject: subjectOfCaller(caller), data });
        return infoOf(desk, expectLink(desk, event));
      },
    ),
    route(
      "DELETE /api/links/:id",
      "Reject a link: from here on it holds nothing together",
      { body: reasonSchema, answer: linkInfoSchema },
      async ({ caller, id, body }) => {
        desk.permits.expect(caller, "respond");
        const link = expectLink(desk, id);
        if (isAbout(desk, link, caller))
          throw new ThroughlineError("access.denied", "This link is about you; somebody else must reject it");
        if (link.rejected !== null) throw new ThroughlineError("request.conflict", "This link was rejected before");
        const data = { identities: [...link.identities], links: [id], by: caller.identity.key, reason: body.reason };
        await desk.state.said({ type: "identity.unlinked", subject: subjectOfCaller(caller), data });
        return infoOf(desk, link);
      },
    ),
  ];
}

function expectLink(desk: Desk, id: string): Linked {
  const link = desk.state.links.get(id);
  if (link === null) throw new ThroughlineError("not.found", `No link has the id ${id}`);
  return link;
}

/** Whether it is about this caller, or about somebody linked to them. */
function isAbout(desk: Desk, { identities }: Linked, { identity }: Caller): boolean {
  const own = new Set(desk.state.people.linkedTo([identity.key, ...identity.onBehalfOf]));
  return desk.state.people.linkedTo(identities).some((one) => own.has(one));
}

/** Holds whose chains name the event as evidence, newest first. */
function restingOn(desk: Desk, event: string) {
  const { asked } = desk.state;
  const nowMs = desk.now();
  return asked
    .all()
    .flatMap((approval) =>
      approval.asked.chains
        .filter(({ links }) => links.some(({ evidence }) => evidence.includes(event)))
        .map((chain) => ({
          approval: approval.id,
          chain: chain.id,
          title: chain.title,
          sentence: chain.sentence,
          state: asked.stateOf(approval, nowMs),
        })),
    )
    .slice(0, listedMax);
}

function infoOf(desk: Desk, { event, from, identities, strength, by, reason, atMs, rejected }: Linked): LinkInfo {
  const { people } = desk.state;
  return {
    link: event,
    from,
    identities: identities.map((identity) => people.named(identity)),
    strength,
    by: by === null ? null : people.named(by),
    reason,
    atMs,
    rejected: rejected === null ? null : { ...rejected, by: people.named(rejected.by) },
  };
}
