/**
 * One signed message to a receiver, as Standard Webhooks 1.0 has it: the id stays the same however often it is sent, so
 * that the receiver can drop what it has. The one file that imports standardwebhooks.
 *
 * Follows no redirect, waits a few seconds, sends no secret. It cannot see what the receiver does with it.
 */
import { readFile } from "node:fs/promises";
import { Webhook } from "standardwebhooks";
import { ThroughlineError } from "../../schemas/errors.ts";

export interface WebhookReceiver {
  /** As the configuration calls it. */
  readonly name: string;
  readonly url: string;
  /** `whsec_` and base64. */
  readonly secret: string;
}

export interface WebhookMessage {
  readonly id: string;
  readonly type: string;
  /** When it happened. */
  readonly atMs: number;
  readonly data: unknown;
}

const answerMsMax = 5_000;

/** @throws ThroughlineError `config.unreadable`, `config.invalid` */
export async function readReceiver(name: string, url: string, secretFile: string): Promise<WebhookReceiver> {
  const text = await readFile(secretFile, "utf8").catch((cause: unknown) => {
    throw new ThroughlineError("config.unreadable", `${secretFile} cannot be read`, cause);
  });
  const secret = text.trim();
  if (!/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(secret))
    throw new ThroughlineError(
      "config.invalid",
      `${secretFile} does not hold a secret: whsec_ and 24 or more bytes in base64`,
    );
  return { name, url, secret };
}

/**
 * @param nowMs of this try: receivers refuse old signatures, so each try has its own
 * @throws ThroughlineError `alert.undelivered` when the receiver does not take it
 */
export async function sendWebhook(
  { url, secret }: WebhookReceiver,
  message: WebhookMessage,
  nowMs: number,
): Promise<void> {
  const at = new Date(nowMs);
  const timestamp = new Date(message.atMs).toISOString();
  const body = JSON.stringify({ type: message.type, timestamp, data: message.data });
  const headers = {
    "content-type": "application/json",
    "webhook-id": message.id,
    "webhook-timestamp": String(Math.floor(nowMs / 1_000)),
    "webhook-signature": new Webhook(secret).sign(message.id, at, body),
  };
  const signal = AbortSignal.timeout(answerMsMax);
  const answer = await fetch(url, { method: "POST", headers, body, redirect: "manual", signal }).catch(
    (cause: unknown) => {
      throw new ThroughlineError("alert.undelivered", "The receiver of alerts does not answer", cause);
    },
  );
  await answer.body?.cancel();
  if (!answer.ok) throw new ThroughlineError("alert.undelivered", `The receiver of alerts answered ${answer.status}`);
}
