/**
 * Which events a rule is about. Live there are Throughline's own commands and approvals and nothing else: a rule about another
 * log could never match, and is refused. Offline (`throughline rules run`) a rule is asked about every event, unless the event itself
 * says what it is by fields `product`, `category`, `service`: then they must agree. A line with an operation is a command.
 */
import type { DetectionFile } from "../../schemas/rule.ts";
import type { About, Logs } from "./detection.ts";
import { joined, type Predicate } from "./predicate.ts";
import type { Category } from "./rule-set.ts";
import type { Source } from "./source.ts";

const parts = ["product", "category", "service"] as const;
const ours = { product: "throughline", category: "command" } as const;

/** What a live rule is about; what asks for an approval and what answers it are events of their own. */
export function categoryOf({ logsource }: DetectionFile): Category {
  return logsource.category === "approval" ? "approval" : "command";
}

/** @returns what must hold beside the detection; null = nothing; @throws ThroughlineError `rule.unsupported` */
export function readLogsource(document: Source, { logsource }: DetectionFile, logs: Logs): About | null {
  const isOurs =
    (logsource.product ?? ours.product) === ours.product &&
    ["approval", ours.category].includes(logsource.category ?? ours.category) &&
    logsource.service === undefined;
  if (logs === "commands") {
    if (!isOurs)
      throw document.wrong(
        ["logsource"],
        "only { product: throughline, category: command } (or approval) is seen live; write that and map the fields (schemas/FIELDS.md), or use throughline rules run",
        "rule.unsupported",
      );
    return null;
  }
  const agree = parts.flatMap((part): Predicate[] => {
    const wanted = logsource[part];
    return wanted === undefined
      ? []
      : [{ kind: "or", of: [says(part, wanted), { kind: "field", field: part, match: { how: "null" } }] }];
  });
  if (agree.length === 0) return null;
  const whole = joined("and", agree);
  if (!isOurs) return { must: whole, fields: parts };
  const isCommand: Predicate = { kind: "field", field: "operation", match: { how: "exists" } };
  // As it is live: no command is an approval.
  if (logsource.category === "approval")
    return { must: { kind: "and", of: [{ kind: "not", of: isCommand }, whole] }, fields: parts };
  // Of an event that has an operation the answer is yes, so that what it says of itself does not matter.
  return { must: { kind: "or", of: [isCommand, whole] }, fields: [] };
}

function says(field: string, text: string): Predicate {
  return { kind: "field", field, match: { how: "text", pieces: [{ text }], cased: false } };
}
