/** What the API takes and gives about links between identities. */
import { approvalInfoSchema, nullable, personSchema, required } from "./api.ts";
import { closed, type Static, Type } from "./shape.ts";

export const linkRequestSchema = closed({
  identities: Type.Array(required("Identity key", 2_000), { minItems: 2, maxItems: 10 }),
  strength: Type.Union([Type.Literal("strong"), Type.Literal("weak")]),
  reason: required("Why they belong together"),
});
export const linkInfoSchema = closed({
  link: Type.String({ description: "Id of the event that says it" }),
  from: Type.Union([Type.Literal("said"), Type.Literal("act"), Type.Literal("certificate")], {
    description: "A person's word, a token's act chain, or a client certificate that all of them showed",
  }),
  identities: Type.Array(personSchema),
  strength: Type.Union([Type.Literal("strong"), Type.Literal("weak")]),
  by: nullable(personSchema),
  reason: Type.String(),
  atMs: Type.Number(),
  rejected: nullable(closed({ by: personSchema, reason: Type.String(), atMs: Type.Number() })),
});
export type LinkInfo = Static<typeof linkInfoSchema>;
export const linksSchema = closed({ links: Type.Array(linkInfoSchema) });
/** GET /api/links/:id/effect */
export const linkEffectSchema = closed({
  link: linkInfoSchema,
  rests: Type.Array(
    closed({
      approval: Type.String(),
      chain: Type.String(),
      title: Type.String(),
      sentence: Type.String(),
      state: approvalInfoSchema.properties.state,
    }),
  ),
});
export type LinkEffect = Static<typeof linkEffectSchema>;
