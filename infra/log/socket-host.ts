/**
 * The door of the embedded log for other processes on this machine: a unix socket in the data folder, mode 0600.
 * A connection says nothing and reads nothing before it has proven a source with its key; afterwards it speaks for that
 * source alone. Whatever is not allowed is refused whole, written down as `log.refused`, and ends the connection.
 * It cannot tell processes of one user apart that can read the same key files.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import type { Journal } from "./journal.ts";
import { Refusals } from "./refusals.ts";
import { HostConnection } from "./socket-connection.ts";
import { type SocketAddress, socketAddress, socketPath } from "./socket-path.ts";

/** Second processes, their reconnections, and room. */
const connectionsMax = 32;
export interface SocketHost {
  readonly path: string;
  /** Ends all connections and takes the socket away. */
  close(): Promise<void>;
}

/** @param now the clock, milliseconds. @throws ThroughlineError `config.invalid` when the socket cannot be opened */
export async function openSocketHost(journal: Journal, dataFolder: string, now: () => number): Promise<SocketHost> {
  const path = socketPath(dataFolder);
  // The folder's lock is ours, so a socket that is there is a dead process's.
  rmSync(path, { force: true });
  const refusals = new Refusals(journal, now);
  const open = new Map<HostConnection, Socket>();
  /** A source speaks on one connection at a time. */
  const speaking = new Map<string, HostConnection>();
  const server = createServer((socket) => {
    if (open.size >= connectionsMax) {
      socket.destroy();
      return;
    }
    const connection = new HostConnection(journal, socket, refusals, speaking);
    open.set(connection, socket);
    const timer = setTimeout(() => connection.greeted || socket.destroy(), limits.loginWaitMsMax);
    socket.once("close", () => {
      clearTimeout(timer);
      open.delete(connection);
      connection.end();
    });
  });
  const address = socketAddress(path);
  await listen(server, path, address);
  chmodSync(path, 0o600);
  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of open.values()) socket.destroy();
    await closed;
    address.release();
  };
  return { path, close };
}

function listen(server: Server, path: string, address: SocketAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      address.release();
      reject(new ThroughlineError("config.invalid", `The log's socket ${path} cannot be opened`, cause));
    });
    server.listen(address.path, () => resolve());
  });
}
