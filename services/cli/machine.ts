/** `throughline config check` and `throughline up`: this machine's own configuration and processes, by what main gives. */
import { type Context, done } from "./context.ts";
import { CliFailure, failed } from "./failure.ts";
import { shown } from "./paint.ts";

export async function checkConfig(context: Context, file: string): Promise<void> {
  const { terminal, offline } = context.parts;
  const findings = await offline.configCheck(file);
  if (findings.length === 0) return done(context, { file, findings }, `${file} is in order.`);
  if (context.json) terminal.out(JSON.stringify({ file, findings }));
  else for (const finding of findings) terminal.out(shown(finding));
  const count = findings.length === 1 ? "One finding" : `${findings.length} findings`;
  throw failed("config.invalid", `${count} in ${file}.`, "Correct what is named above.");
}

export async function up(context: Context, file: string): Promise<void> {
  try {
    await context.parts.offline.up(file);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT")
      throw new CliFailure("config.unreadable", `There is no ${file}.`, "Name the configuration: throughline up FILE.");
    throw error;
  }
}
