/**
 * The door of every wire: takes TCP connections, gives each a place among those that log in, and takes it back when
 * the login is done, too slow, or has to make way. It speaks no protocol.
 *
 * A silent, slow or hostile peer stalls nobody: places are bounded, and when they are full the connection that has
 * waited longest without proving anything makes way for the new one. Each refusal is an event, up to a number per
 * network and minute; beyond that they are counted, and the count is an event.
 */
import { createServer, type Server, type Socket } from "node:net";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { EventData } from "../../schemas/event-data.ts";
import type { Limits } from "../../schemas/limits.ts";
import { Attempts, networkOf } from "./attempts.ts";

export type Refusal = EventData["session.refused"];

/** One connection's place among those that log in. */
export interface Entrance {
  /** `host:port` of the client as the gateway sees it. */
  readonly clientAddress: string;
  /** Aborts with a ThroughlineError: too slow, had to make way, the gateway closes. */
  readonly signal: AbortSignal;
  /** This network failed too often in this minute: costly work only for what is known to exist. */
  readonly limited: boolean;
  /** Too many failures for this name from this network. */
  exhausted(name: string): boolean;
  /** It has shown that it knows a secret: it need not make way any more. */
  proven(): void;
  /** The login is done: it gives its place back, and time no longer counts. */
  entered(): void;
  /** Counts a failure of the network and of the name, and records it. */
  refused(error: ThroughlineError, name: string, claimedUser: string, claimedDatabase: string): void;
}

/** One protocol: logs the peer in and runs its session. Owns the socket; settles everything itself, never rejects. */
export type Enter = (socket: Socket, entrance: Entrance) => Promise<void>;

export interface ListenParts {
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  readonly enter: Enter;
  /** Writes `session.refused`. @throws ThroughlineError `log.full` */
  readonly record: (refusal: Refusal, clientAddress: string) => void;
  readonly limits: Pick<Limits, "loginsPendingMax" | "loginWaitMsMax" | "loginFailuresPerMinuteMax">;
  readonly now: () => number;
}

export interface Listening {
  readonly port: number;
  /** Connections that have not finished their login. */
  readonly pending: number;
  /** Takes no more, ends pending logins; open sessions are not touched. Resolves when the last login has let go. */
  close(): Promise<void>;
}

interface Place {
  readonly abort: AbortController;
  proven: boolean;
}

/** @throws ThroughlineError `config.invalid` when the address cannot be listened on */
export async function listen(parts: ListenParts): Promise<Listening> {
  const door = new Door(parts);
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, (socket) =>
    door.take(socket),
  );
  await listening(server, parts);
  const address = server.address();
  if (address === null || typeof address === "string") throw new ThroughlineError("internal.bug", "no port was given");
  return {
    port: address.port,
    get pending() {
      return door.pending;
    },
    async close() {
      server.close();
      await door.close();
    },
  };
}

function listening(server: Server, { host, port }: ListenParts): Promise<void> {
  return new Promise((done, failed) => {
    server.once("error", (cause) =>
      failed(new ThroughlineError("config.invalid", `cannot listen on ${host}:${port}`, cause)),
    );
    server.listen({ host, port, backlog: 1024 }, done);
  });
}

class Door {
  readonly #parts: ListenParts;
  readonly #attempts: Attempts;
  /** In order of arrival. */
  readonly #places = new Set<Place>();
  readonly #logins = new Set<Promise<void>>();
  /** Refusals that were not written, by network. */
  readonly #unwritten = new Map<string, number>();
  #summary: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(parts: ListenParts) {
    this.#parts = parts;
    this.#attempts = new Attempts(parts.limits.loginFailuresPerMinuteMax, parts.now);
  }

  get pending(): number {
    return this.#places.size;
  }

  take(socket: Socket): void {
    // `close` follows every error and is acted on; without a listener the process would end.
    socket.on("error", () => undefined);
    const host = socket.remoteAddress;
    if (host === undefined || this.#closed) {
      socket.destroy();
      return;
    }
    if (this.#places.size >= this.#parts.limits.loginsPendingMax) this.#makeWay();
    const place: Place = { abort: new AbortController(), proven: false };
    this.#places.add(place);
    const tooSlow = setTimeout(
      () => this.#leave(place, new ThroughlineError("login.timeout", "the login took too long")),
      this.#parts.limits.loginWaitMsMax,
    );
    const settled = new Promise<void>((done) => {
      const entered = () => {
        clearTimeout(tooSlow);
        this.#places.delete(place);
        done();
      };
      void this.#parts.enter(socket, this.#entrance(place, entered, host, socket.remotePort)).finally(entered);
    });
    this.#logins.add(settled);
    void settled.then(() => this.#logins.delete(settled));
  }

  #entrance(place: Place, entered: () => void, host: string, port: number | undefined): Entrance {
    const network = networkOf(host);
    const clientAddress = `${host}:${port}`;
    return {
      clientAddress,
      signal: place.abort.signal,
      limited: this.#attempts.exhausted(network),
      exhausted: (name) => this.#attempts.exhausted(`${network} ${name}`),
      proven: () => {
        place.proven = true;
      },
      entered,
      refused: (error, name, claimedUser, claimedDatabase) => {
        const refusal = { code: error.code, reason: error.message, claimedUser, claimedDatabase };
        if (this.#attempts.exhausted(network)) this.#count(network);
        else this.#parts.record(refusal, clientAddress);
        this.#attempts.failed(network);
        this.#attempts.failed(`${network} ${name}`);
      },
    };
  }

  /** The one that has waited longest without a proof; a login that works takes milliseconds, so it is not that one. */
  #makeWay(): void {
    for (const place of this.#places) {
      if (place.proven) continue;
      this.#leave(place, new ThroughlineError("login.crowded", "too many connections are logging in"));
      return;
    }
  }

  #count(network: string): void {
    this.#unwritten.set(network, (this.#unwritten.get(network) ?? 0) + 1);
    this.#summary ??= setTimeout(() => this.#summarise(), 60_000);
  }

  #summarise(): void {
    this.#summary = null;
    for (const [network, count] of this.#unwritten) {
      const reason = `${count} more connections were turned away in a minute`;
      this.#parts.record({ code: "login.rate", reason, claimedUser: "", claimedDatabase: "" }, network);
    }
    this.#unwritten.clear();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const closing = new ThroughlineError("gateway.closing", "the gateway is shutting down");
    for (const place of [...this.#places]) this.#leave(place, closing);
    if (this.#summary) clearTimeout(this.#summary);
    this.#summarise();
    await Promise.all(this.#logins);
  }

  #leave(place: Place, reason: ThroughlineError): void {
    this.#places.delete(place);
    place.abort.abort(reason);
  }
}
