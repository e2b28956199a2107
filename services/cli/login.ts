/**
 * `throughline login`: a token of the identity provider for the API, by browser (code + PKCE), by device flow, or for
 * a workload by client credentials. The API is asked who that is before anything is stored.
 */
import { readFile } from "node:fs/promises";
import type { TokenFlows, Tokens } from "../../infra/identity/oidc.ts";
import { type Me, type Meta, meSchema, metaSchema } from "../../schemas/api.ts";
import { type Api, createApi } from "./api.ts";
import { type Context, tell } from "./context.ts";
import { failed, misused } from "./failure.ts";
import { listenLoopback } from "./loopback.ts";
import { fromNow, paint, shown } from "./paint.ts";
import type { CliParts } from "./parts.ts";
import { type CliSession, readSession, writeSession } from "./session-file.ts";

export interface LoginOptions {
  readonly device?: boolean;
  readonly clientId?: string;
  readonly clientSecretFile?: string;
}

const browserWaitMsMax = 5 * 60_000;
/** A token that ends this soon is renewed first: the request must still arrive with it. */
const renewBeforeMs = 30_000;

export async function login(context: Context, options: LoginOptions): Promise<void> {
  const { parts } = context;
  const url = context.url ?? parts.url;
  if (url === null) throw misused("Which Throughline?", "Give --url http://host:port, or set THROUGHLINE_URL.");
  const meta = await createApi(parts, guarded(url), null).read(metaSchema, "/api/meta");
  const client = { issuer: meta.issuer, clientId: options.clientId ?? meta.clientId, audience: meta.audience };
  const tokens = await tokensBy(context, await parts.flows(client), options);
  const me = await createApi(parts, url, tokens.accessToken).read(meSchema, "/api/me");
  await writeSession(parts.configFolder, context.profile, { ...client, ...tokens, url, name: me.identity.name });
  tell(context, { url, identity: me.identity, roles: me.roles, expiresAtMs: tokens.expiresAtMs }, () =>
    welcome(parts, me, meta, tokens),
  );
}

function welcome(parts: CliParts, me: Me, meta: Meta, tokens: Tokens): string[] {
  return [
    `${paint(parts.terminal, "green", "logged in")}  ${shown(me.identity.name)} at ${meta.name}, token ends ${fromNow(tokens.expiresAtMs, parts.now())}`,
    `           may ${me.roles.join(", ") || "connect only"}`,
  ];
}

async function tokensBy(context: Context, flows: TokenFlows, options: LoginOptions): Promise<Tokens> {
  if (options.clientSecretFile !== undefined) return flows.workload(await secretOf(options.clientSecretFile));
  if (options.clientId !== undefined)
    throw misused("--client-id is for workloads and needs its secret.", "Add --client-secret-file FILE.");
  return options.device ? byDevice(context.parts, flows) : byBrowser(context.parts, flows);
}

async function secretOf(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch(() => {
    throw failed("config.unreadable", `Cannot read ${path}.`);
  });
  return text.trim();
}

async function byBrowser(parts: CliParts, flows: TokenFlows): Promise<Tokens> {
  const loopback = await listenLoopback(browserWaitMsMax, parts.signal);
  try {
    const { url, finish } = await flows.browser(loopback.redirectUri);
    parts.terminal.err("Log in here (opened in your browser, if there is one):");
    parts.terminal.err(`  ${url}`);
    parts.openBrowser(url);
    return await finish(await loopback.arrived);
  } finally {
    loopback.close();
  }
}

async function byDevice(parts: CliParts, flows: TokenFlows): Promise<Tokens> {
  const { url, userCode, finish } = await flows.device();
  parts.terminal.err(`Open ${url} on any device and enter ${paint(parts.terminal, "bold", userCode)}`);
  return finish(parts.signal);
}

/** The API as the one who is logged in, with a token that still lives. @throws `login.failed`, `login.expired` */
export async function apiOf(context: Omit<Context, "api">): Promise<Api> {
  const { parts, profile } = context;
  const stored = await readSession(parts.configFolder, profile);
  // A token is for the address it was asked for: another one would be handed somebody's login.
  if (context.url !== null && new URL(guarded(context.url)).origin !== new URL(stored.url).origin)
    throw misused(
      `You are logged in at ${stored.url}, not at ${context.url}.`,
      "Log in there, with --profile to keep both.",
    );
  const session = stored.expiresAtMs - renewBeforeMs > parts.now() ? stored : await renewed(parts, profile, stored);
  return createApi(parts, guarded(session.url), session.accessToken);
}

async function renewed(parts: CliParts, profile: string, session: CliSession): Promise<CliSession> {
  if (session.refreshToken === null)
    throw failed("login.expired", "Your login has ended.", "Run `throughline login` again.");
  const tokens = await (await parts.flows(session)).refresh(session.refreshToken);
  const next = { ...session, ...tokens, refreshToken: tokens.refreshToken ?? session.refreshToken };
  await writeSession(parts.configFolder, profile, next);
  return next;
}

/** A token over plain http can be read on the way, so http is for this machine only. */
function guarded(url: string): string {
  const parsed = URL.parse(url);
  if (!parsed || !/^https?:$/.test(parsed.protocol))
    throw misused(`"${url}" is no address.`, "Write https://host:port.");
  if (parsed.protocol === "http:" && !["127.0.0.1", "localhost", "[::1]"].includes(parsed.hostname))
    throw misused(`${url} would send your token in the clear.`, "Use https; http is for this machine only.");
  return url;
}
