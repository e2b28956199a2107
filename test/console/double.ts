/**
 * An api with the routes of schemas/api.ts over a story in memory: the console and the command line are tried against
 * it before, and faster than, the real one. Answers are checked against the schemas, so a double cannot drift away.
 * It serves the built console under the strictest policy, so that an inline style or script shows as an error.
 */
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import {
  type AlertInfo,
  alertInfoSchema,
  alertReceiverSchema,
  alertsSchema,
  approvalDetailSchema,
  approvalsSchema,
  blockInfoSchema,
  blocksSchema,
  chainDetailSchema,
  chainsPageSchema,
  issuedGrantSchema,
  type Me,
  meSchema,
  metaSchema,
  problemSchema,
  replaySchema,
  sessionsPageSchema,
  targetsSchema,
  timelinePageSchema,
} from "../../schemas/api.ts";
import { linkEffectSchema, linkInfoSchema, linksSchema } from "../../schemas/link-shapes.ts";
import { findings, type TSchema } from "../../schemas/shape.ts";
import { quietTypes } from "../../schemas/story.ts";
import { people } from "./night.ts";
import { aboutPipelines, aboutReplays, aboutRules, type Jobs, jobsOf } from "./pipelines-double.ts";
import type { Story } from "./story.ts";

export interface Double {
  readonly url: string;
  /** `METHOD /path?query body`, in order. */
  readonly asked: string[];
  story: Story;
  jobs: Jobs;
  /** Null: nobody is logged in. */
  me: Me | null;
  /** Answers every request with this problem until it is null again. */
  failure: { status: number; code: string; detail: string; hint: string } | null;
  /** Lines of GET /api/export and /api/lineage. */
  exported: readonly string[];
  close(): Promise<void>;
}

export const olga: Me = {
  identity: {
    key: people.olga.identity,
    kind: "person",
    name: people.olga.name,
    groups: ["data-owners"],
    onBehalfOf: [],
  },
  roles: ["investigate", "approve", "respond", "export"],
  session: null,
};

type Answer = { readonly schema: TSchema; readonly value: unknown } | null;

export async function startDouble(story: Story): Promise<Double> {
  const server = createServer((request, response) => void serve(double, request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const double: Double = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    story,
    jobs: jobsOf(Date.now()),
    me: olga,
    failure: null,
    exported: [],
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return double;
}

async function serve(double: Double, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", double.url);
  let body = "";
  for await (const chunk of request) body += chunk;
  if (request.method === "POST" && url.pathname === "/logout") {
    double.me = null;
    response.writeHead(204).end();
    return;
  }
  if (!url.pathname.startsWith("/api/")) return page(url.pathname, response);
  double.asked.push(`${request.method} ${decodeURIComponent(url.pathname + url.search)}${body ? ` ${body}` : ""}`);
  const meta = url.pathname === "/api/meta";
  if (!meta && double.me === null) return problem(response, 401, "login.expired", "You are not logged in.", "Log in.");
  if (double.failure && !meta)
    return problem(response, double.failure.status, double.failure.code, double.failure.detail, double.failure.hint);
  if (url.pathname === "/api/export" || url.pathname === "/api/lineage") {
    response.writeHead(200, { "content-type": "application/x-ndjson" }).end(`${double.exported.join("\n")}\n`);
    return;
  }
  const answer = answerTo(double, `${request.method} ${url.pathname}`, url.searchParams, body);
  if (answer === null) return problem(response, 404, "not.found", `Nothing is at ${url.pathname}.`, "Check the id.");
  const wrong = findings(answer.schema, answer.value);
  if (wrong.length > 0) throw new Error(`the double's answer to ${url.pathname} is wrong: ${JSON.stringify(wrong[0])}`);
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer.value));
}

function problem(response: ServerResponse, status: number, code: string, detail: string, hint: string): void {
  const value = { type: `urn:throughline:error:${code}`, title: detail, status, detail, code, hint };
  if (findings(problemSchema, value).length > 0) throw new Error("the double's problem is wrong");
  response.writeHead(status, { "content-type": "application/problem+json" }).end(JSON.stringify(value));
}

function answerTo(double: Double, ask: string, query: URLSearchParams, body: string): Answer {
  const { story, me } = double;
  const [, noun = "", id = "", verb = ""] = /^\w+ \/api\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(ask) ?? [];
  const key = decodeURIComponent(id);
  const [method = ""] = ask.split(" ");
  if (noun === "pipelines") return aboutPipelines(double.jobs, { method, key, verb, body });
  if (noun === "rules") return aboutRules(double.jobs, key);
  if (noun === "replays") return aboutReplays(double.jobs, { method, key, verb, body });
  if (method === "POST" && noun === "approvals" && verb === "answer") return answered(double, key, JSON.parse(body));
  if (method === "POST" && noun === "grants") return granted(JSON.parse(body));
  if (method === "POST" && noun === "blocks") return placed(double, JSON.parse(body));
  if (method === "POST" && noun === "alerts") return alertActs(double, key, verb, JSON.parse(body));
  if (method === "DELETE" && noun === "links") return rejected(double, key, JSON.parse(body));
  if (method === "DELETE" && noun === "blocks") return lifted(double, key, JSON.parse(body));
  switch (noun) {
    case "me":
      return { schema: meSchema, value: me };
    case "meta":
      return { schema: metaSchema, value: metaOf(double) };
    case "targets":
      return { schema: targetsSchema, value: { targets: [] } };
    case "timeline":
      return { schema: timelinePageSchema, value: timelineOf(story, query) };
    case "sessions":
      if (key === "") return { schema: sessionsPageSchema, value: { sessions: story.sessions, next: null } };
      return found(replaySchema, story.replay(key));
    case "chains": {
      if (key === "") return { schema: chainsPageSchema, value: { chains: story.chains, next: null } };
      const chain = story.chains.find((candidate) => candidate.chain.id === key);
      if (!chain) return null;
      const approval = story.approvals.find((candidate) => candidate.approval === chain.approval) ?? null;
      const { text: _text, parameters: _parameters, proposal: _proposal, ...approvalDetail } = approval ?? noApproval;
      const commands = chain.chain.steps.map((step) => step.command);
      const rows = story.rows.filter((row) => commands.includes(row.command));
      return { schema: chainDetailSchema, value: { ...chain, approvalDetail: approval ? approvalDetail : null, rows } };
    }
    case "approvals": {
      if (key !== "") return found(approvalDetailSchema, story.approvals.find((one) => one.approval === key) ?? null);
      const all = query.get("state") === "all";
      const approvals = story.approvals.filter((one) => all || one.state === "open");
      return {
        schema: approvalsSchema,
        value: { approvals: approvals.map(({ text: _t, parameters: _p, proposal: _q, ...info }) => info) },
      };
    }
    case "links":
      return key === "" ? { schema: linksSchema, value: { links: story.links } } : effectOf(story, key);
    case "blocks":
      return { schema: blocksSchema, value: { blocks: story.blocks } };
    case "alerts":
      return { schema: alertsSchema, value: { alerts: story.alerts, receivers: [] } };
    default:
      return null;
  }
}

const noApproval = { text: null, parameters: null, proposal: undefined };

const found = (schema: TSchema, value: unknown): Answer => (value === null ? null : { schema, value });

function metaOf(double: Double): unknown {
  return {
    name: "demo",
    tenant: "demo",
    version: "0.1.0",
    issuer: "http://127.0.0.1:9000",
    clientId: "console",
    audience: "throughline",
    url: double.url,
    gateway: { host: "127.0.0.1", port: 6432, requireTls: false },
  };
}

function timelineOf(story: Story, query: URLSearchParams): unknown {
  const text = query.get("text")?.toLowerCase();
  const chain = story.chains.find((candidate) => candidate.chain.id === query.get("chain"));
  const matching = story.rows.filter((row) => {
    const named = (["identity", "account", "session", "task", "type", "ruling", "command"] as const).every((key) => {
      const wanted = query.get(key);
      return wanted === null || row[key] === wanted;
    });
    const steps = chain?.chain.steps.map((step) => step.command);
    const at = row.atMs >= Number(query.get("sinceMs") ?? 0) && row.atMs < Number(query.get("untilMs") ?? 1e15);
    const words = text === undefined || (row.text ?? "").toLowerCase().includes(text);
    const quiet = query.get("story") === "true" && quietTypes.includes(row.type);
    return named && at && words && !quiet && (steps === undefined || steps.includes(row.command));
  });
  const rows = matching.toSorted((a, b) => (query.get("order") === "oldest" ? a.atMs - b.atMs : b.atMs - a.atMs));
  return { rows: rows.slice(0, Number(query.get("limit") ?? 100)), next: null };
}

function answered(double: Double, id: string, body: { answer: "approve" | "refuse"; reason: string }): Answer {
  const approvals = double.story.approvals.map((one) =>
    one.approval !== id
      ? one
      : {
          ...one,
          state: body.answer === "approve" ? ("approved" as const) : ("refused" as const),
          answers: [{ by: people.olga, ...body, atMs: one.askedAtMs + 60_000 }],
          mayAnswer: false,
          whyNot: "It was answered.",
        },
  );
  const state = body.answer === "approve" ? ("approved" as const) : ("refused" as const);
  const chains = double.story.chains.map((one) => (one.approval === id ? { ...one, state } : one));
  double.story = { ...double.story, approvals, chains };
  return found(approvalDetailSchema, approvals.find((one) => one.approval === id) ?? null);
}

function granted(body: { target: string; account: string }): Answer {
  const user = `${body.account}~g1`;
  const value = {
    grant: "g1",
    user,
    secret: "not:a\\secret",
    host: "127.0.0.1",
    port: 6432,
    database: body.target,
    requireTls: false,
    task: "t1",
    expiresAtMs: 1_800_000_000_000,
  };
  return { schema: issuedGrantSchema, value };
}

function placed(double: Double, body: { scope: object; reason: string; minutes?: number }): Answer {
  const block = {
    block: `b-${double.story.blocks.length + 1}`,
    scope: body.scope,
    by: people.olga,
    reason: body.reason,
    placedAtMs: 1_790_000_000_000,
    expiresAtMs: body.minutes ? 1_790_000_000_000 + body.minutes * 60_000 : null,
    state: "active" as const,
    lifted: null,
    enforced: 0,
  };
  double.story = { ...double.story, blocks: [block, ...double.story.blocks] };
  return { schema: blockInfoSchema, value: block };
}

function lifted(double: Double, id: string, body: { reason: string }): Answer {
  const blocks = double.story.blocks.map((one) =>
    one.block === id
      ? { ...one, state: "lifted" as const, lifted: { by: people.olga, reason: body.reason, atMs: one.placedAtMs + 1 } }
      : one,
  );
  double.story = { ...double.story, blocks };
  return found(blockInfoSchema, blocks.find((one) => one.block === id) ?? null);
}

function effectOf({ links, approvals }: Story, id: string): Answer {
  const link = links.find((one) => one.link === id);
  if (!link) return null;
  const rests = approvals.flatMap(({ approval, state, chains }) =>
    chains
      .filter((chain) => chain.links.some(({ evidence }) => evidence.includes(id)))
      .map((chain) => ({ approval, chain: chain.id, title: chain.title, sentence: chain.sentence, state })),
  );
  return { schema: linkEffectSchema, value: { link, rests } };
}

function rejected(double: Double, id: string, { reason }: { reason: string }): Answer {
  const links = double.story.links.map((one) =>
    one.link === id ? { ...one, rejected: { by: people.olga, reason, atMs: one.atMs + 1 } } : one,
  );
  double.story = { ...double.story, links };
  return found(linkInfoSchema, links.find((one) => one.link === id) ?? null);
}

/** What the api says to an acknowledgement, a resolution, or a receiver that is given up. */
function alertActs(double: Double, id: string, act: string, body: { reason?: string; receiver?: string }): Answer {
  const { receiver } = body;
  if (act === "given-up" && receiver)
    return { schema: alertReceiverSchema, value: { name: receiver, waiting: 0, failing: null, next: null } };
  const said = { by: people.olga, reason: body.reason ?? "", atMs: 0 };
  const change =
    act === "resolution" ? { state: "resolved", resolved: said } : { state: "acknowledged", acknowledged: said };
  const alerts = double.story.alerts.map((one) => (one.alert === id ? ({ ...one, ...change } as AlertInfo) : one));
  double.story = { ...double.story, alerts };
  return found(alertInfoSchema, alerts.find((one) => one.alert === id) ?? null);
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

async function page(path: string, response: ServerResponse): Promise<void> {
  const dist = join(import.meta.dirname, "../../services/console/dist");
  const name = extname(path) in types ? path : "/index.html";
  const body = await readFile(join(dist, name)).catch(() => null);
  if (body === null) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    "content-type": types[extname(name)] ?? "text/plain",
    "content-security-policy":
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}
