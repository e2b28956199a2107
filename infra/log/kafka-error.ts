/** Reading what kafkajs throws: errors in errors, some with the name that the protocol gives them. */

/** The error, what caused it, and the parts of a collection, outermost first. */
function* causes(error: unknown): Generator<{ name?: string; type?: string; code?: string; message?: string }> {
  if (typeof error !== "object" || error === null) return;
  yield error;
  const { cause, errors, originalError } = error as { cause?: unknown; errors?: unknown[]; originalError?: unknown };
  for (const inner of [cause, originalError, ...(errors ?? [])]) if (inner !== error) yield* causes(inner);
}

/** One sentence for people: the innermost cause. */
export function reasonOf(error: unknown): string {
  return [...causes(error)].findLast(({ message }) => message)?.message ?? String(error);
}

const refusals = new Set([
  "TOPIC_AUTHORIZATION_FAILED",
  "CLUSTER_AUTHORIZATION_FAILED",
  "INVALID_TOPIC_EXCEPTION",
  "INVALID_PARTITIONS",
  "INVALID_REPLICATION_FACTOR",
  "INVALID_CONFIG",
  "POLICY_VIOLATION",
]);
const certificateCode = /CERT|SIGNATURE|ERR_TLS|ERR_SSL/;

/** What waiting does not mend. */
export function isRefusal(error: unknown): boolean {
  return [...causes(error)].some(
    ({ name, type, code }) =>
      name === "KafkaJSSASLAuthenticationError" || refusals.has(type ?? "") || certificateCode.test(String(code ?? "")),
  );
}

/** The connection is sound; the topic may come. */
export function isMissingTopic(error: unknown): boolean {
  return [...causes(error)].some(({ type }) => type === "UNKNOWN_TOPIC_OR_PARTITION");
}
