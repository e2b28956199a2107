/**
 * The api: HTTP for investigators, approvers, the SOC, auditors and clients. Follows the log for what must be exact, asks
 * the store for what is long, writes only its own acts, as events.
 *
 * Must never write to the store, and answers nothing before it has caught up with the log. When the log is away, nothing
 * is shown that must be recorded as read, and nothing is changed.
 */
import { randomBytes } from "node:crypto";
import { openCursor } from "../../infra/alerts/cursor.ts";
import { sendWebhook, type WebhookReceiver } from "../../infra/alerts/webhook.ts";
import type { Blobs } from "../../infra/blobs/blobs.ts";
import type { TokenFlows } from "../../infra/identity/oidc.ts";
import type { Tokens } from "../../infra/identity/tokens.ts";
import type { GrantKeys } from "../../infra/keys/grant-keys.ts";
import type { Keys } from "../../infra/keys/keys.ts";
import { openBytes } from "../../infra/keys/seal.ts";
import type { Entry } from "../../infra/log/entry.ts";
import type { Appender, Log } from "../../infra/log/log.ts";
import type { Policy } from "../../infra/policy/policy.ts";
import type { Store } from "../../infra/store/store.ts";
import { metaSchema, readySchema } from "../../schemas/api.ts";
import type { Config } from "../../schemas/config.ts";
import type { Sealed } from "../../schemas/event-data.ts";
import { Alarm, alertRoutes, alertsAfter } from "./alerts.ts";
import { approvalRoutes } from "./approvals.ts";
import { blockRoutes } from "./blocks.ts";
import { Callers } from "./caller.ts";
import { chainRoutes } from "./chains.ts";
import { Courier } from "./courier.ts";
import type { Desk, InForce } from "./desk.ts";
import { exportRoutes } from "./export.ts";
import { grantRoutes } from "./grants.ts";
import { createHttp, type Http } from "./http.ts";
import { lineageRoutes } from "./lineage.ts";
import { linkRoutes } from "./links.ts";
import { loginPages } from "./login.ts";
import { gatewayOf, meRoutes, metaOf } from "./me.ts";
import { Permits } from "./permits.ts";
import { pipelineRoutes } from "./pipelines.ts";
import type { Alert } from "./raised.ts";
import { Reads } from "./reads.ts";
import { sessionRoutes } from "./replay.ts";
import { type Replayer, ReplayJobs, replayRoutes } from "./replays.ts";
import type { Route } from "./route.ts";
import { ruleRoutes } from "./rules.ts";
import { State } from "./state.ts";
import { timelineRoutes } from "./timeline.ts";
import { WholeLog } from "./whole-log.ts";

export interface ApiParts {
  readonly config: Config;
  readonly version: string;
  readonly log: Log;
  /** Of the role `api`. */
  readonly appender: Appender;
  readonly store: Store;
  readonly keys: Keys;
  readonly blobs: Blobs;
  readonly grantKeys: Pick<GrantKeys, "newGrantId" | "secretOf">;
  /** The policy in force. */
  readonly policy: () => Policy;
  readonly inForce: () => InForce;
  /** Folds the log under one rule, beside everything else. */
  readonly replayer: Replayer;
  readonly tokens: Tokens;
  /** Opened when the first person logs in, so that the api starts without the identity provider. */
  readonly openFlows: () => Promise<TokenFlows>;
  /** None: alerts are events and nothing more. How far each has got stands in the data folder. */
  readonly receivers: readonly WebhookReceiver[];
  /** Gets every entry that the api folds, in order: `policy.changed` among them, so that `policy` is the one in force. */
  readonly hear?: (entry: Entry) => void;
  /** Folder of the built console. */
  readonly consoleFolder: string;
  readonly now: () => number;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** What the operator must see: a bug, or a part that does not answer. */
  readonly onFault: (error: unknown) => void;
}

export interface Api {
  /** Listens where the configuration says (port 0: any), once the fold has caught up with the log. */
  listen(): Promise<{ readonly port: number }>;
  /** One request without a socket, for tests. */
  readonly inject: Http["inject"];
  readonly caughtUp: Promise<void>;
  readonly isCaughtUp: boolean;
  /** How each receiver of alerts fares. */
  readonly couriers: readonly Pick<Courier, "name" | "status" | "counts">[];
  /** Rejects when the log breaks; resolves after close(). */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

const hourMs = 3_600_000;

export async function createApi(parts: ApiParts): Promise<Api> {
  const { config, now } = parts;
  const refill = oneByOne();
  const couriers = parts.receivers.map((receiver) => courierTo(receiver, parts, refill));
  const state: State = new State(parts.log, parts.appender, (entry, position) => {
    alarm.hear(entry, position);
    parts.hear?.(entry);
  });
  const alarm = new Alarm({
    raised: state.raised,
    appender: parts.appender,
    couriers,
    encode: (position) => parts.log.encodePosition(position),
  });
  state.onBatch(() => alarm.ring(state.position));
  const permits = new Permits(parts.policy, now);
  const newId = () => randomBytes(10).toString("hex");
  const desk: Desk = { state, permits, reads: new Reads(state, now), inForce: parts.inForce, now, newId };
  const origin = new URL(config.api.url).origin;
  const logins = loginEvents(parts, permits);
  const callers = new Callers({
    tokens: parts.tokens,
    origin,
    sessionMs: config.api.sessionHours * hourMs,
    now,
    ...logins,
  });
  const pages = loginPages({
    flows: kept(parts.openFlows),
    tokens: parts.tokens,
    callers,
    origin,
    sessionSeconds: config.api.sessionHours * 3_600,
    now,
    onFailure: logins.onFailure,
  });
  const replays = new ReplayJobs(parts.replayer);
  const http = await createHttp({
    routes: [...routesOf(desk, parts, couriers), ...ruleRoutes(desk), ...replayRoutes(desk, replays)],
    pages,
    open: openRoutes(parts, state),
    callerOf: (headers, address, changes) => callers.of(headers, address, changes),
    origin,
    version: parts.version,
    consoleFolder: parts.consoleFolder,
    onBug: parts.onFault,
  });
  const [host, port] = addressOf(config.api.listen);
  return {
    async listen() {
      await state.caughtUp;
      return { port: await http.listen(host, port) };
    },
    inject: http.inject,
    caughtUp: state.caughtUp,
    get isCaughtUp() {
      return state.isCaughtUp;
    },
    couriers,
    ended: state.ended,
    async close() {
      await http.close();
      await replays.close();
      await alarm.close();
      await state.close();
    },
  };
}

function routesOf(desk: Desk, parts: ApiParts, couriers: readonly Courier[]): Route[] {
  const { config, store, keys, log } = parts;
  const from = { log, tenant: config.tenant, writer: log.writer };
  const whole = new WholeLog();
  return [
    ...meRoutes(desk),
    ...grantRoutes(desk, { config, keys: parts.grantKeys, gateway: gatewayOf(config) }),
    ...timelineRoutes(desk, store),
    ...sessionRoutes(desk, store),
    ...chainRoutes(desk, store),
    ...approvalRoutes(desk, { openText: (keyId, sealed) => openText(parts, keyId, sealed) }),
    ...blockRoutes(desk),
    ...linkRoutes(desk),
    ...pipelineRoutes(desk),
    ...alertRoutes(desk, couriers),
    ...exportRoutes(desk, { from, keys, store, whole }),
    ...lineageRoutes(desk, { from, whole, version: parts.version, targets: config.targets }),
  ];
}

function openRoutes(parts: ApiParts, state: State): Parameters<typeof createHttp>[0]["open"] {
  const ready = (): [number, unknown] =>
    state.isCaughtUp
      ? [200, { ready: true, caughtUp: "yes" }]
      : [503, { ready: false, caughtUp: "the log is still being read" }];
  return {
    "/api/meta": { answer: metaSchema, give: () => [200, metaOf(parts.config, parts.version)] },
    "/healthz": { answer: readySchema, give: () => [200, { ready: state.isCaughtUp, caughtUp: "alive" }] },
    "/readyz": { answer: readySchema, give: ready },
  };
}

/** Logins are events; nobody waits for them, a log that refuses them ends the process by itself. */
function loginEvents({ appender }: ApiParts, permits: Permits) {
  return {
    onLogin: (identity: Parameters<Permits["rolesOf"]>[0], method: "browser" | "token", address: string): void => {
      const data = { identity, method, roles: permits.rolesOf(identity, address) };
      appender.append({
        type: "identity.logged_in",
        subject: { identity: identity.key, clientaddress: address },
        data,
      });
    },
    onFailure: (reason: string, address: string): void => {
      const data = { reason, claimed: "" };
      appender.append({ type: "identity.login_failed", subject: { clientaddress: address }, data });
    },
  };
}

/** Opens once; a failure is not kept, so that the next one tries again. */
function kept<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | null = null;
  return () => {
    opened ??= open().catch((error: unknown) => {
      opened = null;
      throw error;
    });
    return opened;
  };
}

type OneByOne = <T>(work: () => Promise<T>) => Promise<T>;

/** Each begins when the one before has ended: however many receivers are behind, the log is followed once for them. */
function oneByOne(): OneByOne {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };
}

function courierTo(
  receiver: WebhookReceiver,
  { config, log, appender, now, wait, onFault }: ApiParts,
  refill: OneByOne,
): Courier {
  const url = (alert: Alert): string => {
    const page = pageOf(alert.kind);
    return `${config.api.url.replace(/\/$/, "")}/${page}/${encodeURIComponent(alert.about)}`;
  };
  return new Courier({
    name: receiver.name,
    send({ alert, atMs }) {
      const data = { ...alert, tenant: config.tenant, url: url(alert) };
      return sendWebhook(receiver, { id: alert.alert, type: `throughline.${alert.kind}`, atMs, data }, now());
    },
    cursor: openCursor(config.data, receiver.name),
    readAfter: (position, max, signal) => refill(() => alertsAfter(log, position, max, signal)),
    appender,
    now,
    wait,
    fault: onFault,
  });
}

function pageOf(kind: Alert["kind"]): string {
  if (kind === "approval.asked") return "approvals";
  return kind.startsWith("pipeline.") ? "pipelines" : "chains";
}

async function openText({ keys, blobs }: ApiParts, keyId: string, sealed: Sealed): Promise<string | null> {
  const key = await keys.get(keyId);
  if (key === null) return null;
  const bytes =
    sealed.reference === undefined ? Buffer.from(sealed.sealed ?? "", "base64") : await blobs.get(sealed.reference);
  return openBytes(key, bytes, "")?.toString("utf8") ?? null;
}

function addressOf(address: string): [host: string, port: number] {
  const at = address.lastIndexOf(":");
  return [address.slice(0, at).replace(/^\[(.*)\]$/, "$1"), Number(address.slice(at + 1))];
}
