/** What a pipeline asks of a command besides its effects: of a plain event (DETECTION §7) these are fields by the same names. */
import { unknown } from "../../infra/rules/field.ts";
import type { Step } from "./step.ts";

export interface Ran {
  /** Empty where nobody knows. */
  readonly address: string;
  readonly fingerprint: string;
  /** Absent: the account's own. */
  readonly role?: string;
  readonly rows: number | "running" | "unknown";
}

export function ranAs(step: Step): Ran {
  const { subject, details, late } = step;
  if (details === null) return ranPlainly(step);
  const { fingerprint = "", role = undefined } = details === unknown ? {} : details;
  const rows = late === null ? "running" : late.outcome === "unknown" ? "unknown" : late.rows;
  return { address: subject.clientaddress ?? "", fingerprint, ...(role === undefined ? {} : { role }), rows };
}

/** It is over when it is read. */
function ranPlainly({ subject, more }: Step): Ran {
  const text = (field: string) => (typeof more?.[field] === "string" ? more[field] : undefined);
  const [rows, role] = [more?.rows, text("role")];
  return {
    address: subject.clientaddress ?? text("address") ?? "",
    fingerprint: text("fingerprint") ?? "",
    ...(role === undefined ? {} : { role }),
    rows: typeof rows === "number" && more?.outcome !== "unknown" ? rows : "unknown",
  };
}
