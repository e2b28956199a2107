/**
 * `throughline disconnect TARGET --as ACCOUNT`: gives the Grant back that `connect` wrote (its open sessions end) and takes
 * its entry and its secret out of the user's files. The Grant first: when the api refuses, the files stay as they were,
 * because the Grant may still open the door. Revoking twice is revoking once.
 */
import { realpath } from "node:fs/promises";
import { passFileOf, serviceOf } from "./connect.ts";
import { type Context, done } from "./context.ts";
import { failed } from "./failure.ts";
import { readPrivate, writePrivate } from "./private-file.ts";
import { settingOf, withoutPass, withoutSection } from "./service-file.ts";

export interface DisconnectOptions {
  readonly as: string;
  readonly reason: string;
  readonly serviceFile?: string;
}

export async function disconnect(context: Context, target: string, options: DisconnectOptions): Promise<void> {
  const service = serviceOf(target, options.as);
  const path = options.serviceFile ?? context.parts.serviceFile;
  const text = (await readPrivate(path)) ?? "";
  const user = settingOf(text, service, "user");
  const grant = user?.slice(user.indexOf("~") + 1);
  if (!user || !grant)
    throw failed("not.found", `${path} has no entry [${service}].`, "`throughline connect` writes it.");
  const api = await context.api();
  await api.tell("DELETE", `/api/grants/${encodeURIComponent(grant)}`, { reason: options.reason });
  await writePrivate(await realpath(path), withoutSection(text, service));
  const passFile = passFileOf(context);
  const passes = await readPrivate(passFile);
  if (passes !== null) await writePrivate(passFile, withoutPass(passes, user));
  done(context, { grant, service }, `Grant ${grant} of ${options.as} on ${target} is revoked; [${service}] is gone.`);
}
