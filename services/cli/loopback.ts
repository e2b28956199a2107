/**
 * The address on this machine to which the identity provider sends the browser back (RFC 8252 §7.3): 127.0.0.1, a port
 * of the kernel's choice, one answer, then closed. It keeps nothing and judges nothing: state and code are checked by
 * the flow that made them.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { failed } from "./failure.ts";

export interface Loopback {
  readonly redirectUri: string;
  /** Resolves with the address the browser came to; rejects `login.expired` after the wait. */
  readonly arrived: Promise<URL>;
  close(): void;
}

const page = `<!doctype html><meta charset="utf-8"><title>Throughline</title>
<p>You are logged in. Close this tab and go back to the terminal.</p>`;

/** @param signal Ctrl-C: nobody waits for the browser any more */
export async function listenLoopback(waitMsMax: number, signal: AbortSignal): Promise<Loopback> {
  const arrival = Promise.withResolvers<URL>();
  const server = createServer((request, response) => answer(request, response, origin(), arrival.resolve));
  const origin = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const timer = setTimeout(
    () =>
      arrival.reject(
        failed(
          "login.expired",
          "Nobody finished the login in the browser.",
          "Run `throughline login` again, or use --device.",
        ),
      ),
    waitMsMax,
  );
  const interrupt = (): void => arrival.reject(failed("login.expired", "The login was interrupted."));
  signal.addEventListener("abort", interrupt);
  // A login that failed elsewhere leaves nobody to hear of the time-out.
  arrival.promise.catch(() => undefined);
  return {
    redirectUri: `${origin()}/callback`,
    arrived: arrival.promise,
    close() {
      clearTimeout(timer);
      signal.removeEventListener("abort", interrupt);
      server.close();
      server.closeAllConnections();
    },
  };
}

function answer(request: IncomingMessage, response: ServerResponse, origin: string, arrived: (url: URL) => void): void {
  const url = new URL(request.url ?? "/", origin);
  if (request.method !== "GET" || url.pathname !== "/callback" || request.headers.host !== new URL(origin).host) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    "content-type": "text/html; charset=utf-8",
    connection: "close",
    "content-security-policy": "default-src 'none'",
  });
  response.end(page, () => arrived(url));
}
