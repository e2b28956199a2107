/** What happens in one tenant, so that there is something of every kind that another one must not see. */
import assert from "node:assert/strict";
import type { ApprovalInfo, Approvals, BlockInfo, ChainsPage, TimelinePage } from "../../schemas/api.ts";
import { type Actor, connect, eventually, type Grant, granted, type Player, person, workload } from "../demo/cast.ts";
import type { Company } from "./world.ts";

export type Job = "extract" | "transform" | "load";

export interface Cast {
  readonly company: Company;
  readonly jobs: Record<Job, Player>;
  readonly olga: Player;
  readonly ivan: Player;
  /** Sessions to end. */
  readonly actors: Actor[];
}

export interface Story {
  readonly grant: Grant;
  readonly session: string;
  readonly keyId: string;
  readonly approval: string;
  readonly chain: string;
  readonly block: string;
  readonly event: string;
  readonly position: string;
  /** Stands in the text of its commands. */
  readonly mark: string;
}

export async function castOf(company: Company): Promise<Cast> {
  const [extract, transform, load] = await Promise.all([
    workload(company, "extract"),
    workload(company, "transform"),
    workload(company, "load"),
  ]);
  const [olga, ivan] = [await person(company, "olga"), await person(company, "ivan")];
  return { company, jobs: { extract, transform, load }, olga, ivan, actors: [] };
}

export function grantOf({ jobs }: Cast, as: Job): Promise<Grant> {
  return granted(jobs[as], as, `a test of tenants, ${as}`);
}

export async function enter({ company, actors }: Cast, grant: Grant, schema: string): Promise<Actor> {
  const actor = await connect({ ...grant, port: company.gateway }, schema);
  actors.push(actor);
  return actor;
}

export async function session(cast: Cast, as: Job, schema: string): Promise<Actor> {
  return enter(cast, await grantOf(cast, as), schema);
}

export async function timeline({ ivan }: Cast, query: string): Promise<TimelinePage["rows"]> {
  const { status, body } = await ivan.api("GET", `/api/timeline?${query}`);
  assert.equal(status, 200, JSON.stringify(body));
  return (body as unknown as TimelinePage).rows;
}

/** A chain up to its held last step, and a block. */
export async function play(cast: Cast, schema: string): Promise<Story> {
  const mark = `mark_of_${cast.company.tenant}`;
  const grant = await grantOf(cast, "load");
  await (await session(cast, "extract", schema)).client.query(`SELECT * FROM customers LIMIT 1 /* ${mark} */`);
  const transform = await session(cast, "transform", schema);
  await transform.client.query(`INSERT INTO staging_customers SELECT * FROM customers WHERE id = 1 /* ${mark} */`);
  const load = await enter(cast, grant, schema);
  load.client.query(`DELETE FROM staging_customers /* ${mark} */`).catch(() => {}); // stays held
  const notice = await eventually("a NOTICE", async () => load.notices[0]);
  const approval = await eventually("the approval", async () => {
    const { approvals } = (await cast.olga.api("GET", "/api/approvals?state=open")).body as unknown as Approvals;
    return approvals.find((open: ApprovalInfo) => notice.hint.includes(open.approval));
  });
  const request = { scope: { account: "analyst" }, reason: mark };
  const { block } = (await cast.olga.api("POST", "/api/blocks", request)).body as unknown as BlockInfo;
  const decided = await eventually("the decisions", async () => {
    const rows = await timeline(cast, `type=command.decided&text=${mark}&limit=10`);
    return rows.length >= 2 && rows[0];
  });
  const opened = await eventually("the session", async () => {
    const rows = await timeline(cast, `type=session.opened&session=${encodeURIComponent(decided.session)}`);
    return rows[0];
  });
  const found = await eventually("the chain", async () => {
    const { chains } = (await cast.ivan.api("GET", "/api/chains")).body as unknown as ChainsPage;
    return chains[0];
  });
  return {
    ...{ grant, mark, block, approval: approval.approval, session: decided.session, event: decided.id },
    ...{ position: decided.position, chain: found.chain.id },
    keyId: (opened.data as { keyId?: string }).keyId ?? "",
  };
}
