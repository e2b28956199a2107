/** Chains: what was found across accounts, what was answered, what people said, and every event of its commands. */
import type { Store } from "../../infra/store/store.ts";
import { type ChainInfo, chainDetailSchema, chainsPageSchema } from "../../schemas/api.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { closed, Type } from "../../schemas/shape.ts";
import type { TimelineRow } from "../../schemas/timeline.ts";
import { approvalOfChain } from "./approvals.ts";
import type { Desk } from "./desk.ts";
import { type Route, route } from "./route.ts";

const chainsQuery = closed({
  before: Type.Optional(Type.String({ minLength: 1, maxLength: 40 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
});
const chainsByDefault = 50;
const rowsMax = 1_000;

export function chainRoutes(desk: Desk, store: Store): Route[] {
  return [
    route(
      "GET /api/chains",
      "Chains that were completed or held, newest first",
      { query: chainsQuery, answer: chainsPageSchema },
      async ({ caller, query }) => {
        desk.permits.expect(caller, "investigate", "approve");
        const { before, limit = chainsByDefault } = query;
        const rows = await store.timeline({ type: "chain.completed", ...(before ? { before } : {}) }, limit);
        const chains = rows.map((row) => chainInfo(desk, row));
        const given = chains.map((one) => `${one.chain.id} ${one.state}`);
        await desk.reads.record(caller, "chains", query, given);
        return { chains, next: rows.length === limit ? (rows.at(-1)?.position ?? null) : null };
      },
    ),
    route(
      "GET /api/chains/:id",
      "A chain: steps, links with their evidence, who answered, every event of its commands",
      { answer: chainDetailSchema },
      async ({ caller, id }) => {
        desk.permits.expect(caller, "investigate", "approve");
        const rows = await store.timeline({ chain: id, order: "oldest" }, rowsMax);
        const completed = rows.find((row) => row.type === "chain.completed" && chainOf(row).id === id);
        const approval = approvalOfChain(desk, id, completed?.command ?? "", caller);
        const given = [...rows.map((row) => row.id), approval?.state ?? ""];
        await desk.reads.record(caller, "chain", { chain: id }, given);
        if (!completed) throw new ThroughlineError("not.found", `No chain has the id ${id}`);
        // Texts are for who investigates; an approver has the one text that is theirs to answer.
        const shown = desk.permits.may(caller, "investigate") ? rows : rows.map(withoutText);
        return { ...chainInfo(desk, completed), approvalDetail: approval, rows: shown };
      },
    ),
  ];
}

function chainOf(row: TimelineRow): ChainInfo["chain"] {
  return (row.data as EventData["chain.completed"]).chain;
}

function chainInfo(desk: Desk, row: TimelineRow): ChainInfo {
  const { chain, ruling } = row.data as EventData["chain.completed"];
  const { asked, people } = desk.state;
  const newest = asked.ofCommand(row.command);
  const approval = asked.ofChain(chain.id) ?? newest;
  const decisive = newest ?? approval;
  const identities = new Set([...chain.steps.map((step) => String(step.identity)), row.identity]);
  identities.delete("");
  return {
    chain,
    event: row.id,
    position: row.position,
    atMs: row.atMs,
    ruling,
    command: row.command,
    session: row.session,
    accounts: [...new Set([...chain.steps.map((step) => step.account), row.account])].filter(Boolean),
    people: [...identities].map((identity) => people.named(identity)),
    approval: approval?.id ?? null,
    state: stateOf(chain.mode, ruling, decisive === null ? null : asked.stateOf(decisive, desk.now())),
  };
}

/** What came of the command. A rule that only observes stopped nothing, whatever another rule did. */
function stateOf(
  mode: ChainInfo["chain"]["mode"],
  ruling: string,
  approval: ReturnType<Desk["state"]["asked"]["stateOf"]> | null,
): ChainInfo["state"] {
  if (mode === "observe") return "observed";
  if (approval === "open") return "held";
  if (approval === "used") return "approved";
  if (approval === "void") return "held";
  if (approval !== null) return approval;
  if (ruling === "block") return "blocked";
  return ruling === "hold" ? "held" : "observed";
}

function withoutText(row: TimelineRow): TimelineRow {
  return { ...row, text: null, parameters: null };
}
