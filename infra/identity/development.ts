/**
 * A development identity provider: real OpenID Connect (code + PKCE, device flow, client credentials, refresh) with
 * people and workloads from a list. The one file that imports oidc-provider.
 *
 * It refuses to start unless it is told that this is development, and listens on loopback only: its passwords come from
 * a list and it speaks http. Signing and cookie keys are kept in a folder, so that tokens outlive a restart; logins and
 * refresh tokens do not. It cannot see who calls itself what beyond that list.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Context, Provider } from "oidc-provider";
import { ThroughlineError } from "../../schemas/errors.ts";
import { keptKeys, type ProviderKeys } from "./development-keys.ts";
import { codePage, confirmPage, loginPage, messagePage } from "./development-pages.ts";
import { adapterOver } from "./development-state.ts";

export interface DevelopmentUser {
  /** Becomes the token's subject. */
  readonly login: string;
  readonly name: string;
  readonly groups: readonly string[];
  readonly password: string;
}

export interface DevelopmentWorkload {
  /** Client id, and the token's subject. */
  readonly id: string;
  readonly name: string;
  readonly groups: readonly string[];
  readonly secret: string;
  /** `agent` for an AI agent. */
  readonly kind?: "workload" | "agent";
}

export interface DevelopmentOptions {
  /** Where the keys are kept. */
  readonly folder: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Must be true: nobody starts this by accident. */
  readonly development: boolean;
  /** An absolute URI (RFC 8707), e.g. `urn:throughline`; the `aud` of access tokens. */
  readonly audience: string;
  /** Public client of the console and the CLI. */
  readonly clientId: string;
  /** The console's; any loopback port with /callback is the CLI's. */
  readonly redirectUris: readonly string[];
  readonly users: readonly DevelopmentUser[];
  readonly workloads: readonly DevelopmentWorkload[];
  /** Life of an access token. */
  readonly tokenSeconds?: number;
}

export interface DevelopmentProvider {
  readonly issuer: string;
  close(): Promise<void>;
}

interface Subject {
  readonly name: string;
  readonly groups: readonly string[];
  readonly kind: string;
}

const bodyBytesMax = 16 * 1024;

/** @throws ThroughlineError `config.invalid` outside development, or when the lists contradict each other */
export async function startDevelopmentProvider(options: DevelopmentOptions): Promise<DevelopmentProvider> {
  expectSound(options);
  const keys = await keptKeys(options.folder);
  let answer: RequestListener = (_, response) => response.writeHead(503).end();
  const server = createServer((request, response) => answer(request, response));
  await new Promise<void>((listening, failed) => {
    server.once("error", failed);
    server.listen(options.port, "127.0.0.1", listening);
  });
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  answer = listenerOf(new Provider(issuer, configurationOf(options, keys)), options);
  return {
    issuer,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

function expectSound(options: DevelopmentOptions): void {
  const fail = (what: string): never => {
    throw new ThroughlineError("config.invalid", `The development identity provider: ${what}`);
  };
  if (options.development !== true) fail("it starts only where development is stated");
  if (!URL.canParse(options.audience))
    fail(`audience "${options.audience}" must be an absolute URI, e.g. urn:throughline`);
  const names = [options.clientId, ...options.users.map((u) => u.login), ...options.workloads.map((w) => w.id)];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) fail(`"${twice}" stands for two; a subject is one person or one workload`);
}

function configurationOf(options: DevelopmentOptions, keys: ProviderKeys): object {
  const tokenSeconds = options.tokenSeconds ?? 3_600;
  const subjects = new Map<string, Subject>([
    ...options.users.map((u) => [u.login, { name: u.name, groups: u.groups, kind: "person" }] as const),
    ...options.workloads.map((w) => [w.id, { name: w.name, groups: w.groups, kind: w.kind ?? "workload" }] as const),
  ]);
  const oneDay = 86_400;
  return {
    adapter: adapterOver(new Map()),
    jwks: keys.jwks,
    cookies: { keys: keys.cookies },
    clients: clientsOf(options),
    claims: { openid: ["sub"], profile: ["name", "groups"] },
    scopes: ["openid", "profile", "offline_access"],
    features: featuresOf(options, tokenSeconds),
    findAccount: async (_: Context, login: string) => {
      const found = subjects.get(login);
      if (!found) return undefined;
      return { accountId: login, claims: async () => ({ sub: login, name: found.name, groups: found.groups }) };
    },
    extraTokenClaims: async (_: Context, token: { accountId?: string; clientId?: string }) =>
      subjects.get(token.accountId ?? token.clientId ?? ""),
    loadExistingGrant: (context: Context) => firstPartyGrant(context, options.audience),
    interactions: { url: async (_: Context, { uid }: { uid: string }) => `/interaction/${uid}` },
    issueRefreshToken: async (_: Context, client: { grantTypeAllowed(type: string): boolean }) =>
      client.grantTypeAllowed("refresh_token"),
    clientBasedCORS: () => false,
    renderError: async (context: Context, out: { error: string; error_description?: string }) => {
      context.type = "html";
      context.body = messagePage("That did not work", `${out.error}: ${out.error_description ?? ""}`);
    },
    ttl: {
      AccessToken: tokenSeconds,
      ClientCredentials: tokenSeconds,
      IdToken: tokenSeconds,
      DeviceCode: 600,
      Interaction: 3_600,
      RefreshToken: oneDay,
      Session: oneDay,
      Grant: oneDay,
    },
  };
}

function featuresOf(options: DevelopmentOptions, tokenSeconds: number): object {
  return {
    devInteractions: { enabled: false },
    rpInitiatedLogout: { enabled: false },
    clientCredentials: { enabled: true },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: async (context: Context, form: string, _: unknown, error?: unknown) => {
        context.body = codePage(form, error !== undefined);
      },
      userCodeConfirmSource: async (context: Context, form: string, _c: unknown, _d: unknown, code: string) => {
        context.body = confirmPage(form, code);
      },
      successSource: async (context: Context) => {
        context.body = messagePage("Connected", "You can close this window and go back to your terminal.");
      },
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: async () => options.audience,
      useGrantedResource: async () => true,
      getResourceServerInfo: async (_: Context, indicator: string) => {
        if (indicator !== options.audience)
          throw new ThroughlineError("request.invalid", `This provider knows only the resource ${options.audience}`);
        const jwt = { sign: { alg: "ES256" } };
        return { scope: "", audience: options.audience, accessTokenFormat: "jwt", accessTokenTTL: tokenSeconds, jwt };
      },
    },
  };
}

function clientsOf(options: DevelopmentOptions): object[] {
  const people = {
    client_id: options.clientId,
    application_type: "native",
    token_endpoint_auth_method: "none",
    grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    response_types: ["code"],
    redirect_uris: [...options.redirectUris, "http://127.0.0.1/callback", "http://localhost/callback"],
    id_token_signed_response_alg: "ES256",
  };
  const workloads = options.workloads.map(({ id, secret }) => ({
    client_id: id,
    client_secret: secret,
    grant_types: ["client_credentials"],
    response_types: [],
    redirect_uris: [],
    id_token_signed_response_alg: "ES256",
  }));
  return [people, ...workloads];
}

/** The console and the CLI are ours: nobody is asked whether they may know who logs in. */
async function firstPartyGrant(context: Context, audience: string): Promise<unknown> {
  const { client, account, session, provider } = context.oidc;
  const id = session?.grantIdFor(client.clientId);
  const existing = id === undefined ? undefined : await provider.Grant.find(id);
  if (existing || !account) return existing;
  const grant = new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
  grant.addOIDCScope("openid profile offline_access");
  grant.addResourceScope(audience, "");
  await grant.save();
  return grant;
}

/** The login form, and everything else by the provider. */
function listenerOf(provider: Provider, options: DevelopmentOptions): RequestListener {
  const rest = provider.callback();
  return (request, response) => {
    if (!request.url?.startsWith("/interaction/")) return rest(request, response);
    interact(provider, options, request, response).catch(() => {
      if (!response.headersSent) response.writeHead(400, { "content-type": "text/html; charset=utf-8" });
      response.end(messagePage("That did not work", "This login is over. Go back and start again."));
    });
  };
}

async function interact(
  provider: Provider,
  options: DevelopmentOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { uid, prompt } = await provider.interactionDetails(request, response);
  // A client without a secret asks for consent each time; ours are first party (see firstPartyGrant).
  if (prompt.name === "consent") return provider.interactionFinished(request, response, { consent: {} });
  const form = request.method === "POST" ? await formOf(request) : null;
  const user = form && knownUser(options.users, form.get("login") ?? "", form.get("password") ?? "");
  if (user) return provider.interactionFinished(request, response, { login: { accountId: user.login } });
  response.writeHead(form ? 403 : 200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
  response.end(loginPage(`/interaction/${uid}`, options.users, form !== null));
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  let body = "";
  for await (const chunk of request) {
    body += chunk;
    if (body.length > bodyBytesMax) throw new ThroughlineError("request.invalid", "That form is too large");
  }
  return new URLSearchParams(body);
}

function knownUser(users: readonly DevelopmentUser[], login: string, password: string): DevelopmentUser | undefined {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const user = users.find((candidate) => candidate.login === login);
  const same = timingSafeEqual(digest(user?.password ?? ""), digest(password));
  return user && user.password !== "" && same ? user : undefined;
}
