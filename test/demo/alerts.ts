/** A receiver of Standard Webhooks messages, as a SOC would run it: keeps what is signed rightly, refuses the rest. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

export interface Alerts {
  /** Bodies whose signature was right, in order of arrival. */
  readonly received: readonly Record<string, unknown>[];
  readonly refused: number;
  close(): Promise<void>;
}

export async function receiveAlerts(port: number, secret: string): Promise<Alerts> {
  const received: Record<string, unknown>[] = [];
  const state = { received, refused: 0, close: () => new Promise<void>((done) => listener.close(() => done())) };
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const listener = createServer((request, answer) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      const { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": signatures } = request.headers;
      const wanted = Buffer.from(createHmac("sha256", key).update(`${id}.${at}.${body}`).digest("base64"));
      const signed = String(signatures ?? "")
        .split(" ")
        .some((one) => {
          const given = Buffer.from(one.replace(/^v1,/, ""));
          return given.length === wanted.length && timingSafeEqual(given, wanted);
        });
      if (signed) received.push(JSON.parse(body) as Record<string, unknown>);
      else state.refused += 1;
      answer.writeHead(signed ? 204 : 401).end();
    });
  });
  await new Promise<void>((done) => listener.listen(port, "127.0.0.1", done));
  return state;
}
