/**
 * The operator's own address: `/livez` (the event loop turns), `/readyz` (every part, 503 with reasons as JSON),
 * `/metrics` (Prometheus). One per process, apart from what users reach.
 *
 * It has no login, so it shows nothing about people or data, changes nothing, and belongs on loopback or a network of
 * the operator's. A browser is refused: a page that somebody visits must not read it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Health } from "./health.ts";
import type { Metrics } from "./metrics.ts";

export interface OperationsParts {
  /** `host:port`; port 0 = any free one. */
  readonly listen: string;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly fault: (error: unknown) => void;
}

export interface Operations {
  readonly port: number;
  close(): Promise<void>;
}

const requestMsMax = 10_000;
const connectionsMax = 64;

/** @throws ThroughlineError `config.invalid` when the address cannot be listened on */
export async function openOperations(parts: OperationsParts): Promise<Operations> {
  const server = createServer({ requestTimeout: requestMsMax, headersTimeout: requestMsMax }, (request, response) => {
    answer(parts, request, response).catch((error: unknown) => {
      parts.fault(error);
      if (response.headersSent) response.destroy();
      else send(response, 500, "text/plain; charset=utf-8", "a defect; see the log of the process\n");
    });
  });
  server.maxConnections = connectionsMax;
  const at = parts.listen.lastIndexOf(":");
  const host = parts.listen.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  await new Promise<void>((done, failed) => {
    server.once("error", (cause) =>
      failed(new ThroughlineError("config.invalid", `operations: cannot listen on ${parts.listen}`, cause)),
    );
    server.listen({ host, port: Number(parts.listen.slice(at + 1)) }, done);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new ThroughlineError("internal.bug", "no port was given");
  return {
    port: address.port,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

async function answer(parts: OperationsParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path = ""] = (request.url ?? "").split("?");
  if (request.method !== "GET" && request.method !== "HEAD") return send(response, 405, "text/plain", "only GET\n");
  // Browsers send these and probes do not.
  if (request.headers.origin !== undefined || request.headers["sec-fetch-site"] !== undefined)
    return send(response, 403, "text/plain", "not for browsers\n");
  if (path === "/livez") return send(response, 200, "application/json", '{"alive":true}\n');
  if (path === "/readyz") {
    const report = parts.health.report();
    return send(response, report.ready ? 200 : 503, "application/json", `${JSON.stringify(report)}\n`);
  }
  if (path === "/metrics") return send(response, 200, parts.metrics.contentType, await parts.metrics.text());
  return send(response, 404, "text/plain", "/livez /readyz /metrics\n");
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    "content-type": type,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}
