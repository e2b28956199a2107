/**
 * How policy, catalog and rules stand in the log when they are larger than one record: packed, in `policy.part` records of one
 * source right before the `policy.changed` that puts them in force. Whoever folds the log puts them together again; a set that
 * is not whole, or unpacks to something else, is no policy, and what was in force stays.
 */
import { createHash } from "node:crypto";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { limits } from "../../schemas/limits.ts";
import type { Entry } from "../log/entry.ts";
import type { Appender, Ticket } from "../log/log.ts";

export type PolicyChange = EventData["policy.changed"];

/** As it was proposed; `files` is null where parts are missing or damaged. */
export interface WholePolicy {
  readonly digest: string;
  readonly engine: string;
  readonly files: Record<string, string> | null;
}

/** By what they hold: a digest is only what somebody says. */
export function isSame(one: Content, other: Content): boolean {
  return one.digest === other.digest && JSON.stringify(one.files) === JSON.stringify(other.files);
}

type Content = { readonly digest: string; readonly files: Readonly<Record<string, string>> | null };

/** Files that fit into a record beside its envelope go as they are. */
const inlineBytesMax = 40 * 1024;
/** Of base64 in one part. */
const partLettersMax = 48 * 1024;

/** Puts a policy into the log. @returns the ticket of `policy.changed` @throws ThroughlineError `policy.too_large`, `log.full` */
export function sayPolicy(appender: Pick<Appender, "append">, change: PolicyChange): Ticket {
  const { digest, engine, files } = change;
  const text = JSON.stringify(files);
  if (Buffer.byteLength(text) <= inlineBytesMax)
    return appender.append({ type: "policy.changed", subject: {}, data: { digest, engine, files } });
  expectFits(files);
  const packed = pack(text);
  const parts = Math.ceil(packed.length / partLettersMax);
  for (let part = 0; part < parts; part += 1) {
    const letters = packed.slice(part * partLettersMax, (part + 1) * partLettersMax);
    appender.append({ type: "policy.part", subject: {}, data: { digest, part, letters } });
  }
  const whole = createHash("sha256").update(text).digest("hex");
  return appender.append({ type: "policy.changed", subject: {}, data: { digest, engine, files: {}, parts, whole } });
}

/** @throws ThroughlineError `policy.too_large` when the log would not take them */
export function expectFits(files: Readonly<Record<string, string>>): void {
  const bytes = Object.values(files).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes <= limits.policyBytesMax) return;
  const kib = (count: number) => `${Math.ceil(count / 1024)} KiB`;
  throw new ThroughlineError(
    "policy.too_large",
    `policy, catalog and rules have ${kib(bytes)}; the log takes ${kib(limits.policyBytesMax)}`,
  );
}

function pack(text: string): string {
  return brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }).toString("base64");
}

interface Parts {
  readonly digest: string;
  readonly letters: string[];
}

export type KeptPolicyParts = readonly (readonly [source: string, digest: string, letters: readonly string[]])[];

/** Puts parts together again, each source's own. */
export class PolicyParts {
  readonly #open = new Map<string, Parts>();

  /** For every record in order. @returns the policy that this record puts in force; null for every other record */
  take(entry: Entry): WholePolicy | null {
    if (entry.type === "policy.part") this.#keep(entry.source, entry.data);
    if (entry.type !== "policy.changed") return null;
    const { digest, engine, files, parts, whole } = entry.data;
    if (parts === undefined) return { digest, engine, files };
    const kept = this.#open.get(entry.source);
    this.#open.delete(entry.source);
    const isWhole = kept?.digest === digest && kept.letters.length === parts;
    return { digest, engine, files: isWhole ? unpacked(kept.letters.join(""), whole ?? "") : null };
  }

  #keep(source: string, { digest, part, letters }: EventData["policy.part"]): void {
    const kept = this.#open.get(source);
    if (part === 0) this.#open.set(source, { digest, letters: [letters] });
    else if (kept?.digest === digest && kept.letters.length === part && part < limits.policyPartsMax)
      kept.letters.push(letters);
    else this.#open.delete(source);
  }

  kept(): KeptPolicyParts {
    return [...this.#open].map(([source, { digest, letters }]) => [source, digest, [...letters]] as const);
  }

  restore(kept: KeptPolicyParts): void {
    for (const [source, digest, letters] of kept) this.#open.set(source, { digest, letters: [...letters] });
  }
}

/** @returns null for bytes that are not what was said: they are another's, and what does not unpack is no policy */
function unpacked(letters: string, whole: string): Record<string, string> | null {
  try {
    const text = brotliDecompressSync(Buffer.from(letters, "base64"), { maxOutputLength: 2 * limits.policyBytesMax });
    if (createHash("sha256").update(text).digest("hex") !== whole) return null;
    const files: unknown = JSON.parse(text.toString());
    return isFiles(files) ? files : null;
  } catch {
    return null;
  }
}

function isFiles(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null && Object.values(value).every((text) => typeof text === "string");
}
