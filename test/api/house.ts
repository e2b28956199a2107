/** The api over a log in memory, with a real identity provider, the demo's policy, real keys and a small store. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WebhookReceiver } from "../../infra/alerts/webhook.ts";
import type { Blobs } from "../../infra/blobs/blobs.ts";
import { createTokens } from "../../infra/identity/tokens.ts";
import { openGrantKeys } from "../../infra/keys/grant-keys.ts";
import type { Keys } from "../../infra/keys/keys.ts";
import type { Log } from "../../infra/log/log.ts";
import { loadPolicy } from "../../infra/policy/cedar.ts";
import { loadRules } from "../../infra/rules/load.ts";
import { loadPipelines } from "../../infra/rules/pipeline.ts";
import type { RuleFile } from "../../infra/rules/source.ts";
import type { Store } from "../../infra/store/store.ts";
import type { Config } from "../../schemas/config.ts";
import { type Api, createApi } from "../../services/api/api.ts";
import type { Replayer } from "../../services/api/replays.ts";
import { replayerOf } from "../../services/main-replay-job.ts";
import { type MemoryLog, memoryLog } from "../store/memory-log.ts";
import { arriveAt } from "./browser.ts";
import { audience, clientId, startTestProvider, type TestProvider, users } from "./provider.ts";

export const origin = "http://127.0.0.1:8443";

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly text: string;
  readonly headers: Record<string, unknown>;
}

export interface House {
  readonly api: Api;
  readonly log: MemoryLog;
  readonly provider: TestProvider;
  readonly keys: Map<string, Uint8Array | null>;
  readonly clock: { nowMs: number };
  /** Anybody: a workload by token, a person by the cookie of a real login. */
  as(name: string): Promise<(line: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>>;
  ask(line: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  types(type: string): { readonly type: string; readonly data: Record<string, unknown>; readonly identity?: string }[];
  close(): Promise<void>;
}

export interface HouseOptions {
  readonly store?: Partial<Store>;
  readonly receivers?: readonly WebhookReceiver[];
  /** In place of a folder of its own, which a next one may go on with. */
  readonly folder?: string;
  readonly prepare?: (log: MemoryLog) => void;
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly blobs?: Blobs;
  /** In force, as files. */
  readonly rules?: readonly RuleFile[];
  readonly pipelines?: string;
  /** In place of one that folds the log. */
  readonly replayer?: Replayer;
  /** A real log in place of the one in memory. */
  readonly journal?: Log;
}

const noBlobs: Blobs = {
  put: () => Promise.reject(new Error("no blobs here")),
  get: () => Promise.reject(new Error("no blobs here")),
  has: async () => false,
};

const emptyStore: Store = {
  write: async () => {},
  writtenUpTo: async () => null,
  timeline: async () => [],
  event: async () => null,
  sessions: async () => [],
  forgetText: async () => {},
  close: async () => {},
};

export async function openHouse(options: HouseOptions = {}): Promise<House> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "throughline-api-")));
  const provider = await startTestProvider([`${origin}/login/callback`]);
  const clock = { nowMs: Date.now() };
  const log = memoryLog(() => clock.nowMs);
  options.prepare?.(log);
  const policyFile = new URL("../../infra/deploy/demo/policy.cedar", import.meta.url);
  const policy = loadPolicy({ text: await readFile(policyFile, "utf8"), file: "policy.cedar", catalog: "" });
  const grantKeys = await openGrantKeys(join(folder, "grant-keys.json"));
  const kept = new Map<string, Uint8Array | null>();
  const rules = { issuer: provider.issuer, audience, groupsClaim: "groups" };
  const pipelines = loadPipelines(options.pipelines ?? "", "pipelines.yaml");
  const inForce = { rules: loadRules(options.rules ?? []), pipelines, texts: textsOf(options) };
  const api = await createApi({
    config: configFor(provider.issuer, folder),
    version: "0.0.0",
    log: options.journal ?? log,
    appender: await (options.journal ?? log).appender("api", "test"),
    store: { ...emptyStore, ...options.store },
    keys: keysOver(kept),
    blobs: options.blobs ?? noBlobs,
    grantKeys,
    policy: () => policy,
    inForce: () => inForce,
    replayer: options.replayer ?? replayerOf(options.journal ?? log, () => clock.nowMs),
    tokens: createTokens(rules, Date.now),
    openFlows: () => provider.flows(),
    receivers: options.receivers ?? [],
    consoleFolder: join(folder, "no-console"),
    now: () => clock.nowMs,
    wait: options.wait ?? (async () => {}),
    onFault: () => {},
  });
  await api.caughtUp;
  const ask: House["ask"] = (line, body, headers = {}) => inject(api, line, body, headers);
  return {
    api,
    log,
    provider,
    keys: kept,
    clock,
    ask,
    as: (name) => actor(api, provider, name),
    types: (type) => log.records.filter((record) => record.type === type).map((record) => record.envelope) as never,
    async close() {
      await api.close();
      await provider.close();
      if (!options.folder) await rm(folder, { recursive: true, force: true });
    },
  };
}

function textsOf({ rules = [], pipelines = "" }: HouseOptions): Record<string, string> {
  const catalog = JSON.stringify([{ resource: "orders/public.customers#email", tags: ["pii.email"] }]);
  const named = Object.fromEntries(rules.map(({ name, text }) => [`rules/${name}`, text]));
  return { "catalog.yaml": catalog, "pipelines.yaml": pipelines, ...named };
}

async function inject(api: Api, line: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
  const [method = "GET", url = "/"] = line.split(" ");
  const payload = body === undefined ? {} : { payload: body as object };
  const answer = await api.inject({ method: method as "GET", url, headers, ...payload });
  const isJson =
    /json/.test(String(answer.headers["content-type"])) && !/ndjson/.test(String(answer.headers["content-type"]));
  return {
    status: answer.statusCode,
    body: isJson ? (JSON.parse(answer.body) as Record<string, unknown>) : {},
    text: answer.body,
    headers: answer.headers,
  };
}

async function actor(api: Api, provider: TestProvider, name: string): ReturnType<House["as"]> {
  const person = users.find((user) => user.login === name);
  if (!person) {
    const authorization = `Bearer ${await provider.workloadToken(name)}`;
    return (line, body, headers) => inject(api, line, body, { authorization, ...headers });
  }
  const cookie = await logIn(api, person.login, person.password);
  return (line, body, headers) => inject(api, line, body, { cookie, origin, ...headers });
}

/** The browser's way: /login, the provider's form, /login/callback. @returns the session's cookie */
export async function logIn(api: Api, login: string, password: string): Promise<string> {
  const begun = await api.inject({ method: "GET", url: "/login?to=/approvals" });
  const attempt = String(begun.headers["set-cookie"]).split(";")[0] ?? "";
  const callback = await arriveAt(String(begun.headers.location), { login, password }, origin);
  const done = await api.inject({
    method: "GET",
    url: `${callback.pathname}${callback.search}`,
    headers: { cookie: attempt },
  });
  if (done.statusCode !== 302) throw new Error(`${login} could not log in: ${done.body}`);
  const cookies = [done.headers["set-cookie"] ?? []].flat();
  return cookies.find((one) => one.startsWith("throughline_session="))?.split(";")[0] ?? "";
}

function keysOver(kept: Map<string, Uint8Array | null>): Keys {
  return {
    create: async (keyId) => {
      const key = new Uint8Array(32).fill(kept.size + 1);
      kept.set(keyId, key);
      return key;
    },
    get: async (keyId) => kept.get(keyId) ?? null,
    erase: async (keyId) => void kept.set(keyId, null),
    tenantKey: async () => new Uint8Array(32),
    close: async () => {},
  };
}

function configFor(issuer: string, data: string): Config {
  return {
    tenant: "test",
    name: "test",
    data,
    policy: "policy.cedar",
    catalog: "catalog.yaml",
    rules: "rules",
    gateway: { postgres: "0.0.0.0:6432", requireTls: false },
    api: { listen: "127.0.0.1:0", url: origin, sessionHours: 8 },
    identity: { issuer, clientId, audience, groupsClaim: "groups", allowInsecure: true },
    targets: [
      {
        name: "orders",
        kind: "postgres",
        address: "127.0.0.1:5432",
        database: "orders",
        tls: "disable",
        catalogAccount: "catalog",
        opaque: "hold",
        mode: "enforce",
        accounts: { extract: { user: "extract" }, load: { user: "load" }, analyst: { user: "analyst" } },
      },
    ],
    grants: { hours: 8 },
    holds: { mode: "wait", waitSeconds: 60, approvers: ["data-owners"] },
  };
}
