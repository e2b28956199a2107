/**
 * Who the command line is logged in as: one file per profile, 0600, in the folder that main names.
 * It holds an access token of the identity provider, nothing that opens a target.
 */
import { join } from "node:path";
import { closed, findings, type Static, Type } from "../../schemas/shape.ts";
import { failed, misused } from "./failure.ts";
import { readPrivate, writePrivate } from "./private-file.ts";

const nullableText = Type.Union([Type.String(), Type.Null()]);

export const sessionSchema = closed({
  url: Type.String({ description: "Address of the HTTP API" }),
  issuer: Type.String(),
  clientId: Type.String(),
  audience: Type.String(),
  accessToken: Type.String(),
  refreshToken: nullableText,
  expiresAtMs: Type.Number(),
  name: Type.String({ description: "For people to read" }),
});
export type CliSession = Static<typeof sessionSchema>;

function pathOf(folder: string, profile: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,40}$/i.test(profile))
    throw misused(`"${profile}" is no profile name.`, "Letters, digits and hyphens.");
  return join(folder, `session-${profile}.json`);
}

/** @throws CliFailure `login.failed` when nobody is logged in, or the file is not ours. */
export async function readSession(folder: string, profile: string): Promise<CliSession> {
  const path = pathOf(folder, profile);
  const text = await readPrivate(path);
  if (text === null) throw failed("login.failed", "You are not logged in.", "Run `throughline login` first.");
  const value: unknown = parsed(text);
  if (!isSession(value))
    throw failed("login.failed", `${path} is not a session of this program.`, "Run `throughline login` again.");
  return value;
}

export async function writeSession(folder: string, profile: string, session: CliSession): Promise<void> {
  await writePrivate(pathOf(folder, profile), `${JSON.stringify(session, null, 2)}\n`);
}

function isSession(value: unknown): value is CliSession {
  return findings(sessionSchema, value).length === 0;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON is not a session: the caller says so, with the path.
    return null;
  }
}
