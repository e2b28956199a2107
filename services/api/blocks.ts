/**
 * Blocks: standing orders that refuse matching commands, also in sessions that are open. Placed and lifted by who may
 * respond; nobody lifts a block on themselves.
 */
import { type BlockInfo, blockInfoSchema, blockRequestSchema, blocksSchema, reasonSchema } from "../../schemas/api.ts";
import { operations } from "../../schemas/command.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { closed, type Static } from "../../schemas/shape.ts";
import { type Desk, subjectOfCaller } from "./desk.ts";
import { blockInfo } from "./placed.ts";
import { type Caller, type Route, route } from "./route.ts";

const minuteMs = 60_000;
const listedMax = 1_000;

export function blockRoutes(desk: Desk): Route[] {
  return [
    route(
      "GET /api/blocks",
      "Blocks, newest first",
      { query: closed({}), answer: blocksSchema },
      async ({ caller }) => {
        desk.permits.expect(caller, "respond", "investigate");
        const all = desk.state.placed.all().slice(0, listedMax);
        const blocks = all.map((block) => blockInfo(block, desk.state.people, desk.now()));
        const given = blocks.map((one) => `${one.block} ${one.state} ${one.enforced}`);
        await desk.reads.record(caller, "blocks", {}, given);
        return { blocks };
      },
    ),
    route(
      "POST /api/blocks",
      "Place a block; every named key of the scope must match",
      { body: blockRequestSchema, answer: blockInfoSchema, status: 201 },
      async ({ caller, body }) => {
        desk.permits.expect(caller, "respond");
        expectScope(body.scope);
        const { scope, reason, minutes } = body;
        const expiresAtMs = minutes === undefined ? null : desk.now() + minutes * minuteMs;
        const block = `b-${desk.newId()}`;
        const data = { block, scope, by: caller.identity.key, reason, expiresAtMs, approvers: [] };
        await desk.state.said({ type: "block.placed", subject: subjectOfCaller(caller), data });
        return infoOf(desk, block);
      },
    ),
    route(
      "DELETE /api/blocks/:id",
      "Lift a block",
      { body: reasonSchema, answer: blockInfoSchema },
      async ({ caller, id, body }) => {
        desk.permits.expect(caller, "respond");
        const info = infoOf(desk, id);
        if (isOn(desk, info.scope, caller))
          throw new ThroughlineError("access.denied", "This block is on you; somebody else must lift it");
        if (info.state !== "active")
          throw new ThroughlineError("request.conflict", `This block no longer stands: it is ${info.state}`);
        const data = { block: id, by: caller.identity.key, reason: body.reason };
        await desk.state.said({ type: "block.lifted", subject: subjectOfCaller(caller), data });
        return infoOf(desk, id);
      },
    ),
  ];
}

/** Whether it stops this caller, or somebody linked to them: by name, or by what they hold or held a Grant for. */
function isOn(desk: Desk, scope: BlockInfo["scope"], { identity }: Caller): boolean {
  const { people, issued, asked } = desk.state;
  const own = people.linkedTo([identity.key, ...identity.onBehalfOf]);
  if (scope.identity !== undefined) return people.linkedTo([scope.identity]).some((one) => own.includes(one));
  const { account, task, session } = scope;
  const grant = scope.grant ?? (session === undefined ? undefined : asked.grantOf(session));
  if (account === undefined && task === undefined && grant === undefined) return false;
  const fits = (wanted: string | undefined, is: string): boolean => wanted === undefined || wanted === is;
  return issued
    .all()
    .filter(({ data }) => [data.identity.key, ...data.identity.onBehalfOf].some((one) => own.includes(one)))
    .some(({ data }) => fits(account, data.account) && fits(task, data.task.id) && fits(grant, data.grant));
}

function infoOf(desk: Desk, id: string): BlockInfo {
  const block = desk.state.placed.get(id);
  if (!block) throw new ThroughlineError("not.found", `No block has the id ${id}`);
  return blockInfo(block, desk.state.people, desk.now());
}

/** An empty scope would refuse everybody everything; an unknown operation would refuse nothing. */
function expectScope(scope: Static<typeof blockRequestSchema>["scope"]): void {
  if (Object.keys(scope).length === 0 || (scope.operations && Object.keys(scope).length === 1))
    throw new ThroughlineError(
      "request.invalid",
      "A block names an identity, account, session, task, grant or resource",
    );
  const known: readonly string[] = operations;
  const unknown = scope.operations?.find((operation) => !known.includes(operation));
  if (unknown !== undefined)
    throw new ThroughlineError("request.invalid", `${unknown} is no operation; known are ${known.join(", ")}`);
}
