/**
 * Getting tokens from an OpenID provider: authorization code with PKCE, device flow, client credentials, refresh.
 * The one file that imports openid-client. Who may do what with them is judged elsewhere: tokens.ts verifies.
 *
 * Refuses an http issuer unless it is on this machine or the configuration permits it; every request has a time limit.
 */
import * as oidc from "openid-client";
import { ThroughlineError } from "../../schemas/errors.ts";

export interface TokenClient {
  readonly issuer: string;
  readonly clientId: string;
  /** Asked of the issuer as `resource`, so that the token is for this API alone. */
  readonly audience: string;
  /** Permits an http issuer that is not on this machine. */
  readonly allowInsecure?: boolean;
}

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string | null;
  readonly expiresAtMs: number;
}

export interface TokenFlows {
  /** `finish` takes the whole address the browser came back to; it checks state, nonce and issuer. */
  browser(redirectUri: string): Promise<{ readonly url: string; finish(callback: URL): Promise<Tokens> }>;
  device(): Promise<{ readonly url: string; readonly userCode: string; finish(signal: AbortSignal): Promise<Tokens> }>;
  workload(clientSecret: string): Promise<Tokens>;
  refresh(refreshToken: string): Promise<Tokens>;
}

const requestSecondsMax = 10;
const scope = "openid profile offline_access";

/** @throws ThroughlineError `identity.provider` when the issuer does not answer or is not who it says */
export async function openFlows(client: TokenClient, now: () => number): Promise<TokenFlows> {
  const issuer = issuerUrl(client);
  const discover = (auth?: oidc.ClientAuth): Promise<oidc.Configuration> =>
    asked("discovery", () =>
      oidc.discovery(issuer, client.clientId, undefined, auth, {
        timeout: requestSecondsMax,
        ...(issuer.protocol === "http:" ? { execute: [oidc.allowInsecureRequests] } : {}),
      }),
    );
  const config = await discover(oidc.None());
  const resource = client.audience;
  return {
    browser: (redirectUri) => browserFlow(config, redirectUri, resource, now),
    device: () => deviceFlow(config, resource, now),
    async workload(clientSecret) {
      const own = await discover(oidc.ClientSecretBasic(clientSecret));
      return tokensOf(await asked("client credentials", () => oidc.clientCredentialsGrant(own, { resource })), now);
    },
    async refresh(refreshToken) {
      return tokensOf(await asked("refresh", () => oidc.refreshTokenGrant(config, refreshToken, { resource })), now);
    },
  };
}

/** @throws ThroughlineError `config.invalid` */
export function issuerUrl(client: Pick<TokenClient, "issuer" | "allowInsecure">): URL {
  const url = URL.parse(client.issuer);
  if (!url) throw new ThroughlineError("config.invalid", `identity.issuer "${client.issuer}" is no address`);
  const local = ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  if (url.protocol !== "https:" && !local && !client.allowInsecure)
    throw new ThroughlineError("config.invalid", `identity.issuer ${client.issuer} is not https`);
  return url;
}

async function browserFlow(
  config: oidc.Configuration,
  redirectUri: string,
  resource: string,
  now: () => number,
): ReturnType<TokenFlows["browser"]> {
  const verifier = oidc.randomPKCECodeVerifier();
  const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    response_type: "code",
    scope,
    resource,
    state,
    nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
  return {
    url: url.href,
    async finish(callback) {
      const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
      const exchange = () => oidc.authorizationCodeGrant(config, callback, checks, { resource });
      return tokensOf(await asked("code exchange", exchange), now);
    },
  };
}

async function deviceFlow(
  config: oidc.Configuration,
  resource: string,
  now: () => number,
): ReturnType<TokenFlows["device"]> {
  const started = await asked("device authorization", () =>
    oidc.initiateDeviceAuthorization(config, { scope, resource }),
  );
  return {
    url: started.verification_uri_complete ?? started.verification_uri,
    userCode: started.user_code,
    async finish(signal) {
      const poll = () => oidc.pollDeviceAuthorizationGrant(config, started, { resource }, { signal });
      return tokensOf(await asked("device flow", poll), now);
    },
  };
}

function tokensOf(answer: oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers, now: () => number): Tokens {
  return {
    accessToken: answer.access_token,
    refreshToken: answer.refresh_token ?? null,
    expiresAtMs: now() + (answer.expiresIn() ?? 300) * 1_000,
  };
}

/** The provider's own words are in the cause; a token or a secret is in neither. */
async function asked<T>(what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "no reason given";
    throw new ThroughlineError(
      "identity.provider",
      `The identity provider refused or failed the ${what}: ${why}`,
      cause,
    );
  }
}
