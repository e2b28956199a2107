/** What the entrance's tests stand on: a gateway entrance with a bare pass-through behind it, and Grants by hand. */
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GrantKeys, openGrantKeys } from "../../infra/keys/grant-keys.ts";
import type { GatewayTlsConfig, TargetConfig } from "../../schemas/config.ts";
import type { Grant, GrantId, IdentityKey, SessionId, TaskId, Tenant } from "../../schemas/identity.ts";
import { type Limits, limits } from "../../schemas/limits.ts";
import type { FoundGrant, Grants } from "../../services/gateway/credentials.ts";
import type { Refusal } from "../../services/gateway/listen.ts";
import { type Entry, openEntry } from "../../services/gateway/postgres/entry.ts";
import type { SessionFacts } from "../../services/gateway/postgres/handshake.ts";
import { errorResponse, startupMessage } from "../../services/gateway/postgres/messages.ts";
import type { ClosingFacts } from "../../services/gateway/postgres/welcome.ts";
import type { Wire } from "../../services/gateway/postgres/wire.ts";
import type { Session } from "../../services/gateway/session.ts";

export class GrantBook implements Grants {
  readonly #known = new Map<string, FoundGrant>();
  readonly #listeners = new Set<(id: GrantId) => void>();

  find(id: string): FoundGrant | null {
    return this.#known.get(id) ?? null;
  }

  onGrant(listener: (id: GrantId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  put(found: FoundGrant): void {
    this.#known.set(found.grant.id, found);
    for (const listener of [...this.#listeners]) listener(found.grant.id);
  }

  /** How many wait for a Grant or watch for ends. */
  get listeners(): number {
    return this.#listeners.size;
  }
}

export type Said =
  | { readonly type: "refused"; readonly refusal: Refusal; readonly clientAddress: string }
  | { readonly type: "opened"; readonly grant: Grant; readonly facts: SessionFacts }
  | { readonly type: "closed"; readonly facts: ClosingFacts };

/** Sends every byte on, both ways; ends when either side does. */
export async function passThrough(wire: Wire): Promise<{ reason: string }> {
  const { client, target } = wire;
  return new Promise((done) => {
    wire.onEnding = (reason) => {
      client.end(errorResponse({ severity: "FATAL", code: "57P01", message: reason }));
      done({ reason });
    };
    target.on("close", () => done({ reason: "the target closed" }));
    client.on("close", () => done({ reason: "the client closed" }));
    client.on("end", () => done({ reason: "the client closed" }));
    target.write(wire.clientRest);
    client.write(wire.targetRest);
    client.on("data", (chunk) => target.write(chunk)).resume();
    target.on("data", (chunk) => client.write(chunk)).resume();
  });
}

export interface WorldOptions {
  readonly target?: Partial<TargetConfig>;
  readonly tls?: GatewayTlsConfig;
  readonly requireTls?: boolean;
  readonly limits?: Partial<Limits>;
  readonly serve?: (wire: Wire) => Promise<{ reason: string }>;
  readonly open?: (session: Session) => Promise<void>;
}

export class World {
  readonly folder: string;
  readonly keys: GrantKeys;
  readonly grants = new GrantBook();
  readonly said: Said[] = [];
  readonly faults: unknown[] = [];
  entry!: Entry;
  nowMs = Date.now();
  #sessions = 0;
  #watchers: (() => void)[] = [];

  constructor(folder: string, keys: GrantKeys) {
    this.folder = folder;
    this.keys = keys;
  }

  static async start(options: WorldOptions = {}): Promise<World> {
    const folder = await mkdtemp(join(tmpdir(), "entry-"));
    const world = new World(folder, await openGrantKeys(join(folder, "grant-keys.json")));
    const target = { ...defaultTarget, ...options.target };
    world.entry = await openEntry({
      config: {
        gateway: {
          postgres: "127.0.0.1:0",
          requireTls: options.requireTls ?? false,
          ...(options.tls ? { tls: options.tls } : {}),
        },
        targets: [target],
      },
      grantKeys: world.keys,
      grants: world.grants,
      record: (refusal, clientAddress) => world.#say({ type: "refused", refusal, clientAddress }),
      open: async (grant, facts) => {
        const session = world.#session(grant, facts);
        await options.open?.(session);
        world.#say({ type: "opened", grant, facts });
        return session;
      },
      close: (_session, facts) => world.#say({ type: "closed", facts }),
      serve: options.serve ?? passThrough,
      fault: (error) => world.faults.push(error),
      now: () => world.nowMs,
      limits: { ...limits, endingWaitMsMax: 200, grantWaitMsMax: 200, ...options.limits },
    });
    return world;
  }

  async stop(): Promise<void> {
    await this.entry.close();
    await rm(this.folder, { recursive: true });
  }

  /** A Grant and what a client needs to use it. */
  grant(change: Partial<Grant> = {}, known = true): { grant: Grant; user: string; secret: string } {
    const id = change.id ?? this.keys.newGrantId();
    const key = "https://idp|loader" as IdentityKey;
    const grant: Grant = {
      id,
      tenant: "acme" as Tenant,
      identity: { key, kind: "workload", name: "loader", groups: [], onBehalfOf: [] },
      account: "loader",
      target: "orders",
      task: { id: "t1" as TaskId, justification: "nightly load" },
      issuedAtMs: this.nowMs,
      expiresAtMs: this.nowMs + 3_600_000,
      ...change,
    };
    if (known) this.grants.put({ grant, ended: null });
    return { grant, user: `${grant.account}~${id}`, secret: this.keys.secretOf(id)! };
  }

  /** Resolves with the first thing said, now or later, that fits. */
  async heard<T extends Said["type"]>(type: T, fits: (said: Said & { type: T }) => boolean = () => true) {
    for (;;) {
      const found = this.said.find((said): said is Said & { type: T } => said.type === type && fits(said as never));
      if (found) return found;
      await new Promise<void>((again) => this.#watchers.push(again));
    }
  }

  refusals(): string[] {
    return this.said.flatMap((said) => (said.type === "refused" ? [said.refusal.code] : []));
  }

  #say(said: Said): void {
    this.said.push(said);
    for (const again of this.#watchers.splice(0)) again();
  }

  #session(grant: Grant, facts: SessionFacts): Session {
    this.#sessions += 1;
    const id = `s${this.#sessions}` as SessionId;
    const { clientAddress, application } = facts;
    const key = new Uint8Array(32);
    return { id, grant, clientAddress, application, subject: {}, keyId: id, key, role: grant.account, ending: null };
  }
}

const defaultTarget: TargetConfig = {
  name: "orders",
  kind: "postgres",
  address: "127.0.0.1:1",
  database: "orders",
  tls: "disable",
  catalogAccount: "loader",
  accounts: { loader: { user: "loader" } },
  opaque: "hold",
  mode: "enforce",
};

/** A raw client: sends bytes, and gives all that came when the connection has ended. */
export class Peer {
  readonly socket: Socket;
  readonly ended: Promise<Buffer>;
  #received: Buffer = Buffer.alloc(0);
  #watchers: (() => void)[] = [];
  #over = false;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("error", () => undefined);
    this.socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      for (const again of this.#watchers.splice(0)) again();
    });
    this.ended = new Promise((done) =>
      this.socket.on("close", () => {
        this.#over = true;
        for (const again of this.#watchers.splice(0)) again();
        done(this.#received);
      }),
    );
  }

  send(bytes: Uint8Array): this {
    this.socket.write(bytes);
    return this;
  }

  startup(parameters: Record<string, string>, version = 0x00030000): this {
    return this.send(startupMessage(version, new Map(Object.entries(parameters))));
  }

  /** Takes the next `bytes` bytes. */
  async take(bytes: number): Promise<Buffer> {
    while (this.#received.length < bytes) {
      if (this.#over) throw new Error(`closed after ${this.#received.length} of ${bytes} bytes`);
      await new Promise<void>((again) => this.#watchers.push(again));
    }
    const taken = this.#received.subarray(0, bytes);
    this.#received = this.#received.subarray(bytes);
    return taken;
  }

  /** Takes the next message. */
  async message(): Promise<Buffer> {
    const head = await this.take(5);
    return Buffer.concat([head, await this.take(head.readUInt32BE(1) - 4)]);
  }
}

/** @returns files of a self-signed certificate for localhost */
export async function makeCertificate(folder: string): Promise<{ certFile: string; keyFile: string }> {
  const certFile = join(folder, "cert.pem");
  const keyFile = join(folder, "key.pem");
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", keyFile];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  execFileSync("openssl", ["req", "-x509", ...key, "-out", certFile, "-days", "2", ...subject], { stdio: "ignore" });
  return { certFile, keyFile };
}

export async function passwordFile(folder: string, password: string): Promise<string> {
  const file = join(folder, `password-${Math.random().toString(36).slice(2)}`);
  await writeFile(file, `${password}\n`, { mode: 0o600 });
  return file;
}
