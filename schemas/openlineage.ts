/**
 * What leaves as OpenLineage: run events of its core specification 2-0-2 with the facets columnLineage 1-2-0,
 * lifecycleStateChange 1-0-1 and parent 1-2-0 (github.com/OpenLineage/OpenLineage, spec/), as far as it is said here.
 *
 * A field of a column that only its table is known of is `*`: every column.
 */
import { closed, type Static, Type } from "./shape.ts";

const facet = { _producer: Type.String(), _schemaURL: Type.String() };
const uuid = Type.String({ pattern: "^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$" });
const named = { namespace: Type.String({ minLength: 1 }), name: Type.String({ minLength: 1 }) };

const inputFieldSchema = closed({
  ...named,
  field: Type.String({ minLength: 1 }),
  transformations: Type.Array(closed({ type: Type.Union([Type.Literal("DIRECT"), Type.Literal("INDIRECT")]) })),
});

const columnLineageSchema = closed({
  ...facet,
  fields: Type.Record(Type.String(), closed({ inputFields: Type.Array(inputFieldSchema) })),
  /** What decided which rows were written, or was read beside: no value of it came over. */
  dataset: Type.Array(inputFieldSchema),
});

const lifecycleSchema = closed({
  ...facet,
  lifecycleStateChange: Type.Union([
    Type.Literal("ALTER"),
    Type.Literal("DROP"),
    Type.Literal("RENAME"),
    Type.Literal("TRUNCATE"),
  ]),
  previousIdentifier: Type.Optional(closed(named)),
});

/** What the standard facets have no word for. `lasts`: null while the transaction is open. */
const commandFacetSchema = closed({
  ...facet,
  event: Type.String(),
  command: Type.String(),
  session: Type.String(),
  identity: Type.String(),
  account: Type.String(),
  task: Type.String(),
  statements: Type.Array(Type.String()),
  operations: Type.Array(Type.String()),
  opaque: Type.Union([Type.String(), Type.Null()]),
  outcome: Type.Union([Type.String(), Type.Null()]),
  lasts: Type.Union([Type.Boolean(), Type.Null()]),
});

export const runEventSchema = closed({
  eventType: Type.Union([
    Type.Literal("START"),
    Type.Literal("COMPLETE"),
    Type.Literal("ABORT"),
    Type.Literal("FAIL"),
    Type.Literal("OTHER"),
  ]),
  eventTime: Type.String({ format: "date-time" }),
  producer: Type.String(),
  schemaURL: Type.String(),
  run: closed({
    runId: uuid,
    facets: closed({
      throughline_command: commandFacetSchema,
      parent: Type.Optional(closed({ ...facet, run: closed({ runId: uuid }), job: closed(named) })),
    }),
  }),
  job: closed(named),
  inputs: Type.Array(closed(named)),
  outputs: Type.Array(
    closed({
      ...named,
      facets: closed({
        columnLineage: Type.Optional(columnLineageSchema),
        lifecycleStateChange: Type.Optional(lifecycleSchema),
      }),
    }),
  ),
});

export type RunEvent = Static<typeof runEventSchema>;
export type OutputDataset = RunEvent["outputs"][number];
export type InputField = Static<typeof inputFieldSchema>;
