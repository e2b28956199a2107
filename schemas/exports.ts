/** What leaves in one piece: exports of records and of lineage, as they are asked for. */
import { closed, Type } from "./shape.ts";

const required = (description: string, maxLength: number) => Type.String({ minLength: 1, maxLength, description });

/**
 * GET /api/export: NDJSON; every line but the last is a record (infra/log/export.ts), the last is `{"manifest": …}`, with
 * text `{"manifest": …, "keys": [{session, keyId, key}]}`, where `key` is base64 and null when it was erased.
 */
export const exportQuerySchema = closed({
  since: Type.Optional(required("RFC 3339 or milliseconds, inclusive", 40)),
  until: Type.Optional(required("RFC 3339 or milliseconds, exclusive", 40)),
  withText: Type.Optional(Type.Boolean({ description: "Adds the keys that open recorded text; recorded as such" })),
});

/**
 * GET /api/lineage: NDJSON; every line but the last is an OpenLineage run event (schemas/openlineage.ts), the last is
 * `{"manifest": {format, count, sha256}}`.
 */
export const lineageQuerySchema = closed({
  since: Type.Optional(required("RFC 3339 or milliseconds, inclusive", 40)),
  until: Type.Optional(required("RFC 3339 or milliseconds, exclusive", 40)),
  session: Type.Optional(required("Only of this session", 200)),
  command: Type.Optional(required("Only this command", 200)),
});
