/**
 * The realm of the compose file's identity provider, as Keycloak imports it: the people and jobs of the demo, a public
 * client for console and command line (code with PKCE, device flow), and a client per job. Its passwords are given.
 */

export const people = [
  { login: "ana", name: "Ana", groups: ["analysts"] },
  { login: "olga", name: "Olga", groups: ["data-owners", "responders"] },
  { login: "ivan", name: "Ivan", groups: ["investigators", "auditors"] },
  { login: "adam", name: "Adam", groups: ["administrators"] },
] as const;
export const jobs = ["extract", "transform", "load"] as const;
const jobGroups = ["pipelines"];

const audience = "urn:throughline";

export interface RealmParts {
  /** Of the console, without a path. */
  readonly console: string;
  /** By login or job. */
  readonly passwords: Readonly<Record<string, string>>;
  /** By login or job: the subject that the log will know them by. */
  readonly ids: Readonly<Record<string, string>>;
}

export function realmText(parts: RealmParts): string {
  const groups = new Set([...people.flatMap((person) => person.groups), ...jobGroups]);
  const realm = {
    realm: "throughline",
    enabled: true,
    sslRequired: "none", // published on loopback only
    registrationAllowed: false,
    bruteForceProtected: true,
    accessTokenLifespan: 600,
    groups: [...groups].map((name) => ({ name })),
    clients: [consoleClient(parts), ...jobs.map((job) => jobClient(job, parts))],
    users: [...people.map((person) => userOf(person, parts)), ...jobs.map((job) => accountOf(job, parts))],
  };
  return `${JSON.stringify(realm, null, 2)}\n`;
}

function consoleClient({ console: address }: RealmParts) {
  return {
    clientId: "throughline",
    enabled: true,
    publicClient: true,
    standardFlowEnabled: true,
    directAccessGrantsEnabled: false,
    // Without a port Keycloak takes any port of the loopback address (RFC 8252), which is what a command line needs.
    redirectUris: [`${address}/login/callback`, "http://127.0.0.1/callback"],
    attributes: { "pkce.code.challenge.method": "S256", "oauth2.device.authorization.grant.enabled": "true" },
    protocolMappers: mappers,
  };
}

function jobClient(job: string, { passwords }: RealmParts) {
  return {
    clientId: job,
    name: `${job} job`,
    enabled: true,
    publicClient: false,
    secret: passwords[job],
    serviceAccountsEnabled: true,
    standardFlowEnabled: false,
    directAccessGrantsEnabled: false,
    protocolMappers: mappers,
  };
}

function userOf({ login, name, groups }: (typeof people)[number], { passwords, ids }: RealmParts) {
  return {
    ...{ id: ids[login], username: login, firstName: name, lastName: "Demo", email: `${login}@example.com` },
    ...{ enabled: true, emailVerified: true, groups: groups.map((group) => `/${group}`) },
    credentials: [{ type: "password", value: passwords[login], temporary: false }],
    realmRoles: ["offline_access"],
  };
}

function accountOf(job: string, { ids }: RealmParts) {
  const groups = jobGroups.map((group) => `/${group}`);
  return {
    ...{ id: ids[job], username: `service-account-${job}`, enabled: true },
    ...{ serviceAccountClientId: job, groups },
  };
}

/** What Throughline reads in an access token: whom it is for, and the groups. */
const mappers = [
  {
    ...{ name: "audience", protocol: "openid-connect", protocolMapper: "oidc-audience-mapper" },
    config: { "included.custom.audience": audience, "access.token.claim": "true", "id.token.claim": "false" },
  },
  {
    ...{ name: "groups", protocol: "openid-connect", protocolMapper: "oidc-group-membership-mapper" },
    config: { "claim.name": "groups", "full.path": "false", "access.token.claim": "true", "id.token.claim": "false" },
  },
];
