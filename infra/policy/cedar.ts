/**
 * The only file that knows Cedar. Loads `policy.cedar`, validates it against schemas/policy.cedarschema, and answers
 * requests: validated too, kept by what they depend on.
 *
 * Cedar skips a policy whose evaluation errs, so a `forbid` over a missing attribute would fail open. Therefore every
 * warning of the validator is an error here, and any error while evaluating is a block. It cannot see whether a policy
 * is wise: a `permit (principal, action, resource);` is obeyed.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  type AuthorizationAnswer,
  type DetailedError,
  policySetTextToParts,
  policyToJson,
  preparsePolicySet,
  preparseSchema,
  statefulIsAuthorized,
  validate,
} from "@cedar-policy/cedar-wasm/nodejs";
import { ThroughlineError } from "../../schemas/errors.ts";
import { type Annotated, annotated } from "./annotations.ts";
import { answerFrom, type Decided } from "./answer.ts";
import type { Policy, PolicyAnswer } from "./policy.ts";
import { type CedarRequest, requestOf } from "./request.ts";
import { contextUses, keyOf } from "./uses.ts";

const schemaFile = new URL("../../schemas/policy.cedarschema", import.meta.url);
/** Distinct requests whose answer is kept; a client's SQL could otherwise grow it without end. */
const answersKeptMax = 50_000;

export interface PolicySource {
  readonly text: string;
  /** For messages. */
  readonly file: string;
  /** Catalog.version: approvals are void when tags change as when policies do. */
  readonly catalog: string;
}

interface Loaded extends Annotated {
  readonly text: string;
  readonly json: unknown;
}

/** @throws ThroughlineError `policy.invalid`, one line per finding with `file:line` */
export function loadPolicy(source: PolicySource): Policy {
  const schema = readFileSync(schemaFile, "utf8");
  const loaded = parse(source);
  const errors = validateText(source, schema);
  if (errors.length > 0) throw invalid(errors);
  const version = createHash("sha256")
    .update(JSON.stringify([source.text, schema, source.catalog]))
    .digest("hex");
  expectParsed(preparseSchema(version, schema));
  const enforced = prepare(`${version}/enforced`, version, loaded, false);
  const all = loaded.some((policy) => policy.observed) ? prepare(`${version}/all`, version, loaded, true) : null;
  const uses = contextUses(loaded.map((policy) => policy.json));
  const terms = new Map(loaded.map((policy) => [policy.id, policy]));
  const kept = new Map<string, PolicyAnswer>();
  const usesTime = uses.has("time");
  return {
    version,
    usesTime,
    ask(identity, action, resource, tags, context) {
      const key = keyOf(uses, identity, action, resource, tags, context);
      let answer = kept.get(key);
      if (answer === undefined) {
        const decide = (set: typeof enforced) => (approvals: readonly string[]) =>
          set(requestOf(identity, action, resource, tags, { ...context, approvals }));
        const asked = { identity, action, resource, approvals: context.approvals };
        answer = answerFrom(asked, terms, decide(enforced), all === null ? null : decide(all));
        if (kept.size >= answersKeptMax) kept.clear();
        kept.set(key, answer);
      }
      return answer;
    },
  };
}

function parse(source: PolicySource): readonly Loaded[] {
  const parts = policySetTextToParts(source.text);
  if (parts.type === "failure") throw invalid(parts.errors.map((error) => located(source, error)));
  const template = parts.policy_templates[0];
  if (template !== undefined)
    throw invalid([
      `${source.file}:${lineAt(source.text, source.text.indexOf(template))}: templates are not used here`,
    ]);
  const ids = new Set<string>();
  return placed(source.text, parts.policies).map(({ text, offset }, index) => {
    const complain = (what: string) => invalid([`${source.file}:${lineAt(source.text, offset)}: ${what}`]);
    const answer = policyToJson(text);
    if (answer.type === "failure") throw complain(answer.errors[0]?.message ?? "cannot be read");
    const { json } = answer;
    const terms = annotated(json.effect, json.annotations ?? {}, `policy${index}`);
    if (typeof terms === "string") throw complain(terms);
    if (ids.has(terms.id)) throw complain(`two policies have the id ${terms.id}`);
    ids.add(terms.id);
    return { ...terms, text, json };
  });
}

/** Cedar hands the policies out sorted by `policy0, policy1, policy10, …`; their places in the file order them again. */
function placed(text: string, parts: readonly string[]): { text: string; offset: number }[] {
  const next = new Map<string, number>();
  const found = parts.map((part) => {
    const offset = text.indexOf(part, next.get(part) ?? 0);
    next.set(part, offset + part.length);
    return { text: part, offset };
  });
  return found.sort((one, other) => one.offset - other.offset);
}

function validateText(source: PolicySource, schema: string): string[] {
  const answer = validate({ schema, policies: { staticPolicies: source.text } });
  if (answer.type === "failure") return answer.errors.map((error) => located(source, error));
  return [...answer.validationErrors, ...answer.validationWarnings].map((finding) => located(source, finding.error));
}

type Decide = (request: CedarRequest) => Decided;

/** Puts a policy set into Cedar's own memory under a name, and returns the question to it. */
function prepare(name: string, schema: string, loaded: readonly Loaded[], withObserved: boolean): Decide {
  const chosen = loaded.filter((policy) => withObserved || !policy.observed);
  const staticPolicies = Object.fromEntries(chosen.map((policy) => [policy.id, policy.text]));
  expectParsed(preparsePolicySet(name, { staticPolicies }));
  return (request) =>
    decidedBy(
      statefulIsAuthorized({
        ...request,
        preparsedPolicySetId: name,
        preparsedSchemaName: schema,
        validateRequest: true,
      }),
    );
}

function decidedBy(answer: AuthorizationAnswer): Decided {
  if (answer.type === "failure") return { decision: "error", policies: [], what: answer.errors[0]?.message ?? "" };
  const { decision, diagnostics } = answer.response;
  if (diagnostics.errors.length > 0) {
    const policies = diagnostics.errors.map((error) => error.policyId);
    return { decision: "error", policies, what: diagnostics.errors[0]?.error.message ?? "" };
  }
  return { decision, policies: [...diagnostics.reason].sort(), what: "" };
}

function expectParsed(answer: { type: "success" } | { type: "failure"; errors: DetailedError[] }): void {
  if (answer.type === "failure")
    throw new ThroughlineError("internal.bug", `Cedar refuses what it validated: ${answer.errors[0]?.message ?? ""}`);
}

function invalid(lines: readonly string[]): ThroughlineError {
  return new ThroughlineError("policy.invalid", [...new Set(lines)].join("\n"));
}

function located(source: PolicySource, error: DetailedError): string {
  const start = error.sourceLocations?.[0]?.start ?? 0;
  const before = Buffer.from(source.text).subarray(0, start).toString();
  const help = error.help ? ` (${error.help})` : "";
  return `${source.file}:${lineAt(before, before.length)}: ${error.message}${help}`;
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, Math.max(0, offset)).split("\n").length;
}
