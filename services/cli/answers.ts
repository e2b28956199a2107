/** The human side of a held command: who decides, what comes of silence, who answered, who may not. */
import type { ApprovalInfo } from "../../schemas/api.ts";
import { ifNobodyWords, whoMayWords } from "../../schemas/held-words.ts";
import { localTime } from "./paint.ts";

export function answerFacts(detail: ApprovalInfo): [string, string][] {
  const { state, answers, refusedAttempts, excluded } = detail;
  return [
    ["who decides", state === "open" ? whoMayWords(detail) : ""],
    ["otherwise", state === "open" ? ifNobodyWords(detail, localTime(detail.expiresAtMs)) : ""],
    ...answers.map((a): [string, string] => [`${a.answer}d`, `${localTime(a.atMs)} by ${a.by.name}: ${a.reason}`]),
    ...refusedAttempts.map((a): [string, string] => ["turned away", `${localTime(a.atMs)} ${a.by.name}: ${a.reason}`]),
    ...excluded.map((e): [string, string] => ["may not answer", `${e.name}: ${e.why}`]),
  ];
}
