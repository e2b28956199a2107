/**
 * `throughline connect TARGET --as ACCOUNT --task "…"`: asks for a Grant and writes it where psql and every libpq
 * driver look, so that the plain client then just works. The secret goes into a pass file (0600) and nowhere else: not
 * onto the command line, where every user of the machine could read it, and not onto the terminal.
 */
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { type IssuedGrant, issuedGrantSchema } from "../../schemas/api.ts";
import { type Context, tell } from "./context.ts";
import { misused } from "./failure.ts";
import { fromNow, localTime, paint } from "./paint.ts";
import { readPrivate, writePrivate } from "./private-file.ts";
import { withPass, withSection } from "./service-file.ts";

export interface ConnectOptions {
  readonly as: string;
  readonly task: string;
  readonly taskId?: string;
  readonly parent?: string;
  readonly hours?: string;
  readonly serviceFile?: string;
}

export async function connect(context: Context, target: string, options: ConnectOptions): Promise<void> {
  const api = await context.api();
  const task = {
    justification: options.task,
    ...(options.taskId ? { id: options.taskId } : {}),
    ...(options.parent ? { parent: options.parent } : {}),
  };
  const body = { target, account: options.as, task, ...(options.hours ? { hours: hoursOf(options.hours) } : {}) };
  const grant = await api.send("POST", "/api/grants", body, issuedGrantSchema);
  const service = serviceOf(target, options.as);
  const serviceFile = options.serviceFile ?? context.parts.serviceFile;
  const passFile = passFileOf(context);
  await writePass(passFile, grant);
  await writeService(serviceFile, service, passFile, grant);
  const elsewhere = serviceFile === context.parts.serviceFile ? "" : `PGSERVICEFILE=${quoted(serviceFile)} `;
  const psql = `${elsewhere}psql service=${service}`;
  const { secret: _secret, ...told } = grant;
  tell(context, { ...told, service, serviceFile, passFile, psql }, () => [
    `${paint(context.parts.terminal, "green", "granted")}  ${options.as} on ${target} until ${localTime(grant.expiresAtMs)} (${fromNow(grant.expiresAtMs, context.parts.now())})`,
    `         task ${grant.task}: ${options.task}`,
    "",
    `  ${psql}`,
  ]);
}

/** Name of the entry in pg_service.conf; one per target and account, the newest Grant stands in it. */
export const serviceOf = (target: string, account: string): string => `throughline-${target}-${account}`;

export const passFileOf = (context: Context): string => join(context.parts.configFolder, "pgpass");

function hoursOf(text: string): number {
  const hours = Number(text);
  if (!(hours > 0 && hours <= 12)) throw misused(`"${text}" is no number of hours.`, "More than 0, at most 12.");
  return hours;
}

async function writePass(path: string, grant: IssuedGrant): Promise<void> {
  await writePrivate(path, withPass((await readPrivate(path)) ?? "", grant));
}

/** The user's own file: its other entries stay, and a link to it (dotfiles) stays a link. */
async function writeService(path: string, service: string, passFile: string, grant: IssuedGrant): Promise<void> {
  const text = await readPrivate(path);
  const real = text === null ? path : await realpath(path);
  const settings: [string, string][] = [
    ["host", grant.host],
    ["port", String(grant.port)],
    ["dbname", grant.database],
    ["user", grant.user],
    ["passfile", passFile],
    ["sslmode", grant.requireTls ? "require" : "prefer"],
  ];
  await writePrivate(real, withSection(text ?? "", service, settings));
}

const quoted = (text: string): string => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
