/**
 * The shape of rule files: Sigma detection rules, Sigma correlation rules, and our one namespaced key `x-chain` with
 * inline `tests`. Sigma's own top level is open (other tools add keys there); everything of ours refuses unknown keys.
 * What a key means stands in DETECTION §1, §2 and §6; what of it this version evaluates, infra/rules/load.ts checks.
 */
import { linkKinds } from "./chain.ts";
import { pipelinesSchema } from "./pipeline.ts";
import { falsePositives, logsourceSchema, ruleHead } from "./rule-head.ts";
import { closed, type Static, Type } from "./shape.ts";

const oneOf = <T extends string>(words: readonly T[]) =>
  Type.Unsafe<T>(Type.Union(words.map((word) => Type.Literal(word))));
const name = Type.String({ minLength: 1, maxLength: 200 });
const names = Type.Array(name, { minItems: 1 });
/** `30s 15m 24h 7d 4w 2M 1y` */
const durationPattern = "^[0-9]{1,6}[smhdwMy]$";

export const correlationTypes = [
  "temporal_ordered",
  "temporal",
  "event_count",
  "value_count",
  "value_sum",
  "value_avg",
  "value_percentile",
] as const;
export const chainActions = ["hold", "block", "alert"] as const;
export const expectations = ["hold", "block", "alert", "allow"] as const;

/** What a standing block that a rule places is limited to: of the identity that completed the chain. */
export const blockScopes = ["identity", "account", "session", "task"] as const;

const said = (description: string) => ({ description });
const stepName = (description: string) => Type.String({ minLength: 1, maxLength: 200, description });

const gateSchema = closed(
  {
    action: Type.Union(
      [Type.Literal("hold"), Type.Literal("block")],
      said("`hold`: people are asked before it runs. `block`: refused; where evidence is weak it is held instead"),
    ),
    approvers: Type.Optional(
      Type.Array(name, { minItems: 1, ...said("groups that may let it through; else those of the configuration") }),
    ),
    escalate: Type.Optional(
      Type.Array(name, { minItems: 1, ...said("groups that are asked when no approver is left") }),
    ),
    wait: Type.Optional(
      Type.String({ pattern: durationPattern, ...said("how long it waits for an answer; 15m unless said") }),
    ),
    unavailable: Type.Optional(
      Type.Union(
        [Type.Literal("hold"), Type.Literal("block"), Type.Literal("allow")],
        said("what happens when no correlator answers in time; hold unless said"),
      ),
    ),
    step: Type.Optional(
      Type.Union([name, names], said("only these last steps are held; else every step that can be the last")),
    ),
    "may-approve": Type.Optional(
      Type.Array(name, {
        minItems: 1,
        ...said("steps whose identities may still answer; else nobody who is in the chain may"),
      }),
    ),
    block: Type.Optional(
      closed(
        {
          scope: Type.Array(oneOf(blockScopes), { minItems: 1 }),
          for: Type.String({ pattern: durationPattern }),
        },
        "a standing block on whoever completed a chain of strong evidence: `{ scope: [identity], for: 4h }`",
      ),
    ),
  },
  "what happens to the last step; without it the rule only tells (alert)",
);

const absentSchema = closed({ rule: stepName("a rule that is no step"), between: Type.Tuple([name, name]) });

export const chainKeySchema = closed(
  {
    mode: Type.Optional(
      Type.Union(
        [Type.Literal("observe"), Type.Literal("enforce")],
        said("`observe` only tells, whatever `gate` says; enforce unless said"),
      ),
    ),
    links: Type.Optional(
      Type.Array(
        closed({
          from: stepName("the earlier step"),
          to: stepName("the later step"),
          by: Type.Array(oneOf(linkKinds), { minItems: 1, ...said("any of these ties the two") }),
        }),
        said(
          "which steps must be tied, and by what; a pair with several entries needs all of them, one not named needs none",
        ),
      ),
    ),
    distinct: Type.Optional(
      closed(
        { field: name, min: Type.Integer({ minimum: 2, maximum: 100 }) },
        "the events of the chain have at least `min` different values of `field`, such as `{ field: account, min: 2 }`",
      ),
    ),
    absent: Type.Optional(
      Type.Union(
        [absentSchema, Type.Array(absentSchema)],
        said(
          "`{ rule, between: [step, step] }`: nobody outside the chain does that in between, such as announcing the change",
        ),
      ),
    ),
    until: Type.Optional(
      stepName("a rule that is no step: nobody outside the chain does that between the first step and the last"),
    ),
    unless: Type.Optional(
      closed(
        { pipeline: Type.Union([name, names]) },
        "`{ pipeline: name }`: a chain that is one run of this pipeline of pipelines.yaml is none",
      ),
    ),
    runs: Type.Optional(
      Type.Array(
        closed({ rule: name, min: Type.Integer({ minimum: 2, maximum: 100_000 }) }),
        said("how often a step must happen before it counts: `[{ rule: pii_read, min: 3 }]`"),
      ),
    ),
    "group-by-null": Type.Optional(Type.Boolean(said("events without the `group-by` field are a group of their own"))),
    gate: Type.Optional(gateSchema),
  },
  "what Sigma cannot say: what ties the steps, and what happens to the last one; see schemas/RULES.md",
);
export type ChainKey = Static<typeof chainKeySchema>;

const catalogLines = Type.Array(
  closed({ resource: name, tags: names }),
  said('what is tagged in this test; else `[{ resource: "*/public.customers", tags: [pii] }]`'),
);

export const inlineTestsSchema = Type.Array(
  closed({
    name: Type.Optional(stepName("what it is about; else its number")),
    catalog: Type.Optional(catalogLines),
    pipelines: Type.Optional(
      Type.Unsafe<Static<typeof pipelinesSchema>>({ ...pipelinesSchema, ...said("as in pipelines.yaml; else none") }),
    ),
    given: Type.Optional(
      Type.String(
        said(
          "what has run, a line each: `time account operation resources key=value`, such as `60s transform transform orders/public.customers -> orders/public.staging`; see schemas/RULES.md",
        ),
      ),
    ),
    when: Type.String({
      minLength: 1,
      ...said("the one command that is asked, before it runs: a line as under given"),
    }),
    expect: Type.Unsafe<(typeof expectations)[number]>(
      Type.Union(
        expectations.map((word) => Type.Literal(word)),
        said("what this rule says of it: allow = it does not fire"),
      ),
    ),
  }),
  said("played by `throughline rules test`, each with this rule alone; see schemas/RULES.md"),
);
export type InlineTest = Static<typeof inlineTestsSchema>[number];

const head = {
  ...ruleHead,
  generate: Type.Optional(
    Type.Boolean(said("it fires by itself too, although others name it; in a correlation, the rules that it names do")),
  ),
  tests: Type.Optional(inlineTestsSchema),
  "x-chain": Type.Optional(chainKeySchema),
};

export const detectionRuleSchema = Type.Object({
  ...head,
  logsource: logsourceSchema,
  detection: Type.Record(Type.String(), Type.Unknown()),
});
export type DetectionFile = Static<typeof detectionRuleSchema>;

const countCondition = closed({
  field: Type.Optional(Type.Union([name, names])),
  percentile: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
  gt: Type.Optional(Type.Number()),
  gte: Type.Optional(Type.Number()),
  lt: Type.Optional(Type.Number()),
  lte: Type.Optional(Type.Number()),
  eq: Type.Optional(Type.Number()),
  neq: Type.Optional(Type.Number()),
});
export type CountCondition = Static<typeof countCondition>;

export const correlationRuleSchema = Type.Object({
  ...head,
  /** As the published schema has it, here and not in detection rules. */
  falsepositives: Type.Optional(Type.Union([Type.String({ minLength: 2 }), falsePositives])),
  correlation: closed({
    type: oneOf(correlationTypes),
    /** May be left out where `condition` is an expression over rules. */
    rules: Type.Optional(names),
    timespan: Type.String({
      pattern: durationPattern,
      ...said("a number and s, m, h, d, w, M or y, such as 90m; between the first event and the last"),
    }),
    "group-by": Type.Optional(names),
    aliases: Type.Optional(Type.Record(Type.String(), Type.Record(Type.String(), Type.String()))),
    condition: Type.Optional(Type.Union([countCondition, Type.String({ minLength: 1, maxLength: 10_000 })])),
  }),
});
export type CorrelationFile = Static<typeof correlationRuleSchema>;

/** A firing, as `throughline rules run` prints it: keys in this order, `chain` in step order. */
export interface Firing {
  readonly rule: string;
  readonly event: string;
  readonly action: (typeof chainActions)[number];
  readonly chain: readonly string[];
}
