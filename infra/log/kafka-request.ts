/** How the messages of one send are spread over requests to the brokers. */
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Outbound } from "./bus.ts";
import { messageBytesMax } from "./kafka-topic.ts";

/** Of one request; the rest goes with the next. */
const requestBytesMax = 1024 * 1024;

export type TopicMessages = { topic: string; messages: { partition: number; key: string; value: Buffer }[] }[];

/** In order, at most `requestBytesMax` each unless one message is larger. */
export function requestsOf(messages: readonly Outbound[]): TopicMessages[] {
  const requests: TopicMessages[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const { topic, partition, key, value } of messages) {
    if (value.length > messageBytesMax)
      throw new ThroughlineError("frame.too_large", `a message of ${value.length} bytes is over ${messageBytesMax}`);
    if (bytes + value.length > requestBytesMax) {
      requests.push([]);
      bytes = 0;
    }
    bytes += value.length;
    const request = requests.at(-1)!;
    let place = request.find((other) => other.topic === topic);
    if (place === undefined) {
      place = { topic, messages: [] };
      request.push(place);
    }
    place.messages.push({ partition, key, value: Buffer.from(value.buffer, value.byteOffset, value.byteLength) });
  }
  return requests;
}
