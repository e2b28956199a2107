/**
 * Naive designs: the product with one promise's keeper taken out, in a copy. `make chaos ARGS=--naive` runs each for a while
 * and demands that the judge sees it. What no kill can break is not promised by this run.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Findings } from "./judge.ts";

export interface Naive {
  readonly name: string;
  readonly what: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Under which of these the judge must find it. */
  readonly seen: readonly (keyof Omit<Findings, "chains">)[];
}

export const naives: readonly Naive[] = [
  {
    name: "local",
    what: "a gateway that answers when its own disk has the record",
    file: "services/gateway/awaited.ts",
    from: "const isReached = () => shared.hasAcknowledged(sequence) && (known === null || known());",
    to: "const isReached = () => known === null || known();",
    seen: ["unrecorded"],
  },
  {
    name: "early",
    what: "a gateway that answers before any disk has the record",
    file: "services/gateway/postgres/withhold.ts",
    from: "if (!this.#parts.isDurable(piece.ticket)) break;",
    to: "",
    seen: ["unrecorded"],
  },
  {
    name: "hopeful",
    what: "a gateway that lets through what no correlator answers in time",
    file: "services/gateway/chain.ts",
    from: "resolve(strictest(sofar, unavailable(parts)));",
    to: "resolve(sofar);",
    seen: ["unapproved"],
  },
  {
    name: "careless",
    what: "a gateway that uses an approval without asking whether another one has",
    file: "services/gateway/approve.ts",
    from: "return settled() ?? confirmed(parts, asked.id, settled);",
    to: "return used(question, sofar, asked);",
    seen: ["unapproved"],
  },
  {
    name: "untold",
    what: "a COMMIT that does not wait until other gateways know what is tagged by it",
    file: "services/gateway/awaited.ts",
    from: "const isReached = () => shared.hasAcknowledged(sequence) && (known === null || known());",
    to: "const isReached = () => shared.hasAcknowledged(sequence);",
    seen: ["besides", "unrecorded"],
  },
  {
    name: "forgetful",
    what: "a shipper that goes on when the brokers did not take something",
    file: "infra/log/shipper.ts",
    from: "if (this.#failingSince === null) this.#failed(since, error);",
    to: "if (this.#failingSince === null) this.#failed(since, error); break;",
    seen: ["lost", "gaps", "unrecorded"],
  },
  {
    name: "twice",
    what: "a reader that takes what is sent again for new",
    file: "infra/log/pack-reader.ts",
    from: "const had = options.has(source);",
    to: "const had = Math.min(options.has(source), pack.first - 1);",
    seen: ["duplicates", "besides", "unapproved"],
  },
];

export interface Copy {
  /** `services/main.ts` of the copy. */
  readonly main: string;
  remove(): void;
}

const root = join(import.meta.dirname, "..", "..");

/** @throws Error when the product no longer has the line that would be broken */
export function naiveCopy({ name, file, from, to }: Naive): Copy {
  const folder = mkdtempSync(join(tmpdir(), `throughline-naive-${name}-`));
  for (const part of ["schemas", "infra", "services", "package.json"])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const text = readFileSync(join(folder, file), "utf8");
  if (text.split(from).length !== 2) throw new Error(`${file} does not have once what "${name}" breaks: ${from}`);
  writeFileSync(
    join(folder, file),
    text.replace(from, () => to),
  );
  return { main: join(folder, "services", "main.ts"), remove: () => rmSync(folder, { recursive: true, force: true }) };
}
