/** A held command and its steps in words, the same in the console and on the command line. */
import type { ApprovalInfo, ChainInfo } from "./api.ts";
import type { ChainStep } from "./chain.ts";
import type { Operation } from "./command.ts";

const deeds: Readonly<Record<Operation, readonly [did: string, would: string]>> = {
  read: ["read", "read"],
  write: ["wrote to", "write to"],
  transform: ["copied data between", "copy data between"],
  delete: ["deleted from", "delete from"],
  define: ["redefined", "redefine"],
  grant: ["changed permissions on", "change permissions on"],
  execute: ["ran", "run"],
  transfer: ["exported", "export"],
  connect: ["connected to", "connect to"],
};

/** What a step did, or would do, before the names of what it touches: `deleted from`, `would delete from`. */
export function deedWords({ operations, resources }: ChainStep, ran: boolean): string {
  const words = operations.map((operation) =>
    // Of a copy whose other end is not known, only one place stands beside it.
    operation === "transform" && resources.length < 2 ? (ran ? "copied" : "copy") : deeds[operation][ran ? 0 : 1],
  );
  const did = words.length === 0 ? (ran ? "ran something on" : "run something on") : words.join(" and ");
  return ran ? did : `would ${did}`;
}

export const chainStateWords: Readonly<Record<ChainInfo["state"], string>> = {
  held: "The last command waits for a human. It has not reached the target.",
  approved: "A human approved the last command; it ran.",
  refused: "A human refused the last command; it never reached the target.",
  expired: "Nobody answered in time; the last command never reached the target.",
  blocked: "The rule refused the last command; it never reached the target.",
  observed: "The rule only observes: nothing was stopped.",
};

/** Who answers: `One of data-owners must approve: …`. All needs must be met, and one human fills one place. */
export function whoMayWords(approval: Pick<ApprovalInfo, "needs" | "approvers" | "humans">): string {
  const needs = (approval.needs ?? [approval]).map(needWords).join(", and ");
  return `${needs.slice(0, 1).toUpperCase()}${needs.slice(1)} must approve: people who took no part in it and are linked to nobody who did.`;
}

const numbers = ["", "one", "two", "three", "four", "five"];

const needWords = ({ humans, approvers }: { readonly humans: number; readonly approvers: readonly string[] }): string =>
  `${numbers[humans] ?? humans} of ${approvers.join(" or ")}`;

/** What comes of a hold without an answer, and who steps in where nobody is left to answer. @param until in the reader's own time */
export function ifNobodyWords(approval: ApprovalInfo, until: string): string {
  const { needs = [], approvers, escalate, by } = approval;
  const groups = new Set([...needs.flatMap((need) => need.approvers), ...approvers]);
  const others = escalate.filter((group) => !groups.has(group));
  const further =
    others.length === 0
      ? ""
      : ` Only where everybody in ${[...groups].join(", ")} took part does it go to ${others.join(", ")}.`;
  return `If nobody answers by ${until}, it never runs; ${by.name} may ask again.${further}`;
}
