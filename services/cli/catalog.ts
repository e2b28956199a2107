/** `throughline catalog functions`: what a summary under `functions:` of catalog.yaml begins with. */
import { type Context, tell } from "./context.ts";
import { shown } from "./paint.ts";

export interface FunctionsOptions {
  readonly config: string;
  readonly target?: string;
}

/**
 * What they read and write is left out on purpose: whoever reviewed the body states it.
 * @param part of the names asked for; null = all
 */
export async function listFunctions(context: Context, part: string | null, options: FunctionsOptions): Promise<void> {
  const { terminal, offline } = context.parts;
  const all = await offline.functions(options.config, options.target ?? null);
  const found = all.filter(({ function: name }) => part === null || name.includes(part));
  tell(context, found, () => found.flatMap(linesOf));
  terminal.err(`${found.length} functions. Add reads and writes as the body has them (schemas/function-summary.ts).`);
}

/** Names come from the target, where anybody may have chosen them. */
function linesOf({ function: name, digest, why }: { function: string; digest: string; why: string | null }): string[] {
  const lines = [`  - function: ${shown(JSON.stringify(name))}`, `    digest: ${digest}`];
  return why === null ? lines : [...lines, `    # cannot be described: ${shown(why)}`];
}
