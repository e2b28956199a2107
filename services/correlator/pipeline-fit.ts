/** Whether a command is what a step of a declared pipeline says, and if not, in which words (DETECTION §2.9). */
import { containersOf } from "../../infra/catalog.ts";
import { touches } from "../../infra/rules/field.ts";
import type { Pipeline, PipelineStep } from "../../infra/rules/pipeline.ts";
import { ranAs } from "./ran.ts";
import type { Step } from "./step.ts";

const namedMax = 3;

/** @returns what differs, as the rest of a sentence that begins with the account; null when nothing does */
export function misfit(pipeline: Pipeline, declared: PipelineStep, step: Step): string | null {
  const { identity = "", account = "", onbehalfof = "" } = step.subject;
  if (step.opaque) return "ran something that cannot be read";
  if (account !== declared.account) return `ran it, declared ${declared.account}`;
  if (!declared.identities.has(identity)) return `was used by ${identity}, declared ${list(declared.identities)}`;
  if (onbehalfof !== "") return `acted on behalf of ${onbehalfof}, declared by itself`;
  const { address, fingerprint, role = declared.role } = ranAs(step);
  if (!pipeline.isFrom(address))
    return `came from ${address || "nowhere known"}, declared ${list(pipeline.text.addresses)}`;
  if (role !== declared.role) return `ran as role ${role}, declared ${declared.role}`;
  for (const { effect, withdrawn } of step.effects) {
    if (withdrawn) continue;
    if (!declared.operations.has(effect.operation))
      return `did ${effect.operation}, declared ${list(declared.operations)}`;
    const other = outside(effect.reads, declared.reads);
    if (other !== null) return `read ${other}, declared ${list(declared.reads) || "none"}`;
    const written = outside(effect.writes, declared.writes);
    if (written !== null) return `wrote ${written}, declared ${list(declared.writes) || "none"}`;
    if (effect.destroys && !declared.destroys) return "destroyed what it wrote to, declared not to";
  }
  if (!declared.fingerprints.has(fingerprint))
    return `ran statement ${fingerprint || "unknown"}, declared ${list(declared.fingerprints)}`;
  return null;
}

/** What became of it, where that is known. @returns what differs; null when nothing does, or it still runs */
export function overrun({ rowsMax }: PipelineStep, step: Step): string | null {
  const { rows } = ranAs(step);
  if (rows === "running") return null;
  if (rows === "unknown") return "was lost sight of, so nobody knows how many rows it had";
  return rows > rowsMax ? `had ${rows} rows, declared at most ${rowsMax}` : null;
}

/** Looking at what nobody marked is nothing that a pipeline must declare. */
export function isHarmless({ opaque, effects }: Step): boolean {
  return (
    !opaque &&
    effects.every(({ effect, withdrawn, tags }) => withdrawn || (effect.operation === "read" && tags.length === 0))
  );
}

/** What it did, for a sentence. */
export function deed({ effects, opaque }: Step): string {
  if (opaque) return "something that cannot be read";
  const live = effects.filter(({ withdrawn }) => !withdrawn).map(({ effect }) => effect);
  const operations = [...new Set(live.map(({ operation }) => operation))];
  return `${operations.join(" and ")} on ${list(new Set(live.flatMap((effect) => touches(effect))))}`;
}

function outside(names: readonly string[], declared: readonly string[]): string | null {
  return names.find((name) => !declared.some((outer) => isInside(lasting(name), outer))) ?? null;
}

function isInside(name: string, outer: string): boolean {
  return name === outer || containersOf(name).includes(outer);
}

/** A temporary table is called by its session too: `orders/pg_temp.t@<session>#c`. */
function lasting(name: string): string {
  if (!/^[^/]*\/pg_temp\./.test(name)) return name;
  return name.replace(/@[^@#]*(#.*)?$/, "$1");
}

function list(names: Iterable<string>): string {
  const all = [...names];
  const rest = all.length > namedMax ? ` and ${all.length - namedMax} more` : "";
  return `${all.slice(0, namedMax).join(", ")}${rest}`;
}
