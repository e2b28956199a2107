/**
 * Names of the target's things as URIs: `target/schema.table#column`.
 * A quoted identifier may hold any character, so what has a meaning in a URI is percent-encoded: a table named
 * `customers#email` must not be taken for a column. Schemas that begin with `pg_` cannot be created by users, so
 * things that are no tables (roles, files, channels) stand in made-up ones: `target/pg_role.loader`.
 */
import type { ResourceUri } from "../../../schemas/command.ts";

/** Carriers and other things that are no relation. */
export type ThingKind = "pg_role" | "pg_file" | "pg_program" | "pg_channel" | "pg_function" | "pg_object";

export function schemaUri(target: string, schema: string): ResourceUri {
  return `${target}/${encode(schema)}` as ResourceUri;
}

export function relationUri(target: string, schema: string, relation: string): ResourceUri {
  return `${target}/${encode(schema)}.${encode(relation)}` as ResourceUri;
}

export function columnUri(relation: ResourceUri, column: string): ResourceUri {
  return `${relation}#${encode(column)}` as ResourceUri;
}

/** @returns one thing, or all of its kind when its name is not known */
export function thingUri(target: string, kind: ThingKind, name: string | null): ResourceUri {
  return name === null ? schemaUri(target, kind) : relationUri(target, kind, name);
}

/** @param signature types of its arguments, as PostgreSQL prints them */
export function functionUri(target: string, schema: string, name: string, signature: string): ResourceUri {
  const bare = (part: string): string => encode(part).replaceAll("(", "%28").replaceAll(")", "%29");
  return `${target}/${bare(schema)}.${bare(name)}(${signature})` as ResourceUri;
}

export function targetUri(target: string): ResourceUri {
  return target as ResourceUri;
}

/** Sessions have schemas of their own for temporary tables (`pg_temp_3`); by URI they are one. */
export function schemaName(schema: string): string {
  return /^pg_temp_\d+$/.test(schema) ? "pg_temp" : schema;
}

const special = /[%/.#*\s\p{Cc}]/gu;

function encode(name: string): string {
  return name.replace(special, (letter) => {
    const bytes = Buffer.from(letter);
    return [...bytes].map((byte) => `%${byte.toString(16).padStart(2, "0").toUpperCase()}`).join("");
  });
}
