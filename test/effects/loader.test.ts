/** The loader of the catalog before targets that go away in the middle: it fails in time, and leaves no connection behind. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, test } from "node:test";
import { ThroughlineError } from "../../schemas/errors.ts";
import { type CatalogLoader, createCatalogLoader } from "../../services/gateway/postgres/catalog.ts";
import {
  authenticationOk,
  commandComplete,
  errorResponse,
  readyForQuery,
} from "../../services/gateway/postgres/messages.ts";

const failure = errorResponse({ severity: "ERROR", code: "57014", message: "canceling statement" });
const running: { server: Server; sockets: Socket[] }[] = [];
afterEach(() => {
  for (const { server, sockets } of running.splice(0)) {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
});

interface Bad {
  /** Queries of a connection that it answers; then it fails. */
  readonly good: number;
  /** Whether it goes when it is told goodbye. */
  readonly closes: boolean;
}

async function target({ good, closes }: Bad): Promise<{ loader: CatalogLoader; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: !closes }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    let queries = -1;
    socket.on("data", (chunk) => {
      if (queries < 0) socket.write(Buffer.concat([authenticationOk(), readyForQuery("I")]));
      else if (chunk.toString("latin1", 0, 1) === "Q")
        socket.write(Buffer.concat([queries < good ? commandComplete("SELECT 0") : failure, readyForQuery("I")]));
      queries += 1;
    });
  });
  running.push({ server, sockets });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const account = { host: "127.0.0.1", port, database: "d", user: "u", tls: "disable" } as const;
  return { loader: createCatalogLoader("orders", account), sockets };
}

const unreachable = (error: unknown) => error instanceof ThroughlineError && error.code === "target.unreachable";

test("a connection that fails before it is of use is closed: tries leave none behind", async () => {
  const { loader, sockets } = await target({ good: 0, closes: true });
  for (let tries = 1; tries <= 3; tries += 1) await assert.rejects(loader.load(), unreachable);
  for (const socket of sockets) if (!socket.destroyed) await once(socket, "close");
  assert.equal(sockets.length, 3);
});

test("a target that says nothing to a goodbye keeps nobody waiting", async () => {
  const { loader } = await target({ good: 1, closes: false });
  await assert.rejects(loader.load(), unreachable);
  await assert.rejects(loader.load(), unreachable);
  await loader.close();
});
