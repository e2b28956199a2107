/**
 * First stage: what policy says. A command is one request per effect and resource; the strictest answer wins.
 *
 * Sources need `read`, sinks what is done to them; tagged columns that are shown need `reveal` or are masked, tagged
 * columns whose values could be learnt otherwise need `reveal` or the command is refused. Columns without a tag ask as
 * their table, so a policy that names one untagged column is not seen here: tag it.
 *
 * A command that could not be read is everything its account could do: it must be permitted what its effects say, and
 * every forbid on anything it might do counts. On top, the target's `opaque` says allow, hold or block; the reveal of
 * what it reads cannot be judged, so `allow` shows what the account can read.
 */
import type { Policy, PolicyAction, PolicyAnswer, PolicyContext } from "../../infra/policy/policy.ts";
import { type Effect, operations, type Reading, type ResourceUri } from "../../schemas/command.ts";
import { allowed, type HoldTerms, type Verdict } from "../../schemas/verdict.ts";
import { masksOf, reveals } from "./mask.ts";
import { strictest } from "./question.ts";
import type { Session } from "./session.ts";

export interface DenyParts {
  readonly policy: Policy;
  readonly tagsOf: (resource: string) => readonly string[];
  readonly opaque: "allow" | "hold" | "block";
  /** Groups that answer holds of commands that cannot be read. */
  readonly approvers: readonly string[];
  readonly approvalMs: number;
  /** Whether the session's account can read anything tagged. */
  readonly canReadTagged: (session: Session) => boolean;
}

/** @param minute whole minutes since the epoch */
export function deny(parts: DenyParts, session: Session, reading: Reading, minute: number): Verdict {
  // Its effects were judged one by one when they ran; COMMIT is asked of blocks and chains.
  if (reading.transaction.kind === "commit" && reading.opaque === null) return allowed;
  const context = contextOf(session, minute, reading.opaque !== null);
  const ask = (action: PolicyAction, resource: string, tags: readonly string[]) =>
    parts.policy.ask(session.grant.identity, action, resource, tags, context);
  let verdict: Verdict = allowed;
  for (const { action, resource, tags, required } of requests(reading, session.grant.target, parts.tagsOf)) {
    const answer = ask(action, resource, tags);
    const unpermitted = answer.ruling === "block" && answer.because.length === 0;
    if (required || !unpermitted) verdict = strictest(verdict, verdictOf(answer, parts));
  }
  if (reading.opaque !== null) return strictest(verdict, opaqueVerdict(parts, session, reading.opaque));
  return strictest(verdict, revealing(parts, session, reading, context));
}

export function contextOf(session: Session, minute: number, opaque: boolean): PolicyContext {
  const { account, task } = session.grant;
  return { account, task: task.id, minute, clientAddress: session.clientAddress, approvals: [], opaque };
}

interface Request {
  readonly action: PolicyAction;
  readonly resource: string;
  readonly tags: readonly string[];
  /** False: nothing need permit it, but a forbid counts. */
  readonly required: boolean;
}

function requests(reading: Reading, target: string, tagsOf: DenyParts["tagsOf"]): Iterable<Request> {
  const all = new Map<string, Request>();
  const add = (action: PolicyAction, resources: readonly string[], required = true) => {
    for (const uri of resources) {
      const tags = tagsOf(uri);
      const column = uri.indexOf("#");
      const resource = tags.length === 0 && column !== -1 ? uri.slice(0, column) : uri;
      const key = `${action} ${tags.length === 0 ? "" : "tagged "}${resource}`;
      if (required || !all.has(key)) all.set(key, { action, resource, tags, required });
    }
  };
  for (const effect of reading.effects) addEffect(effect, target, add);
  add(
    "read",
    [...reading.shows, ...reading.reveals].filter((uri) => tagsOf(uri).length > 0),
  );
  if (reading.opaque !== null)
    for (const operation of operations) if (operation !== "connect") add(operation, [target], false);
  return all.values();
}

function addEffect(
  effect: Effect,
  target: string,
  add: (action: PolicyAction, resources: readonly string[], required?: boolean) => void,
): void {
  const { operation, reads, writes, flows } = effect;
  add("read", reads);
  if (operation === "read") return;
  if (flows)
    add(
      "read",
      flows.map(([from]) => from).filter((from) => !writes.includes(from)),
    );
  const sinks: readonly string[] = writes.length > 0 ? writes : reads.length > 0 ? reads : [target];
  if (operation === "transform") {
    add("write", sinks);
    add("transform", sinks, false);
  } else add(operation, sinks);
}

function revealing(parts: DenyParts, session: Session, reading: Reading, context: PolicyContext): Verdict {
  const ask = (resources: readonly ResourceUri[]) =>
    reveals(parts.policy, session.grant.identity, resources, parts.tagsOf, context);
  const masks = masksOf(ask(reading.shows));
  const verdict: Verdict = masks.length === 0 ? allowed : { ...allowed, ruling: "mask", stage: "deny", masks };
  return ask(reading.reveals).reduce((sofar, { resource, answer }) => {
    if (answer.ruling !== "block") return strictest(sofar, verdictOf(answer, parts));
    const sentence = `${resource} may not be seen by ${session.grant.identity.name} and cannot be masked here.`;
    return strictest(sofar, { ...verdictOf(answer, parts), because: [...answer.because, "reveal"], sentence });
  }, verdict);
}

function opaqueVerdict(parts: DenyParts, session: Session, why: string): Verdict {
  const opaque: Verdict = { ...allowed, stage: "deny", because: ["opaque"] };
  if (parts.opaque === "block")
    return { ...opaque, ruling: "block", sentence: `This command cannot be read (${why}), and is refused here.` };
  if (parts.opaque === "allow" || !parts.canReadTagged(session)) return allowed;
  const needs = [{ approvers: parts.approvers, humans: 1 }];
  const sentence = `This command cannot be read (${why}), and its account can read tagged data.`;
  return { ...opaque, ruling: "hold", sentence, hold: terms(needs, parts.approvalMs) };
}

function verdictOf(answer: PolicyAnswer, parts: DenyParts): Verdict {
  const observed = answer.observed.length > 0 ? { observed: answer.observed } : {};
  if (answer.ruling === "allow") return answer.observed.length > 0 ? { ...allowed, ...observed } : allowed;
  const because = answer.because.length > 0 ? answer.because : ["policy.unpermitted"];
  const verdict: Verdict = {
    ...allowed,
    ruling: answer.ruling,
    stage: "deny",
    because,
    sentence: answer.sentence,
    ...observed,
  };
  return answer.ruling === "hold" ? { ...verdict, hold: terms(answer.needs, parts.approvalMs) } : verdict;
}

function terms(needs: HoldTerms["needs"], waitMs: number): HoldTerms {
  const approvers = [...new Set(needs.flatMap((need) => need.approvers))];
  const humans = needs.reduce((sum, need) => sum + need.humans, 0);
  return { approvers, humans, needs, waitMs, escalate: [], excluded: [] };
}
