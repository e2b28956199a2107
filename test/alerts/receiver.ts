/** A receiver of Standard Webhooks messages as a test needs it: answers what it is told to, keeps what it got. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

export interface Got {
  readonly headers: Record<string, string>;
  readonly id: string;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  readonly got: readonly Got[];
  /** Resolves when so many messages have come, since the start. */
  reached(count: number): Promise<void>;
  close(): void;
}

/** @param answer status for the nth message (from 1), or null to leave it without an answer */
export async function receive(answer: (nth: number) => number | null | Promise<number | null>): Promise<Receiver> {
  const got: Got[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const headers = request.headers as Record<string, string>;
    got.push({ headers, id: headers["webhook-id"] ?? "", body });
    const status = await answer(got.length);
    if (status !== null) response.writeHead(status).end();
    server.emit("message");
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    got,
    async reached(count) {
      while (got.length < count) await once(server, "message");
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
