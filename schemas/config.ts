/**
 * The shape of `throughline.yaml`, key by key. Paths are relative to the file. Secrets stand in files, never here.
 * Loaded and checked by infra/config.ts; an unknown key is an error with a hint.
 */
import { closed, type Static, Type } from "./shape.ts";
import { blobsSchema, keysSchema } from "./storage-config.ts";

const text = (description: string) => Type.String({ minLength: 1, description });
const address = (description: string) => Type.String({ pattern: "^.+:[0-9]{1,5}$", description });

export const targetAccountSchema = closed({
  user: text("Role on the target"),
  passwordFile: Type.Optional(text("File that holds the role's password; absent for trust or certificate")),
});

export const targetSchema = closed({
  name: Type.String({
    pattern: "^[a-z][a-z0-9-]*$",
    description: "Name of the target: the database name clients ask for",
  }),
  kind: Type.Literal("postgres"),
  address: address("host:port of the target"),
  database: text("Database on the target"),
  tls: Type.Union([Type.Literal("disable"), Type.Literal("require"), Type.Literal("verify")]),
  caFile: Type.Optional(text("CA that signed the target's certificate, for tls: verify")),
  catalogAccount: text("Account (below) by which the gateway reads the target's catalog"),
  accounts: Type.Record(Type.String(), targetAccountSchema),
  opaque: Type.Union([Type.Literal("allow"), Type.Literal("hold"), Type.Literal("block")], {
    description: "What happens to commands that cannot be read; hold applies to accounts that can read tagged data",
  }),
  mode: Type.Union([Type.Literal("observe"), Type.Literal("enforce")]),
});

/** The shared log of many machines; without it the log is this machine's own. */
const kafkaSchema = closed({
  brokers: Type.Array(address("host:port of a broker"), { minItems: 1 }),
  prefix: Type.String({ pattern: "^[a-z][a-z0-9.-]*$", description: "Topics are <prefix>.<tenant>.steps and .events" }),
  eventPartitions: Type.Integer({ minimum: 1, maximum: 1000, description: "Partitions of the events topic" }),
  replicas: Type.Integer({ minimum: 1, maximum: 9 }),
  minInSync: Type.Integer({
    minimum: 1,
    maximum: 9,
    description: "Replicas that must have a record before it counts as shared",
  }),
  retentionDays: Type.Optional(Type.Integer({ minimum: 1, description: "Absent: the topics keep everything" })),
  tls: Type.Optional(
    closed({
      caFile: Type.Optional(text("CA of the brokers; absent = the system's")),
      certFile: Type.Optional(text("Client certificate, PEM")),
      keyFile: Type.Optional(text("Its key, PEM")),
    }),
  ),
  sasl: Type.Optional(
    closed({
      mechanism: Type.Union([Type.Literal("plain"), Type.Literal("scram-sha-256"), Type.Literal("scram-sha-512")]),
      user: text("User at the brokers"),
      passwordFile: text("File that holds its password"),
    }),
  ),
});

const days = (description: string) => Type.Optional(Type.Integer({ minimum: 1, maximum: 36_500, description }));

/** Where timelines are kept. Absent = the embedded engine in the data folder, everything kept. */
const storeSchema = closed({
  server: Type.Optional(
    closed({
      url: Type.String({
        pattern: "^https?://[^/@]+/?$",
        description: "Address of a ClickHouse server's HTTP interface",
      }),
      database: Type.String({
        pattern: "^[a-z][a-z0-9_]*$",
        description: "This tenant's own; made when it is missing",
      }),
      user: text("User at the server: may create, alter, drop, select and insert in that database"),
      passwordFile: text("File that holds the user's password"),
      caFile: Type.Optional(text("CA of the server; absent = the system's")),
      cluster: Type.Optional(
        Type.String({
          pattern: "^[A-Za-z0-9_-]+$",
          description: "Cluster of the server's configuration on which the tables are made, replicated",
        }),
      ),
      allowInsecure: Type.Optional(Type.Boolean({ description: "Permit http to another machine: development only" })),
    }),
  ),
  retention: Type.Optional(
    closed({
      machineDays: days("Rows of the machinery and of reads of the audit; absent = for ever"),
      activityDays: days("Rows of sessions and of commands that were let through; absent = for ever"),
      evidenceDays: days("Everything else: chains, approvals, refusals, grants, policy; absent = for ever"),
    }),
  ),
});

const gatewayTlsSchema = closed({
  certFile: text("PEM"),
  keyFile: text("PEM"),
  clientCaFile: Type.Optional(
    text(
      "PEM; the CAs that sign the clients' certificates. With it clients are asked for one; it never replaces a Grant",
    ),
  ),
  clientCertificate: Type.Optional(
    Type.Union([Type.Literal("optional"), Type.Literal("required")], {
      description:
        "Whether a client without a certificate may log in; absent = optional. One that is shown must be good",
    }),
  ),
});

export const configSchema = closed({
  tenant: Type.String({ pattern: "^[a-z][a-z0-9-]*$" }),
  name: Type.String({ pattern: "^[a-z][a-z0-9-]*$", description: "Name of this machine: part of each source's name" }),
  data: text("Folder of the log, keys and store; one process each"),
  log: Type.Optional(closed({ kafka: kafkaSchema })),
  blobs: Type.Optional(blobsSchema),
  keys: Type.Optional(keysSchema),
  sources: Type.Optional(text("sources.json of all machines; absent: made in the data folder")),
  privateKeys: Type.Optional(text("Folder of this process's private keys; absent: keys/ in the data folder")),
  store: Type.Optional(storeSchema),
  policy: text("Cedar policies"),
  catalog: text("Tags on resources"),
  rules: text("Folder of Sigma rules"),
  gateway: closed({
    postgres: address("host:port where clients connect"),
    tls: Type.Optional(gatewayTlsSchema),
    requireTls: Type.Boolean({ description: "Refuse clients without TLS" }),
  }),
  api: closed({
    listen: address("host:port of the HTTP API and console"),
    url: text("The address that people and messages use"),
    sessionHours: Type.Integer({ minimum: 1, maximum: 24 }),
  }),
  identity: closed({
    issuer: text("OIDC issuer"),
    clientId: text("Client of the console and the CLI"),
    audience: text("Audience of access tokens"),
    groupsClaim: text("Claim that lists groups"),
    allowInsecure: Type.Boolean({ description: "Permit an http issuer: development only" }),
  }),
  targets: Type.Array(targetSchema, { minItems: 1 }),
  grants: closed({ hours: Type.Number({ exclusiveMinimum: 0, maximum: 12 }) }),
  holds: closed({
    mode: Type.Union([Type.Literal("wait"), Type.Literal("retry")]),
    waitSeconds: Type.Integer({ minimum: 1, maximum: 900 }),
    perIdentityMax: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: "Approvals that one identity may ask for in 15 minutes; then it is refused",
      }),
    ),
    approvers: Type.Array(text("Group"), {
      minItems: 1,
      description: "Groups that answer where neither policy nor rule names any: commands that cannot be read",
    }),
  }),
  operations: Type.Optional(
    closed({
      listen: Type.Optional(
        address("host:port of /livez, /readyz and /metrics; it has no login, so loopback or a network of your own"),
      ),
      apiListen: Type.Optional(
        address(
          "The same for projector and api; absent: they use listen, but on one machine, where the gateway has it",
        ),
      ),
      logs: Type.Optional(
        Type.Union([Type.Literal("json"), Type.Literal("text")], {
          description: "Absent: text on a terminal, else JSON lines",
        }),
      ),
      drainSeconds: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: 3600,
          description: "How long transactions may finish when it is stopped; absent = 10",
        }),
      ),
      traces: Type.Optional(
        closed({
          url: text("Collector, OTLP over HTTP: http://127.0.0.1:4318/v1/traces"),
          ratio: Type.Number({ minimum: 0, maximum: 1, description: "Share of commands that are traced" }),
        }),
      ),
    }),
  ),
  alerts: Type.Optional(
    Type.Array(
      closed({
        name: Type.String({ pattern: "^[a-z][a-z0-9-]*$", description: "How far it has got is kept under this name" }),
        url: text("Standard Webhooks receiver"),
        secretFile: text("File with whsec_…"),
      }),
    ),
  ),
});

export type Config = Static<typeof configSchema>;
export type GatewayTlsConfig = Static<typeof gatewayTlsSchema>;
export type KafkaConfig = Static<typeof kafkaSchema>;
export type StoreConfig = Static<typeof storeSchema>;
export type TargetConfig = Static<typeof targetSchema>;
