/**
 * Grants: short-lived permission to act as an account on a target for a task. `grant.issued` is durable before the secret
 * leaves; the secret is derived from the id and stored nowhere.
 *
 * Refuses what policy does not permit for this very account and task, and what policy would hold: asking people for
 * access is not built yet, and says so.
 */
import type { GrantKeys } from "../../infra/keys/grant-keys.ts";
import {
  grantInfoSchema,
  grantRequestSchema,
  grantsSchema,
  issuedGrantSchema,
  type Meta,
  reasonSchema,
  type TargetInfo,
  targetsSchema,
} from "../../schemas/api.ts";
import type { Config, TargetConfig } from "../../schemas/config.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Task, TaskId } from "../../schemas/identity.ts";
import { limits } from "../../schemas/limits.ts";
import { closed, type Static } from "../../schemas/shape.ts";
import { type Desk, subjectOfCaller } from "./desk.ts";
import { grantInfo } from "./issued.ts";
import { type Caller, type Route, route } from "./route.ts";

export interface GrantParts {
  readonly config: Pick<Config, "targets" | "grants">;
  readonly keys: Pick<GrantKeys, "newGrantId" | "secretOf">;
  readonly gateway: Meta["gateway"];
}

const hourMs = 3_600_000;
const listedMax = 1_000;

export function grantRoutes(desk: Desk, parts: GrantParts): Route[] {
  return [
    route("GET /api/targets", "Targets and their accounts", { answer: targetsSchema }, async ({ caller }) => ({
      targets: parts.config.targets.map((target) => targetInfo(desk, caller, target)),
    })),
    route(
      "POST /api/grants",
      "Ask for a Grant; its secret is shown once",
      { body: grantRequestSchema, answer: issuedGrantSchema, status: 201 },
      ({ caller, body }) => issue(desk, parts, caller, body),
    ),
    route(
      "GET /api/grants",
      "Grants, newest first",
      { query: closed({}), answer: grantsSchema },
      async ({ caller }) => {
        const everybodys = desk.permits.may(caller, "respond") || desk.permits.may(caller, "investigate");
        const all = desk.state.issued
          .all()
          .filter((one) => everybodys || one.data.identity.key === caller.identity.key);
        const grants = all.slice(0, listedMax).map((one) => grantInfo(one, desk.state.people, desk.now()));
        if (everybodys) {
          const given = grants.map((one) => `${one.grant} ${one.state}`);
          await desk.reads.record(caller, "grants", {}, given);
        }
        return { grants };
      },
    ),
    route(
      "DELETE /api/grants/:id",
      "Revoke a Grant: one's own, or anybody's with `respond`; its open sessions end",
      { body: reasonSchema, answer: grantInfoSchema },
      async ({ caller, id, body }) => {
        const found = desk.state.issued.get(id);
        const own = found?.data.identity.key === caller.identity.key;
        if (!own) desk.permits.expect(caller, "respond");
        if (!found) throw new ThroughlineError("not.found", `No Grant has the id ${id}`);
        if (!found.revoked) {
          const { account, target, task } = found.data;
          const subject = subjectOfCaller(caller, { account, target, task: task.id, grantid: id });
          const data = { grant: id, by: caller.identity.key, reason: body.reason };
          await desk.state.said({ type: "grant.revoked", subject, data });
        }
        return grantInfo(found, desk.state.people, desk.now());
      },
    ),
  ];
}

function targetInfo(desk: Desk, caller: Caller, { name, kind, database, mode, accounts }: TargetConfig): TargetInfo {
  const mayConnect = (account: string) => desk.permits.connect(caller, name, account, "").ruling === "allow";
  return {
    name,
    kind,
    database,
    mode,
    accounts: Object.keys(accounts).map((account) => ({ name: account, mayConnect: mayConnect(account) })),
  };
}

async function issue(desk: Desk, parts: GrantParts, caller: Caller, body: Static<typeof grantRequestSchema>) {
  const { target, account } = body;
  const task = taskOf(body.task, desk.newId);
  expectPermitted(desk, parts, caller, body, task);
  expectFew(desk, caller);
  const grant = parts.keys.newGrantId();
  const secret = parts.keys.secretOf(grant);
  if (secret === null) throw new ThroughlineError("internal.bug", "A Grant id was made that no key knows");
  const issuedAtMs = desk.now();
  const hours = Math.min(body.hours ?? parts.config.grants.hours, parts.config.grants.hours);
  const expiresAtMs = issuedAtMs + Math.min(hours * hourMs, limits.grantMsMax);
  const { identity } = caller;
  const subject = subjectOfCaller(caller, { account, target, task: task.id, grantid: grant });
  const data = { grant, identity, account, target, task, issuedAtMs, expiresAtMs };
  await desk.state.said({ type: "grant.issued", subject, data }, (append) => {
    // The secret does not leave: what is still recorded is nobody's, and must not count as a Grant that is held.
    const reason = "its secret was given to nobody: the log did not confirm it in time";
    append({ type: "grant.revoked", subject, data: { grant, by: identity.key, reason } });
  });
  const place = { ...parts.gateway, database: target };
  return { grant, user: `${account}~${grant}`, secret, ...place, task: task.id, expiresAtMs };
}

/** @throws ThroughlineError `request.rate`: who could have any number would bury those that must be revoked */
function expectFew({ state, now }: Desk, { identity }: Caller): void {
  const max = limits.grantsPerIdentityMax;
  if (state.issued.openOf(state.people.linkedTo([identity.key]), now()) >= max)
    throw new ThroughlineError("request.rate", `You hold ${max} open Grants; revoke some, or wait until they end`);
}

/** @throws ThroughlineError `target.unknown`, `access.denied` */
function expectPermitted(
  desk: Desk,
  parts: GrantParts,
  caller: Caller,
  { target, account }: Static<typeof grantRequestSchema>,
  task: Task,
): void {
  const known = parts.config.targets.find((candidate) => candidate.name === target);
  // Policy first: who may not connect learns nothing about which accounts there are.
  const answer = desk.permits.connect(caller, target, account, task.id);
  if (answer.ruling === "hold")
    throw new ThroughlineError("access.denied", `${answer.sentence} Asking people for access is not built yet.`);
  if (answer.ruling !== "allow") throw new ThroughlineError("access.denied", answer.sentence);
  if (!known || !Object.hasOwn(known.accounts, account))
    throw new ThroughlineError("target.unknown", `No target ${target} has an account ${account}`);
}

/** @throws ThroughlineError `request.invalid` for an id that could not stand in an event or a URL */
function taskOf(asked: Static<typeof grantRequestSchema>["task"], newId: () => string): Task {
  for (const id of [asked.id, asked.parent])
    if (id !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._:-]*$/.test(id))
      throw new ThroughlineError("request.invalid", "A task id is letters, digits, . _ : -");
  const id = (asked.id ?? `t-${newId()}`) as TaskId;
  const { justification, parent } = asked;
  return { id, justification, ...(parent === undefined ? {} : { parent: parent as TaskId }) };
}
